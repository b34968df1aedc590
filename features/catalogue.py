"""The catalogue: every feature by name, with family, unit, meaning and what it needs.

A feature is a function of an `At` named as its column. Registering it is all that is needed for
it to be computed in training, scoring and for one deal alike, listed, documented and audited.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from features.at import At
from features.history import History
from features.windows import Floats

Compute = Callable[[At], Floats]
FAMILIES = (
    "engagement",
    "source",
    "size",
    "momentum",
    "people",
    "account",
    "calendar",
    "custom",
)


@dataclass(frozen=True)
class Feature:
    """One column of the feature matrix.

    Attributes
    ----------
    needs : the `table.column` or `deal_history.property` without which the feature is switched off
    categorical : the values are codes of the vocabulary, not quantities
    reads : columns that it reads besides, where there are any
    least_days : days of history below which no model reads it: what comes round with the calendar
        would tell single dates where it has been met a few times only
    why : what it tells about a deal, in a phrase a sales person would use
    for_models : False for what only people and reasons read: a level that moves with the firm's
        age (a count of closings, a win rate of all time) tells a model the date; others say in
        more detail what a model reads already
    """

    name: str
    family: str
    unit: str
    meaning: str
    compute: Compute
    needs: tuple[str, ...] = ()
    why: str = ""
    categorical: bool = False
    for_models: bool = True
    reads: tuple[str, ...] = ()
    least_days: int = 0

    def available(self, history: History) -> bool:
        """Tell whether the history holds what the feature needs."""
        return all(history.has(need) for need in self.needs)


CATALOGUE: dict[str, Feature] = {}


def register(feature: Feature) -> None:
    """Add a feature; names are unique and families known."""
    if feature.name in CATALOGUE or feature.family not in FAMILIES:
        raise ValueError(
            f"feature {feature.name!r} of family {feature.family!r}: names must be new and the "
            f"family one of {', '.join(FAMILIES)}"
        )
    CATALOGUE[feature.name] = feature


def feature(
    family: str,
    unit: str,
    meaning: str,
    *,
    needs: Iterable[str] = (),
    why: str = "",
    categorical: bool = False,
    for_models: bool = True,
    reads: Iterable[str] = (),
    least_days: int = 0,
) -> Callable[[Compute], Compute]:
    """Register a function as the feature of its name."""

    def add(compute: Compute) -> Compute:
        name = compute.__name__
        said = (family, unit, meaning, compute, tuple(needs), why, categorical, for_models)
        register(Feature(name, *said, tuple(reads), least_days))
        return compute

    return add


def fingerprint(names: Iterable[str]) -> str:
    """Short digest of features' names, units and meanings: what a bundle was trained to read."""
    text = "\n".join(
        f"{name}|{CATALOGUE[name].unit}|{CATALOGUE[name].meaning}"
        if name in CATALOGUE
        else f"{name}|custom"
        for name in names
    )
    return hashlib.sha256(text.encode()).hexdigest()[:12]
