"""What the service may be asked. What it answers is in `replies`."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema
from pydantic.config import JsonDict

MOST_DEALS = 1_000
PERIOD = r"^\d{4}-(0[1-9]|1[0-2]|Q[1-4])$"
PERIODS: JsonDict = {"examples": ["2026-06", "2026-Q2"]}
Text = Annotated[str, Field(min_length=1, max_length=1_000)]
Order = Literal["priority", "win_probability", "revenue_at_risk", "closing_soonest"]
Names = list[Text]
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


PREDICT: JsonDict = {
    "deals": [
        {
            "deal_id": "new-1",
            "stage": "qualified",
            "created_at": "2026-03-01",
            "history": [{"property": "amount", "value": 12_000, "changed_at": "2026-03-02"}],
            "activities": [
                {"type": "email", "direction": "inbound", "occurred_at": "2026-03-20T10:00:00Z"}
            ],
        }
    ]
}


class Request(BaseModel):
    """A request: unknown fields and values of another type are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class RankRequest(Request):
    """The daily list of an owner, a team or the firm."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"top": 10}, {"order_by": "revenue_at_risk", "amount_min": 10_000}]
        }
    )

    owner: Text | None = Field(None, description="identifier or name of an owner, in any case")
    team: Text | None = Field(None, description="name of a team")
    top: int = Field(50, ge=1, le=1_000, description="deals wanted")
    order_by: Order = Field(
        "priority",
        description="priority: expected revenue won within 90 days; win_probability: p_won_90; "
        "revenue_at_risk: amount x fall of p_won_90 in the last 7 days; closing_soonest: likely "
        "day of winning",
    )
    pipeline: Names = Field(default_factory=list, max_length=50, description="only of these")
    source: Names = Field(default_factory=list, max_length=50, description="only of these")
    stage: Names = Field(default_factory=list, max_length=50, description="only in these")
    amount_min: float | None = Field(
        None, ge=0, description="a deal without amount is left out where a bound is set"
    )
    amount_max: float | None = Field(None, ge=0)
    capacity: int | None = Field(
        None, ge=1, le=1_000, description="deals that a rep can work: so many of each at most"
    )
    shuffle: float = Field(
        0.0,
        ge=0,
        le=0.5,
        description="share of nearly tied neighbours that change places, so that the effect of "
        "the order can be measured; the draw is fixed for the day and logged",
    )
    seed: int = Field(0, ge=0, le=2**31 - 1, description="another seed is another draw")
    reasons: bool = Field(True, description="whether to give reasons")
    as_of: AsOf = None


class ScoreRequest(Request):
    """Deals of the store by identifier."""

    model_config = ConfigDict(json_schema_extra={"examples": [{}, {"reasons": False}]})

    deal_ids: list[Text] | None = Field(
        None, max_length=10_000, description="deals wanted; omitted: all that are open"
    )
    reasons: bool = Field(True, description="whether to give reasons, which take most of the time")
    as_of: AsOf = None


class ForecastRequest(Request):
    """Revenue by month or quarter."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"period": "quarter", "periods": 2, "by": ["team"]}]}
    )

    period: Literal["month", "quarter"] = "month"
    periods: int = Field(3, ge=1, le=24, description="periods, the running one included")
    by: list[Literal["owner", "team", "pipeline", "source"]] = Field(
        default_factory=list, max_length=4, description="roll-ups besides the total"
    )
    as_of: AsOf = None


class ExplainRequest(Request):
    """One open deal of the store."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"deal_id": "D00001"}]})

    deal_id: Text
    as_of: AsOf = None


class ChangesRequest(Request):
    """What changed between two instants, by the model that answers now."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"days": 7, "top": 10}]})

    days: int = Field(1, ge=1, le=365, description="days before as_of at which the first lies")
    owner: Text | None = Field(None, description="identifier or name of an owner, in any case")
    team: Text | None = Field(None, description="name of a team")
    top: int = Field(50, ge=1, le=1_000, description="deals wanted, the largest change first")
    as_of: AsOf = None


class SupposedActivity(Request):
    """An engagement supposed to have just happened."""

    type: Literal["email", "call", "meeting", "note", "task"]
    direction: Literal["inbound", "outbound"] | None = None
    contact_id: Text | None = None


class WhatIfRequest(Request):
    """An open deal, and what is supposed of it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"deal_id": "D00001", "amount": 25_000, "activity": {"type": "meeting"}},
            ]
        }
    )

    deal_id: Text
    stage: Text | None = Field(None, description="the deal has just moved to this stage")
    amount: float | None = Field(
        None, ge=0, le=1e15, description="the amount has just become this"
    )
    expected_close_date: Text | None = Field(
        None, description="the rep has just promised this day", json_schema_extra=TIME
    )
    activity: SupposedActivity | None = Field(None, description="this has just happened")


class FeedbackRequest(Request):
    """What a person says of a deal, or commits to. It is kept, and never moves the model."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"kind": "correction", "deal_id": "D00001", "value": 0.8, "note": "they signed"},
                {"kind": "commit", "owner_id": "O1", "period": "2026-06", "value": 120_000},
            ]
        }
    )

    kind: Literal["correction", "commit", "note"] = Field(
        description="correction: the score is off; commit: a deal, or an owner's revenue in a "
        "period, is promised; note: anything else"
    )
    deal_id: Text | None = None
    owner_id: Text | None = Field(None, description="of a commit of a whole period")
    period: Annotated[str, Field(pattern=PERIOD)] | None = Field(
        None, description="of a commit: 2026-06 or 2026-Q2", json_schema_extra=PERIODS
    )
    value: Scalar = Field(None, description="what is said: a probability, an amount, a word")
    note: str = Field("", max_length=2_000)


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

    model_config = ConfigDict(json_schema_extra={"examples": [PREDICT]})

    deals: list[SentDeal] = Field(min_length=1, max_length=MOST_DEALS)
    reasons: bool = Field(True, description="whether to give reasons")
    as_of: AsOf = None


class FeaturesRequest(Request):
    """Rows of ready-made features."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"columns": ["age_days"], "data": [[30.0], [None]]}]}
    )

    columns: list[str] = Field(description="names of features; those left out count as missing")
    data: list[list[float | None]] = Field(min_length=1, max_length=MOST_DEALS)
