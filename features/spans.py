"""What holds for a while: spans, sliding windows, and the questions that share their searches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from features.order import by_group_and_time
from features.windows import DAY, Column, Floats, Ints, Seen, Timeline

FEW_LATE = 8
"""Facts recorded late up to which a window looks at each rather than search in an index."""


@dataclass(slots=True, eq=False)
class Asked:
    """Questions about `group[i]` at the instant `time[i]`; each search is made once and kept."""

    group: Ints
    time: Ints
    _found: dict[tuple[int, int], Seen] = field(default_factory=dict, repr=False)

    def seen(self, events: Timeline, back: int = 0) -> Seen:
        """Give the facts known strictly before each instant, or `back` microseconds earlier.

        Timelines of the same facts with other values share their search.
        """
        found = self._found.get((id(events), back))
        if found is not None:
            return found
        same = self._found.get((id(events.time), back))
        if same is None:
            at = self.time - back if back else self.time
            found = self._found[id(events.time), back] = events.seen(self.group, at)
        else:
            found = Seen(events, same.first, same.past)
        # What was found holds the timeline, so that its id is not used again meanwhile.
        self._found[id(events), back] = found
        return found


@dataclass(eq=False)
class Tally:
    """Facts that count: those of `since` less those that have left.

    Attributes
    ----------
    left : (n, 1 + flags) facts that have left a window, and those of each flag. None: none do
    """

    since: Seen
    left: Column | None = None

    def count(self) -> Floats:
        """(n,) number of facts."""
        found = self.since.count()
        return found if self.left is None else found - self.left[:, 0]

    @cached_property
    def counts(self) -> dict[str | None, Floats]:
        """(n,) number of facts that have each flag, by flag; of all facts under None."""
        every, each = self.since.count(), self.since.tallies()
        if self.left is not None:
            every -= self.left[:, 0]
            each -= self.left[:, 1:]
        by_flag = np.ascontiguousarray(each.T, dtype=float)
        return {None: every, **dict(zip(self.since.events.flags, by_flag, strict=True))}


@dataclass(slots=True, eq=False)
class Going:
    """Spans that have begun, and those of them that have ended."""

    begun: Seen
    ended: Seen

    def count(self) -> Floats:
        """(n,) number of spans that go on."""
        return self.begun.count() - self.ended.count()


@dataclass(frozen=True)
class Spans:
    """Intervals of groups: a span counts at t when begin < t <= end."""

    begun: Timeline
    ended: Timeline

    @classmethod
    def of(cls, group: Ints, begin: Ints, end: Ints, *, groups: int) -> Spans:
        """Build from spans in any order; a span that ends before it begins never counts."""
        return cls(
            Timeline.of(group, begin, groups=groups),
            Timeline.of(group, np.maximum(begin, end), groups=groups),
        )

    def asked(self, asked: Asked) -> Going:
        """Count the spans begun before the instants less those ended before them."""
        return Going(asked.seen(self.begun), asked.seen(self.ended))

    def count(self, group: Ints, at: Ints) -> Floats:
        """(n,) number of spans that count at `at`."""
        return self.asked(Asked(group, at)).count()


@dataclass(frozen=True)
class Late:
    """Facts recorded late, by group and time.

    Attributes
    ----------
    flags : (facts, 1 + flags) 1, and 1 for each flag that a fact has
    """

    groups: int
    group: Ints
    time: Ints
    happened: Ints
    flags: Column

    @classmethod
    def among(cls, events: Timeline) -> Late:
        """Find them among facts that carry `happened` (microseconds)."""
        happened = events.values["happened"].astype(np.int64)
        late = np.flatnonzero(events.time > happened)
        flags = np.ones((len(late), 1 + len(events.flags)), np.int8)
        flags[:, 1:] = events.tallies[late + 1] - events.tallies[late]
        group = events.start.searchsorted(late, side="right") - 1
        return cls(len(events.start) - 1, group, events.time[late], happened[late], flags)

    def of(self, group: int) -> Late:
        """Those of one group."""
        begin, end = self.group.searchsorted((group, group + 1)).tolist()
        mine = slice(begin, end)
        return Late(1, self.group[mine], self.time[mine], self.happened[mine], self.flags[mine])

    def left_by(self, width: int | Ints, asked: Asked) -> Column:
        """(n, 1 + flags) how many have left a window that still finds them; to look at each.

        `width` may be (windows, 1) for a single question: then (windows, 1 + flags).
        """
        at, leaves = asked.time[:, None], np.maximum(self.time, self.happened + width)
        gone = (leaves < at) & (at <= self.time + width) & (self.group == asked.group[:, None])
        return np.asarray(gone.astype(np.int32) @ self.flags)

    def left(self, width: int) -> Timeline:
        """When each begins and ends to have left a window that still finds it."""
        group = np.concatenate([self.group, self.group])
        leaves = np.maximum(self.time, self.happened + width)
        time = np.concatenate([leaves, self.time + width])
        order = by_group_and_time(group, time) if len(group) else group
        start = np.zeros(self.groups + 1, np.int64)
        np.bincount(group, minlength=self.groups).cumsum(out=start[1:])
        tallies = np.zeros((len(group) + 1, self.flags.shape[1]), np.int32)
        flags = np.concatenate([self.flags, -self.flags])[order]
        flags.cumsum(axis=0, dtype=np.int32, out=tallies[1:])
        return Timeline.of_tallies(start, time[order], tallies)


@dataclass(frozen=True)
class Window:
    """The facts that happened in `[t - width, t)` and are known before t.

    A fact that happened at h and is known from k on counts while k < t <= h + width. Where k = h,
    as mostly, these are the facts known before t less those known before t - width: two searches
    in the one timeline, whatever the width. Only what was recorded late (k > h) leaves earlier
    than it was found to: it must not count in `max(k, h + width) < t <= k + width`. `left` holds
    when each such fact begins and ends to be one too many.
    """

    events: Timeline
    late: Late
    width: int

    @classmethod
    def of(cls, events: Timeline, days: float) -> Window:
        """Window over facts sorted by the time known that carry `happened` (microseconds)."""
        late: Late = events.kept("late", lambda: Late.among(events))
        return cls(events, late, int(days * DAY))

    @cached_property
    def left(self) -> Timeline:
        """When each fact begins and ends to be one too many."""
        return self.late.left(self.width)

    def asked(self, asked: Asked) -> Tally:
        """Count the facts inside the window of each question."""
        now, before = asked.seen(self.events), asked.seen(self.events, self.width)
        return Tally(Seen(self.events, before.past, now.past), self._left(asked))

    @staticmethod
    def inside_each(windows: Sequence[Window], asked: Asked) -> Tally:
        """Count the facts of a single question inside each of several windows over them."""
        events, now = windows[0].events, asked.seen(windows[0].events)
        widths = np.array([window.width for window in windows])
        begin, end = now.first.item(), now.past.item()
        before = events.time[begin:end].searchsorted(asked.time - widths) + begin
        inside = Seen(events, before, np.repeat(now.past, len(windows)))
        late = windows[0].late.of(asked.group.item())
        return Tally(inside, late.left_by(widths[:, None], asked) if len(late.time) else None)

    def _left(self, asked: Asked) -> Column | None:
        if len(self.late.time) <= FEW_LATE:
            return self.late.left_by(self.width, asked) if len(self.late.time) else None
        return asked.seen(self.left).tallies()

    def count(self, group: Ints, at: Ints) -> Floats:
        """(n,) number of facts in `[at - width, at)`."""
        return self.asked(Asked(group, at)).count()
