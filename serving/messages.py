"""The messages of the service: what may be asked, and what is answered."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, WithJsonSchema
from pydantic.config import JsonDict

MOST_DEALS = 1_000
Text = Annotated[str, Field(min_length=1, max_length=1_000)]
Probability = Annotated[float, Field(ge=0, le=1)]
TIME: JsonDict = {"examples": ["2026-03-31T09:00:00Z", "2026-03-31"]}
AsOf = Annotated[
    str | None,
    Field(
        description="instant of the question, ISO-8601, not after now; without zone it is UTC. "
        "Default: the service's own, which every answer tells",
        json_schema_extra=TIME,
    ),
]


def _scalar(value: Any) -> Any:
    """Let plain values through."""
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("a number must be finite")
    if value is None or isinstance(value, str | float | int):
        return value
    raise ValueError("a text, a number, true, false or null is allowed, not a list or an object")


SCALARS: JsonDict = {"anyOf": [{"type": kind} for kind in ("string", "number", "boolean")]}
Scalar = Annotated[Any, AfterValidator(_scalar), WithJsonSchema(SCALARS)]


class Request(BaseModel):
    """A request: unknown fields and values of another type are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class RankRequest(Request):
    """The daily list of an owner, a team or the firm."""

    owner: Text | None = Field(None, description="identifier or name of an owner, in any case")
    team: Text | None = Field(None, description="name of a team")
    top: int = Field(50, ge=1, le=1_000, description="deals wanted")
    as_of: AsOf = None


class ScoreRequest(Request):
    """Deals of the store by identifier."""

    deal_ids: list[Text] | None = Field(
        None, max_length=10_000, description="deals wanted; omitted: all that are open"
    )
    reasons: bool = Field(True, description="whether to give reasons, which take most of the time")
    as_of: AsOf = None


class ForecastRequest(Request):
    """Revenue by month or quarter."""

    period: Literal["month", "quarter"] = "month"
    periods: int = Field(3, ge=1, le=24, description="periods, the running one included")
    by: list[Literal["owner", "team", "pipeline", "source"]] = Field(
        default_factory=list, max_length=4, description="roll-ups besides the total"
    )
    as_of: AsOf = None


class ExplainRequest(Request):
    """One open deal of the store."""

    deal_id: Text
    as_of: AsOf = None


class SentChange(Request):
    """A change of one property of a deal."""

    property: Text = Field(description="stage, amount, expected_close_date, owner_id or another")
    value: Scalar = Field(description="the value from then on")
    changed_at: Text = Field(json_schema_extra=TIME)
    recorded_at: Text | None = Field(None, description="when it became known, if later")


class SentActivity(Request):
    """One engagement."""

    activity_id: Text | None = None
    type: Text = Field(description="email, call, meeting, note or task")
    occurred_at: Text = Field(json_schema_extra=TIME)
    direction: Text | None = Field(None, description="inbound (from the buyer) or outbound")
    contact_id: Text | None = None
    owner_id: Text | None = None
    recorded_at: Text | None = Field(
        None, description="when it became known; needed for a meeting booked ahead"
    )


class SentDeal(Request):
    """A deal sent whole. Further fields are custom columns.

    A model reads stage, amount, expected close date and owner from the history, as in the store.
    """

    model_config = ConfigDict(extra="allow", strict=True, allow_inf_nan=False)
    __pydantic_extra__: dict[str, Scalar] = Field(init=False)

    deal_id: Text
    stage: Text
    created_at: Text = Field(json_schema_extra=TIME)
    account_id: Text | None = None
    owner_id: Text | None = None
    pipeline: Text | None = None
    source: Text | None = None
    deal_type: Text | None = None
    amount: float | None = None
    currency: Text | None = None
    expected_close_date: Text | None = None
    closed_at: Text | None = None
    is_won: bool | None = None
    history: list[SentChange] = Field(default_factory=list, max_length=10_000)
    activities: list[SentActivity] = Field(default_factory=list, max_length=10_000)


class PredictRequest(Request):
    """Deals that are not in the store, or in another state than there."""

    deals: list[SentDeal] = Field(min_length=1, max_length=MOST_DEALS)
    as_of: AsOf = None


class Answer(BaseModel):
    """What every answer tells."""

    model_config = ConfigDict(extra="forbid")

    as_of: datetime = Field(description="instant of the answer, UTC")
    model_version: str
    data_version: str = Field(description="version of the store that was read")
    tier: str = Field(description="which model answered: table, logistic, blend or full")
    currency: str = Field(description="currency of all amounts; empty where none is known")
    notes: list[str] = Field(description="what must be known beside the answer; mostly empty")


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
    flags: list[str] = Field(description="no amount, stale, silent, overdue")
    reasons_for: list[str] | None = None
    reasons_against: list[str] | None = None
    tier: str
    model_version: str
    as_of: datetime


class RankedDeal(DealScore):
    """A deal of the daily list."""

    rank: int


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


class ReasonPart(BaseModel):
    """A theme, its part of the log-odds of winning within 84 days, and the sentence."""

    theme: str
    contribution: float
    text: str


class CurvePoint(BaseModel):
    """Probabilities of having been won or lost within so many days."""

    days: int
    p_won: Probability
    p_lost: Probability


class ExplainAnswer(Answer):
    """One deal with its reasons and its curve."""

    deal: DealScore
    reasons: list[ReasonPart]
    curve: list[CurvePoint]
    facts: dict[str, JsonValue] = Field(description="features that the reasons speak of")


Content = dict[str, Any]
"""An answer as plain types: fast to write, and equal to the last digit."""
