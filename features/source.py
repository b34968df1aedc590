"""Source: where the deal came from, and what became of the deals that came the same way."""

from __future__ import annotations

import numpy as np

from features.at import At
from features.catalogue import Compute, Feature, register
from features.groups import GroupAt, base_rate, by_deal_attribute, firm_record
from features.history import encode
from features.windows import Floats, Ints

DIMENSIONS = {
    "source": ("source",),
    "deal_type": ("deal_type",),
    "pipeline": ("pipeline",),
    "segment": ("source", "deal_type", "pipeline"),
}
WHY = "Deals that come the same way tend to end the same way."


def deal_codes(at: At, columns: tuple[str, ...]) -> tuple[Ints, int]:
    """(deals,) code of the combination of attributes fixed at creation, and how many there are."""

    def build() -> tuple[Ints, int]:
        parts = [at.history.attribute("deals", column).fillna("") for column in columns]
        joined = parts[0].astype(str)
        for part in parts[1:]:
            joined = joined + "\x1f" + part.astype(str)
        codes = encode(joined.where(joined.str.strip("\x1f") != ""))
        return codes.code, max(codes.size, 1)

    return at.index(f"codes:{columns}", build)


def record_of(at: At, dimension: str) -> GroupAt:
    """Closings of the dimension's group of each snapshot."""
    codes, groups = deal_codes(at, DIMENSIONS[dimension])
    return by_deal_attribute(at, dimension, codes, groups)


def _code(column: str) -> Compute:
    def compute(at: At) -> Floats:
        values = at.history.attribute("deals", column)
        return at.vocabulary.codes(f"deals.{column}", values)[at.deal]

    return compute


def _win_rate(dimension: str) -> Compute:
    return lambda at: record_of(at, dimension).win_rate()


def _lift(dimension: str) -> Compute:
    return lambda at: record_of(at, dimension).win_rate() - base_rate(at)


def _trend(dimension: str) -> Compute:
    return lambda at: record_of(at, dimension).trend()


def _closed(dimension: str) -> Compute:
    return lambda at: np.log1p(record_of(at, dimension).closed())


def _days(dimension: str) -> Compute:
    return lambda at: record_of(at, dimension).won_log_days()


def _amount(dimension: str) -> Compute:
    return lambda at: record_of(at, dimension).won_log_amount()


def _days_lift(dimension: str) -> Compute:
    return lambda at: record_of(at, dimension).won_log_days() - firm_record(at).won_log_days()


def _amount_lift(dimension: str) -> Compute:
    return lambda at: record_of(at, dimension).won_log_amount() - firm_record(at).won_log_amount()


LEVELS = (
    ("win_rate", "rate", "win rate of the closed deals of its {}, shrunk by 20 deals", _win_rate),
    ("closed_log_count", "log count", "closed deals behind the statistics of its {}", _closed),
    ("won_log_days", "log days", "usual days to win of its {} (mean log)", _days),
    ("won_log_amount", "log amount", "usual amount of won deals of its {} (mean log)", _amount),
)
LIFTS = (
    ("win_rate_lift", "rate", "win rate of its {} less the firm's", _lift),
    ("win_rate_trend", "rate", "win rate of its {} over 365 days less that of ever", _trend),
    ("won_days_lift", "log ratio", "usual days to win of its {} against the firm's", _days_lift),
    ("won_amount_lift", "log ratio", "usual won amount of its {} against the firm's", _amount_lift),
)


def _register() -> None:
    for column in ("source", "deal_type", "pipeline"):
        text = f"{column} of the deal"
        needs = (f"deals.{column}",)
        code = Feature(f"{column}_code", "source", "code", text, _code(column), needs, WHY, True)
        register(code)
    for dimension, columns in DIMENSIONS.items():
        needs = tuple(f"deals.{column}" for column in columns[:1])
        for statistics, for_models in ((LEVELS, False), (LIFTS, True)):
            for name, unit, text, make in statistics:
                found = (f"{dimension}_{name}", "source", unit, text.format(dimension))
                register(Feature(*found, make(dimension), needs, WHY, for_models=for_models))


_register()
