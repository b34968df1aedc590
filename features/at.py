"""The questions in hand: deals at instants, with what several features share computed once."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from functools import cached_property, wraps
from typing import Any, Protocol, TypeVar, TypeVarTuple

import numpy as np

from data.contract import ACTIVITY_TYPES
from features.facts import WAYS
from features.history import History
from features.spans import Asked, Tally, Window
from features.vocabulary import Vocabulary
from features.windows import DAY, Column, Floats, Ints, Seen, Timeline, days_between

T = TypeVar("T")
Asker = TypeVar("Asker", bound="Remembers")
Parts = TypeVarTuple("Parts")

RECENT = {days: slice(place, place + 1) for place, days in enumerate((7, 14, 30, 60, 90))}
"""Days of the windows over activities, and their places."""
KINDS = (*ACTIVITY_TYPES, *WAYS)
"""What activities are told apart by: type or direction."""


@dataclass(slots=True, eq=False)
class Grouped:
    """Questions about groups, each (group, instant) once; `where` leads back to snapshots.

    Snapshots of one day share their instant, so statistics of sources or owners are asked
    thousands of times fewer than there are snapshots. A negative group has no facts.

    Attributes
    ----------
    instant : place of each question's instant among the distinct ones; None: there is but one
    """

    asked: Asked
    where: Ints | None = None
    instant: Ints | None = None

    def spread(self, answers: Floats) -> Floats:
        """(n,) answer of each snapshot's group."""
        return answers if self.where is None else answers[self.where]


@dataclass(frozen=True)
class At:
    """Snapshots: deal `deal[i]` as of the instant `time[i]` (microseconds)."""

    history: History
    vocabulary: Vocabulary
    deal: Ints
    time: Ints
    known_answers: dict[Hashable, Any] = field(default_factory=dict, repr=False)

    def index(self, name: str, build: Callable[[], T]) -> T:
        """Build once for the history, whatever the snapshots, what several features search."""
        found: T = self.history.index(name, build)
        return found

    @property
    def size(self) -> int:
        """Number of snapshots."""
        return len(self.deal)

    @cached_property
    def asked(self) -> Asked:
        """The questions about deals."""
        return Asked(self.deal, self.time)

    def seen(self, events: Timeline) -> Seen:
        """Facts of each deal known before the instant."""
        return self.asked.seen(events)

    @cached_property
    def activities(self) -> Tally:
        """Activities of each deal that are known."""
        return Tally(self.seen(self.history.activities))

    def recent(self, days: int, flag: str | None = None) -> Floats:
        """(n,) known activities of a flag that happened in the last `days` days (of RECENT)."""
        if self.size == 1:
            return self._recent_of_one[flag][RECENT[days]]
        found: Tally | None = self.known_answers.get(days)
        if found is None:
            found = self.known_answers[days] = self._windows[days].asked(self.asked)
        return found.count() if flag is None else found.counts[flag]

    @cached_property
    def _recent_of_one(self) -> dict[str | None, Floats]:
        """(RECENT,) counts by flag: of one snapshot all windows are asked together."""
        return Window.inside_each([*self._windows.values()], self.asked).counts

    @property
    def _windows(self) -> dict[int, Window]:
        def build() -> dict[int, Window]:
            return {days: Window.of(self.history.activities, days) for days in RECENT}

        return self.index("windows", build)

    @cached_property
    def age(self) -> Floats:
        """(n,) days since the deal was created."""
        return days_between(self.history.created[self.deal], self.time)

    def known(self, events: Timeline, column: str = "value") -> Floats:
        """(n,) a column of each deal's last fact known before the instant; NaN where none."""
        return self.seen(events).last(column)

    def change(self, name: str) -> Timeline | None:
        """Timeline of a property's changes."""
        return self.history.changes.get(name)

    def days_since(self, events: Timeline) -> Floats:
        """(n,) days since the latest known fact happened; NaN where none."""
        return self._days_since(self.seen(events).largest("happened"))

    @cached_property
    def silences(self) -> dict[str | None, Floats]:
        """(n,) days since the latest known activity of each kind happened; of any, under None."""
        seen = self.seen(self.history.activities)
        by_kind = self._days_since(seen.largest_of("happened", KINDS))
        ever = self.days_since(self.history.activities)
        return {None: ever, **dict(zip(KINDS, by_kind, strict=True))}

    def _days_since(self, happened: Floats) -> Floats:
        return (self.time - happened) / DAY

    @cached_property
    def instants(self) -> tuple[Ints, Ints]:
        """Distinct instants in order, and the place of each snapshot's among them."""
        if self.size == 1:
            return self.time, np.zeros(1, np.int64)
        return np.unique(self.time, return_inverse=True)

    def grouped(self, group: Ints, groups: int) -> Grouped:
        """Questions about the group of each snapshot; `groups` stands for the negative ones."""
        if self.size == 1:
            return Grouped(Asked(group if group.item() >= 0 else np.array([groups]), self.time))
        group = np.where(group < 0, groups, group)
        instants, when = self.instants
        keys, where = distinct(group * len(instants) + when, (groups + 1) * len(instants))
        group, instant = np.divmod(keys, len(instants))
        return Grouped(Asked(group, instants[instant]), where, instant)

    @cached_property
    def owner(self) -> Ints:
        """(n,) code of the owner known before the instant; -1 where none."""
        return as_codes(self.known(self.history.changes["owner_id"]))

    @cached_property
    def amount(self) -> Floats:
        """(n,) amount known before the instant, firm's currency; NaN where none."""
        return self.known(self.history.changes["amount"])

    @cached_property
    def log_amount(self) -> Floats:
        """(n,) logarithm of the amount known; NaN where missing or zero."""
        return np.log(np.where(self.amount > 0, self.amount, np.nan))

    @cached_property
    def stage(self) -> Ints:
        """(n,) stage code of the history known before the instant; -1 where none."""
        return as_codes(self.known(self.history.stages, "stage"))

    @property
    def stage_record(self) -> Ints:
        """(n,) code of the stage under whose first name the stage's record is kept; -1: none."""
        return self.stage_records[self.stage]

    @property
    def stage_records(self) -> Ints:
        """(stages + 1,) code of each stage's first name; the last is -1."""

        def build() -> Ints:
            return self.vocabulary.records(self.history.stage_names)

        return self.index(f"stage_records{self.vocabulary.suffix}", build)

    @cached_property
    def stage_position(self) -> Floats:
        """(n,) position in the funnel; NaN where the stage is unknown or unseen in training."""

        def build() -> Floats:
            return np.append(self.vocabulary.positions(self.history.stage_names), np.nan)

        return self.index(f"positions:{self.vocabulary.key}", build)[self.stage]

    @cached_property
    def days_in_stage(self) -> Floats:
        """(n,) days since the present stage was entered, or since creation without a stage."""
        entered = self.known(self.history.stages, "happened")
        return np.where(np.isnan(entered), self.age, self._days_since(entered))

    @cached_property
    def log_days_in_stage(self) -> Floats:
        """(n,) logarithm of 1 + days in stage."""
        return np.log1p(np.maximum(self.days_in_stage, 0))


class Remembers(Protocol):
    """What keeps its answers."""

    @property
    def known_answers(self) -> dict[Hashable, Any]:
        """Answers by question."""


def once(compute: Callable[[Asker, *Parts], T]) -> Callable[[Asker, *Parts], T]:
    """Compute once for the snapshots in hand what several features use."""

    @wraps(compute)
    def answer(at: Asker, *parts: *Parts) -> T:
        asked = (compute, parts)
        found: T | None = at.known_answers.get(asked)
        if found is None:
            found = at.known_answers[asked] = compute(at, *parts)
        return found

    return answer


def as_codes(values: Column) -> Ints:
    """(n,) codes as integers; -1 where missing."""
    return np.where(np.isnan(values), -1, values).astype(np.int64)


def distinct(keys: Ints, bound: int) -> tuple[Ints, Ints]:
    """Distinct keys (0 <= key < bound) in order, and the place of each key among them."""
    if bound > 8 * len(keys):
        return np.unique(keys, return_inverse=True)
    met = np.zeros(bound, bool)
    met[keys] = True
    return np.flatnonzero(met), (np.cumsum(met) - 1)[keys]
