"""What changed since the last score, and by how much.

The same deal at two instants under one bundle: the difference of its log-odds is the sum of the
differences of its groups (see `explanation`), and so, on the scale of probabilities, p_won_90 now
less p_won_90 then is the sum of the points of the groups. Nothing is left over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from features.windows import DAY, Floats, Ints
from training.bundle import Bundle
from training.change_sentences import Between, change_sentence
from training.explanation import DAYS, parts_of, points_each
from training.reasons import facts_of
from training.scoring import Scored

LEAST_POINTS = 0.005
"""Changes of p_won_90 below this are not worth a sentence."""


@dataclass(frozen=True)
class Change:
    """One thing that changed: its theme, its part, and the sentence for people.

    Attributes
    ----------
    contribution : part of the difference of the log-odds
    points : part of the difference of p_won_90, in [-1, 1]
    """

    theme: str
    contribution: float
    points: float
    text: str

    def __str__(self) -> str:
        """Say what changed and by how much: `a reply came 2 days ago: +6 points`."""
        return f"{self.text}: {points_text(self.points)}"


@dataclass(frozen=True)
class Changed:
    """A deal open at both instants.

    Attributes
    ----------
    before, after : p_won_90 then and now
    groups : by theme, base and `curve` included: part of the difference of the log-odds
    points : the same on the scale of probabilities; they add up to after - before
    changes : what is worth telling, the largest first
    """

    deal_id: str
    before: float
    after: float
    groups: Mapping[str, float]
    points: Mapping[str, float]
    changes: Sequence[Change]


@dataclass(frozen=True)
class Changes:
    """What changed among open deals between two instants.

    Attributes
    ----------
    deals : those open at both, the largest change of p_won_90 first
    opened, closed : identifiers of deals open only at the later, only at the earlier
    """

    deals: Sequence[Changed]
    opened: Sequence[str]
    closed: Sequence[str]


def compare(bundle: Bundle, then: Scored, now: Scored) -> Changes:
    """Compare scores that one bundle gave at two instants, each the same for all its deals."""
    before, after = then.snapshots.deal, now.snapshots.deal
    _, old, new = np.intersect1d(before, after, assume_unique=True, return_indices=True)
    found = _changed(_Side.of(bundle, then, old), _Side.of(bundle, now, new))
    found.sort(key=lambda each: -abs(each.after - each.before))
    return Changes(
        deals=found,
        opened=now.frame["deal_id"][~np.isin(after, before)].tolist(),
        closed=then.frame["deal_id"][~np.isin(before, after)].tolist(),
    )


@dataclass(frozen=True)
class _Side:
    """The same deals at one of the two instants."""

    ids: Sequence[str]
    time: Ints
    p: Floats
    groups: pd.DataFrame
    facts: list[dict[str, Any]]

    @classmethod
    def of(cls, bundle: Bundle, scored: Scored, rows: Ints) -> _Side:
        curves = scored.incidence
        curves = replace(curves, won=curves.won[rows], lost=curves.lost[rows])
        parts = parts_of(bundle, scored.features.iloc[rows], curves)
        return cls(
            scored.frame["deal_id"].iloc[rows].tolist(),
            scored.snapshots.time[rows],
            curves.won_by(DAYS)[:, 0],
            parts.groups.assign(base=parts.base),
            facts_of(bundle, scored, rows),
        )


def _changed(then: _Side, now: _Side) -> list[Changed]:
    moved = now.groups.sub(then.groups, fill_value=0.0)
    worth = points_each(then.p, now.p)
    days = (now.time - then.time) / DAY
    found = []
    for n, groups in enumerate(moved.to_dict("records")):
        parts = {str(theme): float(part) for theme, part in groups.items()}
        points = {theme: part * float(worth[n]) for theme, part in parts.items()}
        of = Between(then.facts[n], now.facts[n], float(days[n]))
        told = sorted(points, key=lambda theme: -abs(points[theme]))
        changes = [
            Change(
                theme, parts[theme], points[theme],
                change_sentence(theme, of, up=parts[theme] > 0),
            )
            for theme in told
            if abs(points[theme]) >= LEAST_POINTS
        ]  # fmt: skip
        found.append(
            Changed(now.ids[n], float(then.p[n]), float(now.p[n]), parts, points, changes)
        )
    return found


def points_text(points: float) -> str:
    """Probability as percentage points: `+6 points`, `-0.7 points`."""
    value = 100 * points
    text = f"{value:+.0f}" if abs(value) >= 0.95 else f"{value:+.1f}"
    return f"{text} {'point' if text in {'+1', '-1'} else 'points'}"
