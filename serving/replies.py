"""What the service answers."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

Probability = Annotated[float, Field(ge=0, le=1)]


class Answer(BaseModel):
    """What every answer tells."""

    model_config = ConfigDict(extra="forbid")

    as_of: datetime = Field(description="instant of the answer, UTC")
    model_version: str
    data_version: str = Field(description="version of the store that was read")
    tier: str = Field(description="which model answered: table, logistic, blend or full")
    currency: str = Field(description="currency of all amounts; empty where none is known")
    notes: list[str] = Field(description="what must be known beside the answer; mostly empty")


class SinceThen(BaseModel):
    """What changed for a deal since an earlier instant, by the same model."""

    model_config = ConfigDict(extra="forbid")

    since: datetime
    p_won_90: Probability | None = Field(description="then; null where it was not open then")
    points: float = Field(description="p_won_90 now less then, in [-1, 1]; 0 for a newer deal")
    because: list[str] = Field(description="what moved it, the largest part first")


class DealScore(BaseModel):
    """An open deal, scored. Probabilities are of winning or losing within so many days."""

    model_config = ConfigDict(extra="forbid")

    deal_id: str
    status: Literal["open"]
    name: str
    account_id: str | None
    account: str | None
    owner_id: str | None
    owner: str | None
    team: str | None
    pipeline: str | None
    source: str | None
    stage: str | None
    p_won_30: Probability
    p_won_60: Probability
    p_won_90: Probability
    p_won_180: Probability
    p_won_quarter: Probability = Field(description="to the end of the fiscal quarter")
    p_won: Probability = Field(description="ever")
    p_lost_30: Probability
    p_lost_60: Probability
    p_lost_90: Probability
    p_lost_180: Probability
    p_lost_quarter: Probability
    p_lost: Probability
    amount: float | None = Field(description="as known at as_of")
    expected_amount: float | None = Field(description="if won")
    expected_revenue_90: float | None
    close_date_p10: datetime | None
    close_date_p50: datetime | None = Field(description="likely day of winning, if won")
    close_date_p90: datetime | None
    expected_close_date: datetime | None = Field(description="what the rep expects")
    priority: float = Field(description="the order of the daily list")
    age_days: float
    days_since_activity: float | None
    amount_missing: bool
    stale: bool
    flags: list[str] = Field(description="no amount, stale, silent, overdue, single contact")
    reasons_for: list[str] | None = None
    reasons_against: list[str] | None = None
    tier: str
    model_version: str
    as_of: datetime


class RankedDeal(DealScore):
    """A deal of the daily list."""

    rank: int
    usual_rank: int = Field(description="the rank it would have without shuffling")
    revenue_at_risk: float = Field(description="amount x fall of p_won_90 in the last 7 days")
    since_yesterday: SinceThen


class NotOpen(BaseModel):
    """A deal that has no score, for it is not open at as_of."""

    model_config = ConfigDict(extra="forbid")

    deal_id: str
    status: Literal["won", "lost", "not yet known"]
    closed_at: datetime | None = Field(description="when it was won or lost")


class RankAnswer(Answer):
    """The daily list."""

    open_deals: int = Field(description="open deals of this owner or team, listed or not")
    deals: list[RankedDeal]


class ScoreAnswer(Answer):
    """A row a deal, in the order asked."""

    deals: list[DealScore | NotOpen]


class Chances(BaseModel):
    """Probabilities of a row of features."""

    model_config = ConfigDict(extra="forbid")

    p_won_30: Probability
    p_won_60: Probability
    p_won_90: Probability
    p_won_180: Probability
    p_won: Probability
    p_lost_30: Probability
    p_lost_60: Probability
    p_lost_90: Probability
    p_lost_180: Probability
    p_lost: Probability


class FeaturesAnswer(Answer):
    """A row of probabilities for each row of features, in the order sent."""

    rows: list[Chances]


class ForecastRow(BaseModel):
    """One period of the total, of the open deals alone, or of a member of a roll-up."""

    model_config = ConfigDict(extra="forbid")

    as_of: datetime
    period: str
    scope: str = Field(description="total, open, owner, team, pipeline or source")
    scope_id: str
    booked: float
    open: float
    new: float
    mean: float
    p10: float
    p50: float
    p90: float
    target: float | None = Field(description="of the total, a team or an owner; null where none")
    gap: float | None = Field(description="mean less target")
    p_target: float | None = Field(description="probability of reaching the target")


class ForecastAnswer(Answer):
    """The forecast: 80 % of outcomes should fall between p10 and p90."""

    unit: Literal["revenue", "wins"]
    open_deals: int
    without_amount: int
    stale: int
    rows: list[ForecastRow]


class KeptScore(BaseModel):
    """A score as it was served and kept."""

    model_config = ConfigDict(extra="forbid")

    scored_at: datetime
    as_of: datetime
    data_version: str
    model_version: str
    stage: str | None
    amount: float | None
    p_won_30: Probability
    p_won_90: Probability
    p_won: Probability
    expected_revenue_90: float | None


class FeedbackLine(BaseModel):
    """What a person said, with what stood on the screen then."""

    model_config = ConfigDict(extra="forbid")

    id: int
    at: datetime
    by: str
    kind: str
    deal_id: str | None
    owner_id: str | None
    period: str | None
    value: JsonValue
    note: str
    model_version: str
    data_version: str


class ReasonPart(BaseModel):
    """A theme, its part of the log-odds of winning within 90 days, and the sentence."""

    theme: str
    contribution: float
    points: float = Field(description="the same on the scale of the probability, in [-1, 1]")
    text: str


class CurvePoint(BaseModel):
    """Probabilities of having been won or lost within so many days."""

    days: int
    p_won: Probability
    p_lost: Probability


class ExplainAnswer(Answer):
    """One deal with its reasons and its curve."""

    deal: DealScore
    base: float = Field(description="log-odds of p_won_90 of the usual open deal")
    groups: dict[str, float] = Field(
        description="part of each theme: base + all of them = log-odds of p_won_90"
    )
    reasons: list[ReasonPart]
    since_yesterday: SinceThen
    scores: list[KeptScore] = Field(description="what was served for it day by day, as kept")
    feedback: list[FeedbackLine]
    curve: list[CurvePoint]
    facts: dict[str, JsonValue] = Field(description="features that the reasons speak of")


class Step(BaseModel):
    """One step of the way from the sum then to the sum now."""

    model_config = ConfigDict(extra="forbid")

    step: str = Field(description="before, opened, won, lost, probability, amount, after")
    value: float
    deals: int


class ChangedDeal(BaseModel):
    """A deal open at both instants."""

    model_config = ConfigDict(extra="forbid")

    deal_id: str
    name: str
    owner_id: str | None
    owner: str | None
    p_won_90_before: Probability
    p_won_90: Probability
    points: float
    expected_revenue_90_before: float | None
    expected_revenue_90: float | None
    because: list[str]


class ChangesAnswer(Answer):
    """What changed among the open deals between `since` and `as_of`."""

    since: datetime
    deals: list[ChangedDeal]
    opened: list[str] = Field(description="deals that became known, or open again, in between")
    closed: list[str] = Field(description="deals won or lost in between")
    bridge: list[Step] = Field(description="expected_revenue_90 from then to now, step by step")


class WhatIfAnswer(Answer):
    """The score of a deal as it is, and as it would be read after the supposed change."""

    deal: DealScore
    supposed: DealScore
    points: float = Field(description="p_won_90 supposed less as it is")
    revenue: float | None = Field(description="expected_revenue_90 supposed less as it is")
    because: list[str]
    reading: str = Field(description="how to read it: an association, not what would be caused")


class FeedbackAnswer(Answer):
    """What was kept."""

    kept: FeedbackLine


class ModelAnswer(Answer):
    """The model that answers, what stands behind it, and how fresh the data are."""

    card: dict[str, JsonValue]
    cut: datetime = Field(description="it has learned from facts known before this instant")
    features: int
    last_fact: datetime | None
    data_age_seconds: float | None
    model_age_seconds: float
    open_deals: int


class Health(BaseModel):
    """Whether the service is alive, or ready."""

    status: Literal["alive", "ready"]


Content = dict[str, Any]
"""An answer as plain types: fast to write, and equal to the last digit."""
