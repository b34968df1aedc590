"""What the order of activities says: who answered whom, how fast, who is still there."""

from __future__ import annotations

from bisect import insort

import numpy as np
import pandas as pd

from features.history import History
from features.order import by_key
from features.spans import Spans
from features.windows import DAY, NEVER, Floats, Ints, Seen, Timeline

LONG = 32
"""Answers of a deal up to which medians are found for all deals at once."""


def unanswered(seen: Seen) -> Floats:
    """(n,) outbound activities since the last inbound one."""
    events = seen.events
    outbound, first = events.running("outbound"), seen.first
    begin, past = seen.flagged("inbound")
    answered = events.flagged("inbound")
    last = answered[np.maximum(past, 1) - 1] if len(answered) else first
    since = np.where(past > begin, last, first)
    found: Floats = (outbound[seen.past] - outbound[since]).astype(float)
    return found


def first_answered(seen: Seen) -> Ints:
    """(n,) when the inbound activity happened that was known first; NEVER where there is none."""
    begin, past = seen.flagged("inbound")
    inbound = seen.events.flagged("inbound")
    if not len(inbound):
        return np.full(len(begin), NEVER)
    index = inbound[np.minimum(begin, len(inbound) - 1)]
    return np.where(past > begin, seen.events.values["happened"][index], NEVER)


def answers(events: Timeline) -> Timeline:
    """Inbound activities that follow an outbound one; values days waited, and median so far."""
    inbound, happened = events.values["inbound"], events.values["happened"]
    directed = events.having(inbound=inbound, happened=happened).where(
        inbound | events.values["outbound"]
    )
    waited = (directed.values["happened"] - directed.previous("happened")) / DAY
    answered = directed.values["inbound"] & (directed.previous("inbound") == 0)
    found = directed.having(days=np.maximum(waited, 0.0)).where(answered)
    return found.having(
        days=found.values["days"], median=running_median(found.group, found.values["days"])
    )


def running_median(group: Ints, values: Floats) -> Floats:
    """(n,) median of the values so far in each group (whose values stand together).

    >>> running_median(np.array([0, 0, 0, 1]), np.array([5.0, 1.0, 2.0, 7.0])).tolist()
    [5.0, 3.0, 2.0, 7.0]
    """
    if not len(values):
        return np.empty(0)
    first = np.flatnonzero(np.append(True, group[1:] != group[:-1]))
    length = np.diff(np.append(first, len(values)))
    found = np.empty(len(values))
    for place in np.flatnonzero(length > LONG):
        mine = slice(first[place], first[place] + length[place])
        found[mine] = _median_so_far(values[mine].tolist())
    order = np.argsort(-length[length <= LONG], kind="stable")
    _short_medians(values, first[length <= LONG][order], length[length <= LONG][order], found)
    return found


def _median_so_far(values: list[float]) -> list[float]:
    found, seen = [], list[float]()
    for value in values:
        insort(seen, value)
        middle = len(seen) // 2
        found.append(seen[middle] if len(seen) % 2 else (seen[middle - 1] + seen[middle]) / 2)
    return found


def _short_medians(values: Floats, first: Ints, length: Ints, found: Floats) -> None:
    """Fill in the medians of groups, the longest first: one more value of each at every step."""
    so_far = np.empty((len(first), 0))
    for step in range(int(length.max(initial=0))):
        still = int(np.searchsorted(-length, -step))
        at = first[:still] + step
        so_far = np.sort(np.column_stack([so_far[:still], values[at]]), axis=1)
        found[at] = (so_far[:, step // 2] + so_far[:, (step + 1) // 2]) / 2


def contact_spans(history: History, days: int) -> Spans:
    """Spans in which a contact counts as there: some known activity with it is of the last `days`.

    Each activity makes its contact count from when it is known until `days` after it happened;
    what overlaps is one span, so that a contact counts once.
    """
    events = history.activities
    order = history.index("contact_order", lambda: _by_contact(history))
    contact, group = events.values["contact"][order].astype(np.int64), events.group[order]
    time = events.time[order]
    key = group * history.contacts.size + contact
    end = np.maximum(time, events.values["happened"][order] + days * DAY)
    until = pd.Series(end).groupby(key).cummax().to_numpy()
    begins = np.ones(len(key), bool)
    begins[1:] = (key[1:] != key[:-1]) | (time[1:] > until[:-1])
    ends = np.append(begins[1:], True)[: len(key)]
    return Spans.of(group[begins], time[begins], until[ends], groups=history.size)


def _by_contact(history: History) -> Ints:
    """Activities with a contact, by deal and contact, each contact's in the order known."""
    events = history.activities
    known = np.flatnonzero(events.values["contact"] >= 0)
    key = events.group[known] * history.contacts.size + events.values["contact"][known]
    return known[by_key(key)]
