"""The questions in hand: deals at instants, with what several features share computed once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

import numpy as np

from features.history import History
from features.vocabulary import Vocabulary
from features.windows import Floats, Ints, Timeline, days_between

T = TypeVar("T")


@dataclass(frozen=True)
class At:
    """Snapshots: deal `deal[i]` as of the instant `time[i]` (microseconds)."""

    history: History
    vocabulary: Vocabulary
    deal: Ints
    time: Ints
    _shared: dict[str, Any] = field(default_factory=dict, repr=False)

    def index(self, name: str, build: Callable[[], T]) -> T:
        """Build once for the history, whatever the snapshots, what several features search."""
        key = f"{name}|{self.vocabulary.key}"
        if key not in self.history.indexes:
            self.history.indexes[key] = build()
        found: T = self.history.indexes[key]
        return found

    def shared(self, name: str, build: Callable[[], T]) -> T:
        """Compute once for these snapshots what several features use."""
        if name not in self._shared:
            self._shared[name] = build()
        found: T = self._shared[name]
        return found

    @property
    def size(self) -> int:
        """Number of snapshots."""
        return len(self.deal)

    @cached_property
    def age(self) -> Floats:
        """(n,) days since the deal was created."""
        return days_between(self.history.created[self.deal], self.time)

    def known(self, events: Timeline, column: str = "value") -> Floats:
        """(n,) a column of each deal's last fact known before the instant; NaN where none."""
        return events.last(column, self.deal, self.time)

    def change(self, name: str) -> Timeline | None:
        """Timeline of a property's changes."""
        return self.history.changes.get(name)

    def days_since(self, events: Timeline, column: str = "happened") -> Floats:
        """(n,) days since the latest fact known before the instant happened; NaN where none."""
        return days_between(events.largest(column, self.deal, self.time), self.time)

    def per_group(self, group: Ints, ask: Callable[[Ints, Ints], Floats]) -> Floats:
        """(n,) a question about groups, asked once for each distinct (group, instant).

        Snapshots of one day share their instant, so statistics of sources or owners are asked
        thousands of times fewer than there are snapshots. A negative group gives NaN.
        """
        instants, when = np.unique(self.time, return_inverse=True)
        pairs, where = np.unique(group * len(instants) + when, return_inverse=True)
        groups, times = pairs // len(instants), instants[pairs % len(instants)]
        asked = groups >= 0
        answer = np.full(len(pairs), np.nan)
        answer[asked] = ask(groups[asked], times[asked])
        return answer[where]

    @cached_property
    def owner(self) -> Ints:
        """(n,) code of the owner known before the instant; -1 where none."""
        owner = self.known(self.history.changes["owner_id"])
        return np.nan_to_num(owner, nan=-1.0).astype(np.int64)

    @cached_property
    def amount(self) -> Floats:
        """(n,) amount known before the instant, firm's currency; NaN where none."""
        return self.known(self.history.changes["amount"])

    @cached_property
    def stage(self) -> Ints:
        """(n,) stage code of the history known before the instant; -1 where none."""
        stage = self.known(self.history.stages, "stage")
        return np.nan_to_num(stage, nan=-1.0).astype(np.int64)

    @cached_property
    def stage_position(self) -> Floats:
        """(n,) position in the funnel; NaN where the stage is unknown or unseen in training."""
        positions = np.append(self.vocabulary.positions(self.history.stage_names), np.nan)
        return positions[self.stage]

    @cached_property
    def days_in_stage(self) -> Floats:
        """(n,) days since the present stage was entered, or since creation without a stage."""
        entered = self.known(self.history.stages, "happened")
        since = np.where(np.isnan(entered), self.history.created[self.deal], entered)
        return days_between(since, self.time)
