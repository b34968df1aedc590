"""What holds for a while: spans, sliding windows, and the questions that share their searches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from features.windows import DAY, Column, Floats, Ints, Seen, Timeline


@dataclass(frozen=True)
class Asked:
    """Questions about `group[i]` at the instant `time[i]`; each search is made once and kept."""

    group: Ints
    time: Ints
    _found: dict[tuple[int, int], Seen] = field(default_factory=dict, repr=False)

    def seen(self, events: Timeline, back: int = 0) -> Seen:
        """Give the facts known strictly before each instant, or `back` microseconds earlier.

        Timelines of the same facts with other values share their search.
        """
        asked = (id(events), back)
        if asked in self._found:
            return self._found[asked]
        same_facts = (id(events.time), back)
        if same_facts not in self._found:
            self._found[same_facts] = events.seen(self.group, self.time - back)
        found = self._found[same_facts]
        # What was found holds the timeline, so that its id is not used again meanwhile.
        self._found[asked] = Seen(events, found.first, found.past)
        return self._found[asked]


@dataclass(frozen=True)
class Tally:
    """Sums over the facts of `more` less those of `less`."""

    more: tuple[Seen, ...]
    less: tuple[Seen, ...]

    def count(self) -> Floats:
        """(n,) number of facts."""
        return self._sum(Seen.count)

    def total(self, column: str) -> Floats:
        """(n,) sum of a column."""
        if column in self.more[0].events.flags:
            return self.tallies[:, self.more[0].events.flags.index(column)].astype(float)
        return self._sum(lambda seen: seen.total(column))

    @cached_property
    def tallies(self) -> Column:
        """(n, flags) number of facts that have each flag."""
        return self._sum(Seen.tallies)

    def _sum(self, ask: Callable[[Seen], Column]) -> Column:
        found = ask(self.more[0])
        for seen in self.more[1:]:
            found += ask(seen)
        for seen in self.less:
            found -= ask(seen)
        return found


@dataclass(frozen=True)
class Spans:
    """Intervals of groups: a span counts at t when begin < t <= end."""

    begun: Timeline
    ended: Timeline

    @classmethod
    def of(cls, group: Ints, begin: Ints, end: Ints, *, groups: int, **weights: Column) -> Spans:
        """Build from spans in any order; a span that ends before it begins never counts."""
        return cls(
            Timeline.of(group, begin, groups=groups, **weights),
            Timeline.of(group, np.maximum(begin, end), groups=groups, **weights),
        )

    def asked(self, asked: Asked) -> Tally:
        """Count the spans begun before the instants less those ended before them."""
        return Tally((asked.seen(self.begun),), (asked.seen(self.ended),))

    def count(self, group: Ints, at: Ints) -> Floats:
        """(n,) number of spans that count at `at`."""
        return self.asked(Asked(group, at)).count()

    def total(self, column: str, group: Ints, at: Ints) -> Floats:
        """(n,) sum of a weight over the spans that count at `at`."""
        return self.asked(Asked(group, at)).total(column)


@dataclass(frozen=True)
class Window:
    """The facts that happened in `[t - width, t)` and are known before t.

    A fact that happened at h and is known from k on counts while k < t <= h + width. Where k = h,
    as mostly, these are the facts known before t less those known before t - width: two searches
    in the one timeline, whatever the width. Only what was recorded late (k > h) needs a
    correction: it must not count in `max(k, h + width) < t <= k + width`.
    """

    events: Timeline
    late: Timeline
    stale: Timeline
    width: int

    @classmethod
    def of(cls, events: Timeline, days: float) -> Window:
        """Window over facts sorted by the time known that carry `happened` (microseconds)."""
        width = int(days * DAY)
        late = events.kept(
            "late", lambda: events.where(events.time > events.values["happened"].astype(np.int64))
        )
        end = np.maximum(late.time, late.values["happened"].astype(np.int64) + width)
        stale = Timeline.of(late.group, end, groups=len(late.start) - 1, **late.values)
        return cls(events, late, stale, width)

    def asked(self, asked: Asked) -> Tally:
        """Count the facts inside the window of each question."""
        now, before = asked.seen(self.events), asked.seen(self.events, self.width)
        since = Seen(self.events, before.past, now.past)
        if not len(self.late.time):
            return Tally((since,), ())
        late, stale = asked.seen(self.late, self.width), asked.seen(self.stale)
        # Mostly nothing was recorded late; a part without facts need not be counted.
        more = (since, late) if late.any().any() else (since,)
        return Tally(more, (stale,) if stale.any().any() else ())

    def count(self, group: Ints, at: Ints) -> Floats:
        """(n,) number of facts in `[at - width, at)`."""
        return self.asked(Asked(group, at)).count()
