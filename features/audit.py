"""The leak audit: every feature in worlds that differ only in what became known at or after as-of.

For random open deals each feature is computed from the history and from three other worlds (the
facts of later deleted, altered, added to). Any value that is not bit-identical is a leak, and is
named.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from data.settings import Settings
from data.tables import Tables
from features.at import At
from features.catalogue import Feature
from features.history import History
from features.pipeline import available_features
from features.snapshots import Snapshots, open_deals
from features.vocabulary import Vocabulary, learn_vocabulary
from features.windows import Bools, Floats
from features.worlds import Worlds, pinned

CHANGES = ("deleted", "altered", "added")


@dataclass(frozen=True)
class Leak:
    """A value that changed with what became known later."""

    feature: str
    deal_id: str
    as_of: int
    change: str
    before: float
    after: float

    def __str__(self) -> str:
        """Sentence that says what to look for."""
        when = np.datetime64(self.as_of, "us").astype("datetime64[s]")
        return (
            f"{self.feature} sees the future: deal {self.deal_id} as of {when} has "
            f"{self.before!r}, but {self.after!r} with facts known later {self.change}"
        )


@dataclass(frozen=True)
class AuditReport:
    """What was audited, and every leak found (the first of each feature, instant and change)."""

    features: int
    snapshots: int
    instants: int
    leaks: tuple[Leak, ...]

    @property
    def passed(self) -> bool:
        """Whether nothing leaks and something was looked at."""
        return not self.leaks and self.snapshots > 0

    @property
    def leaking(self) -> tuple[str, ...]:
        """Names of the features that leak."""
        return tuple(sorted({leak.feature for leak in self.leaks}))

    def lines(self) -> list[str]:
        """Report for people."""
        looked = (
            f"{self.features} features, {self.snapshots} snapshots at {self.instants} instants, "
            f"each in {len(CHANGES)} other worlds (facts of later {', '.join(CHANGES)})"
        )
        if not self.snapshots:
            return [f"nothing audited: no deal was open at these instants ({looked})"]
        if not self.leaks:
            return [f"no feature sees the future: {looked}; every value bit-identical"]
        return [f"leaking: {', '.join(self.leaking)} ({looked})", *map(str, self.leaks)]


def audit(
    tables: Tables,
    settings: Settings,
    as_of: Sequence[int],
    seed: int = 0,
    *,
    most: int = 200,
    planted: Mapping[str, Feature] | None = None,
) -> AuditReport:
    """Compare every available feature between the history and the worlds that agree up to as-of.

    Parameters
    ----------
    as_of : instants (microseconds)
    most : snapshots at each instant, chosen at random among the open deals
    planted : further features to audit, by name
    """
    history = History.of(tables, settings)
    fixed = History.of(pinned(tables), settings)
    rng = np.random.default_rng(seed)
    leaks: list[Leak] = []
    snapshots, names = 0, set[str]()
    for instant in as_of:
        vocabulary = learn_vocabulary(history, instant)
        features = {**available_features(history, vocabulary), **(planted or {})}
        found = open_deals(fixed, instant)
        chosen = found.take(rng.permutation(len(found))[:most])
        asked = _Asked(
            vocabulary, features, tuple(fixed.deal_ids[d] for d in chosen.deal), instant
        )
        leaks += _leaks(asked, fixed, rng) if len(chosen) else []
        snapshots += len(chosen)
        names |= set(features)
    return AuditReport(len(names), snapshots, len(as_of), tuple(leaks))


@dataclass(frozen=True)
class _Asked:
    """What is computed in each world."""

    vocabulary: Vocabulary
    features: Mapping[str, Feature]
    deal_ids: tuple[str, ...]
    as_of: int

    def values(self, history: History) -> dict[str, Floats]:
        """Each feature of the deals, float64, and whether they are open."""
        deal = np.array([history.position_of[deal_id] for deal_id in self.deal_ids])
        chosen = Snapshots(deal, np.full(len(deal), self.as_of))
        at = At(history, self.vocabulary, chosen.deal, chosen.time)
        with np.errstate(divide="ignore", invalid="ignore"):
            found = {name: feature.compute(at) for name, feature in self.features.items()}
        found["open deals"] = np.isin(deal, open_deals(history, self.as_of).deal).astype(float)
        return found


def _leaks(asked: _Asked, history: History, rng: np.random.Generator) -> list[Leak]:
    """Leaks at one instant, at most one for each feature and world."""
    before = asked.values(history)
    worlds = Worlds(history, asked.as_of, rng)
    found = []
    for change in CHANGES:
        world = History.of(getattr(worlds, change)(), history.settings)
        after = asked.values(world)
        for name, values in before.items():
            where = np.flatnonzero(_differ(values, after[name]))
            if len(where):
                n = int(where[0])
                old, new = float(values[n]), float(after[name][n])
                found.append(Leak(name, asked.deal_ids[n], asked.as_of, change, old, new))
    return found


def _differ(one: Floats, other: Floats) -> Bools:
    """(n,) whether two values differ in any bit (every NaN is the same)."""
    same = one.astype(float).view(np.int64) == other.astype(float).view(np.int64)
    differ: Bools = ~(same | (np.isnan(one) & np.isnan(other)))
    return differ
