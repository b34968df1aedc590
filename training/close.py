"""The close model: incidence of won and lost learned by bootstrapped targets on the weekly panel.

The label of a snapshot is its outcome where that comes within the next step, else the model's own
answer for the rest of the horizon at the deal's snapshot one step later (temporal-difference
targets; Sutton 1988, "Learning to predict by the methods of temporal differences"; applied to
competing risks). So every open deal teaches, no row waits for its whole horizon to pass, and a row
enters only if the step ended before the data cut: that rule is the purge and it handles censoring.

`ever` goes on from the last knot in such steps, as many as it takes until hardly anything is
added: one where all is decided by then, several where deals live for years.

No feature tells one year from another, so a model answers as of the average day of its history:
how far the level of today is from that is learned beside it (`training.level`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from math import ceil
from typing import Any

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from features.history import LOST, WON, History
from features.outcomes import Outcomes, outcomes
from features.snapshots import WEEK, Snapshots
from features.windows import DAY, Bools, Floats, Ints
from training.calibration import calibrate
from training.incidence import FIRST, KNOTS, Incidence, coherent, tail_of
from training.learners import Learner, Model, expit
from training.level import drift
from training.together import together
from training.trees import Matrix

BUILT_ON = {30: 0, 7: 0, 14: 0, 34: 0, 62: 34, 90: 62, 118: 90, 202: 118}
"""The earlier horizon, in days, on which each builds; 0 where outcomes alone are the label.

In the order in which they are fitted, each begun at what it builds on, or at FIRST. A step
from one to the next is of whole weeks, for a deal's snapshots lie a week apart; 34 is no knot, but
where the steps that lead to 90 set out from.
"""
EVER_STEP = 84
"""Length in days of the steps from the last knot on."""
EVER_RISE = 0.01
"""Share by which the mean `ever` rises in a step that is the last."""


@dataclass(frozen=True)
class Panel:
    """Snapshots with features and outcomes, as one origin knows them.

    Attributes
    ----------
    next_row : step in days -> (n,) row of the same deal one step later, -1 where there is none
    thin : (n,) one row in four weeks of each deal, about independent
    """

    snapshots: Snapshots
    features: pd.DataFrame
    outcomes: Outcomes
    cut: int
    next_row: dict[int, Ints]
    thin: Bools

    def __len__(self) -> int:
        return len(self.snapshots)

    @property
    def closed_deals(self) -> int:
        """Deals of the panel whose outcome is known."""
        return len(np.unique(self.snapshots.deal[self.outcomes.kind > 0]))

    def closed_before(self, instant: int) -> int:
        """Deals of the panel that were closed before an instant (microseconds)."""
        closed = self.snapshots.time + self.outcomes.days * DAY < instant
        return len(np.unique(self.snapshots.deal[closed]))


def make_panel(history: History, snapshots: Snapshots, features: pd.DataFrame, cut: int) -> Panel:
    """Join features with the outcomes known before `cut` (microseconds)."""
    found = outcomes(history, snapshots, cut)
    steps = {EVER_STEP, *(days - earlier for days, earlier in BUILT_ON.items() if earlier)}
    later = {step: _rows_later(snapshots, step) for step in steps}
    return Panel(snapshots, features, found, cut, later, _thin(snapshots, cut))


def _thin(snapshots: Snapshots, cut: int) -> Bools:
    """(n,) one row in four weeks of each deal; all rows of a panel that has no more."""
    again = snapshots.deal[1:] == snapshots.deal[:-1]
    gaps = np.diff(snapshots.time)[again] // WEEK
    every = int(min(gaps.min(initial=4), 4))
    week = (cut - snapshots.time) // WEEK
    found: Bools = (week // every + snapshots.deal) % (4 // every) == 0
    return found


def _rows_later(snapshots: Snapshots, step: int) -> Ints:
    """(n,) row of the deal's snapshot `step` days later; -1 where it is not in the panel."""
    weeks = step * DAY // WEEK
    row = np.arange(len(snapshots))
    found = np.full(len(snapshots), -1)
    for ahead in range(1, weeks + 1):
        # Sorted by (deal, time), weekly at the most: the row sought is at most `weeks` rows ahead.
        target = np.minimum(row + ahead, len(snapshots) - 1)
        same = (snapshots.deal[target] == snapshots.deal) & (row + ahead < len(snapshots))
        match = same & (snapshots.time[target] == snapshots.time + step * DAY)
        found = np.where(match, target, found)
    return found


@dataclass(frozen=True)
class CloseModel:
    """Models of won and lost at each knot and, last, ever.

    Attributes
    ----------
    slope, offset : calibration of the log-odds of won and of lost: offset + slope x log-odds; as
        fitted, the offset is the drift up to today
    """

    won: tuple[Model, ...]
    lost: tuple[Model, ...]
    tail_days: float
    longest: float
    slope: tuple[float, float] = (1.0, 1.0)
    offset: tuple[float, float] = (0.0, 0.0)

    def weighed(self, weight: float) -> CloseModel:
        """The same with this weight of the first part of every average."""
        won, lost = (
            tuple(model.weighed(weight) for model in side) for side in (self.won, self.lost)
        )
        return replace(self, won=won, lost=lost)

    def incidence(self, features: pd.DataFrame) -> Incidence:
        """Coherent, calibrated curves of n deals."""
        names = features.columns.to_numpy(object).tolist()
        return self.incidence_of(features.to_numpy(np.float32), names)

    def incidence_of(self, rows: Matrix, names: Sequence[str]) -> Incidence:
        """Give the same of an (n, features) matrix whose columns are `names`."""
        found = together([*self.won, *self.lost], names).logits(rows)
        sides = (len(self.won), len(self.lost))
        raw = calibrate(found, np.repeat(self.slope, sides), np.repeat(self.offset, sides))
        won, lost = coherent(raw[:, : sides[0]], raw[:, sides[0] :])
        return Incidence(won, lost, self.tail_days, self.longest)


Progress = Callable[[str], None]


def fit_close(
    panel: Panel, learner: Learner, longest: float, until: int | None = None
) -> CloseModel:
    """Fit won and lost on a panel.

    Parameters
    ----------
    longest : days that stand for `ever`: as far as its steps go
    until : fit knots of won from FIRST up to this horizon only and of lost FIRST (a fold that is
        compared there needs no more); the nearest of them then stands in for each of the others
    """
    prepared = learner.prepare(panel.features, panel.thin, panel.snapshots.deal)
    # Two chains on two cores: threads inside each would only wait for one another.
    with threadpool_limits(1), ThreadPoolExecutor(2) as pool:
        sides = [
            pool.submit(_fit_side, panel, learner, prepared, kind, longest, last)
            for kind, last in ((WON, until), (LOST, until and FIRST))
        ]
        (won, soon), (lost, _) = (side.result() for side in sides)
        known = panel.snapshots, panel.outcomes
        level = drift(*known, soon, FIRST, panel.cut) if learner.drifts else 0.0
    ever = np.stack([expit(learner.answers(prepared, m)) for m in won[-3:]], axis=1)
    tail = tail_of(ever) if until is None and len(panel) else 120.0
    return CloseModel(tuple(won), tuple(lost), tail, longest, offset=(level, 0.0))


def _fit_side(
    panel: Panel,
    learner: Learner,
    prepared: Any,
    kind: int,
    longest: float,
    until: int | None,
) -> tuple[list[Model], Floats]:
    """Models of one outcome at every knot and ever, and what that at FIRST says of the rows."""
    models: dict[int, Model] = {}
    answers: dict[int, Floats] = {}
    for days, earlier in BUILT_ON.items():
        if until is not None and not FIRST <= days <= until:
            continue
        target, rows = _target(panel, kind, days - earlier, answers.get(earlier))
        start = models.get(earlier, models.get(FIRST))
        models[days] = learner.fit(prepared, target, rows, start)
        answers[days] = expit(learner.answers(prepared, models[days]))
    if until is not None:
        near = [models[min(max(knot, FIRST), until)] for knot in KNOTS]
        return [*near, near[-1]], answers[FIRST]
    found = [models[knot] for knot in KNOTS]
    ever, last = answers[KNOTS[-1]], models[KNOTS[-1]]
    for _ in range(max(1, ceil((longest - KNOTS[-1]) / EVER_STEP))):
        target, rows = _target(panel, kind, EVER_STEP, ever)
        last, before = learner.fit(prepared, target, rows, last), ever
        ever = expit(learner.answers(prepared, last))
        if ever.sum() < before.sum() * (1 + EVER_RISE):
            break
    return [*found, last], answers[FIRST]


def _target(panel: Panel, kind: int, step: int, later: Floats | None) -> tuple[Floats, Bools]:
    """Targets of a step, and the rows that have one.

    1 where the outcome came within the step and is `kind`, 0 where it came and is not; else what
    `later` expects at the deal's snapshot a step later (0 without `later`). A row
    whose step has not ended counts for nothing even where its deal has closed: the last weeks
    would hold closings alone.
    """
    came = panel.outcomes.days < step
    target = (came & (panel.outcomes.kind == kind)).astype(float)
    known = panel.outcomes.watched >= step
    if later is None:
        return target, known
    after = panel.next_row[step]
    target = np.where(~came & (after >= 0), later[after], target)
    return target, known & (came | (after >= 0))
