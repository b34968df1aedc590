"""Source: where the deal came from, and what became of the deals that came the same way."""

from __future__ import annotations

import numpy as np

from features.at import At, once
from features.catalogue import Compute, Feature, register
from features.custom import category
from features.dimensions import ORIGINS
from features.groups import base_rate, everyone, record_of
from features.windows import Floats

WHY = "Deals that come the same way tend to end the same way."


@once
def win_rate_of(at: At, dimension: str) -> Floats:
    """(n,) win rate of the group; a segment's shrunk to its source's, all others to the firm's."""
    record = record_of(at, dimension)
    if dimension != "segment":
        return record.win_rate
    return record.win_rate_within(record_of(at, "source").win_rate)


@once
def usual_of(at: At, dimension: str, what: str) -> Floats:
    """(n,) what is usual of the group's wins (one of `USUAL`), shrunk as its win rate is."""
    record = record_of(at, dimension)
    if dimension != "segment":
        return record.usual(what)
    return record.usual_within(what, usual_of(at, "source", what))


def _lift_of(at: At, dimension: str, what: str) -> Floats:
    return usual_of(at, dimension, what) - everyone(at).ever(what)


def _code(column: str) -> Compute:
    return lambda at: category(at, "deals", column)


def _win_rate(dimension: str) -> Compute:
    return lambda at: win_rate_of(at, dimension)


def _lift(dimension: str) -> Compute:
    return lambda at: win_rate_of(at, dimension) - base_rate(at)


def _trend(dimension: str) -> Compute:
    return lambda at: record_of(at, dimension).trend


def _closed(dimension: str) -> Compute:
    return lambda at: np.log1p(record_of(at, dimension).closed)


def _days(dimension: str) -> Compute:
    return lambda at: usual_of(at, dimension, "won_log_days")


def _median_days(dimension: str) -> Compute:
    return lambda at: np.expm1(usual_of(at, dimension, "median_log_days"))


def _amount(dimension: str) -> Compute:
    return lambda at: usual_of(at, dimension, "won_log_amount")


def _days_lift(dimension: str) -> Compute:
    return lambda at: _lift_of(at, dimension, "won_log_days")


def _amount_lift(dimension: str) -> Compute:
    return lambda at: (
        usual_of(at, dimension, "won_log_amount") - everyone(at).ever("won_log_amount")
    )


def _days_trend(dimension: str) -> Compute:
    return lambda at: record_of(at, dimension).trend_of("won_log_days")


def _amount_trend(dimension: str) -> Compute:
    return lambda at: record_of(at, dimension).trend_of("won_log_amount")


LEVELS = (
    ("win_rate", "rate", "win rate of the closed deals of its {}, shrunk by 20 deals", _win_rate),
    ("closed_log_count", "log count", "closed deals behind the statistics of its {}", _closed),
    (
        "won_median_days",
        "days",
        "median days to win of its {}, shrunk by 20 deals",
        _median_days,
    ),
    ("won_log_days", "log days", "mean log days to win of its {}, shrunk by 20 deals", _days),
    (
        "won_log_amount",
        "log amount",
        "mean log amount of won deals of its {}, shrunk by 20 deals",
        _amount,
    ),
)
LIFTS = (("win_rate_lift", "rate", "win rate of its {} less the firm's", _lift),)
MOVING = (
    ("win_rate_trend", "rate", "win rate of its {} over 365 days less that of ever", _trend),
    ("won_days_lift", "log ratio", "usual days to win of its {} against the firm's", _days_lift),
    (
        "won_amount_lift",
        "log ratio",
        "usual won amount of its {} against the firm's",
        _amount_lift,
    ),
)
TRENDS = (
    (
        "won_days_trend",
        "log ratio",
        "days to win of its {} over 365 days against those of ever",
        _days_trend,
    ),
    (
        "won_amount_trend",
        "log ratio",
        "won amount of its {} over 365 days against that of ever",
        _amount_trend,
    ),
)
FEW = ("deal_type", "pipeline")
"""Of few values: what moves with their record says of all open deals of a day much the same, and a
model would learn the date by it."""


def _register() -> None:
    for column in ("source", "deal_type", "pipeline"):
        text = f"{column} of the deal"
        needs = (f"deals.{column}",)
        code = Feature(f"{column}_code", "source", "code", text, _code(column), needs, WHY, True)
        register(code)
    for dimension, columns in ORIGINS.items():
        first, *others = (f"deals.{column}" for column in columns)
        kinds = (
            (LEVELS, False),
            (LIFTS, True),
            (MOVING, dimension not in FEW),
            (TRENDS, False),
        )
        for statistics, for_models in kinds:
            for name, unit, text, make in statistics:
                meaning = text.format(dimension)
                found = Feature(
                    f"{dimension}_{name}",
                    "source",
                    unit,
                    meaning,
                    make(dimension),
                    (first,),
                    WHY,
                    for_models=for_models,
                    reads=tuple(others),
                )
                register(found)


_register()
