"""What the order of activities says: who answered whom, how fast, who is still there."""

from __future__ import annotations

import numpy as np

from features.history import History
from features.medians import running_median
from features.order import by_key, largest_so_far
from features.spans import Spans
from features.windows import DAY, NEVER, Bools, Floats, Ints, Seen, Timeline


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
    """Inbound activities that follow an outbound one; values days waited, and median so far.

    What was logged after something later between the two sides is left out: it does not tell what
    followed what.
    """
    inbound, happened = events.values["inbound"], events.values["happened"]
    directed = events.having(inbound=inbound, happened=happened).where(
        inbound | events.values["outbound"]
    )
    directed = directed.where(directed.values["happened"] >= latest_so_far(directed))
    waited = (directed.values["happened"] - directed.previous("happened")) / DAY
    answered = directed.values["inbound"] & (directed.previous("inbound") == 0)
    found = directed.having(days=np.maximum(waited, 0.0)).where(answered)
    return found.having(
        days=found.values["days"], median=running_median(found.group, found.values["days"])
    )


def latest_so_far(events: Timeline) -> Ints:
    """(facts,) when the latest happened of those of the group that became known up to each."""
    happened = events.values["happened"].astype(np.int64)
    begins = np.zeros(len(happened), bool)
    begins[events.start[:-1][np.diff(events.start) > 0]] = True
    return largest_so_far(happened, begins)


def contact_spans(history: History, days: int) -> Spans:
    """Spans in which a contact counts as there: some known activity with it is of the last `days`.

    Each activity makes its contact count from when it is known until `days` after it happened;
    what overlaps is one span, so that a contact counts once.
    """
    group, time, happened, other = history.index("met", lambda: _met(history))
    end = np.maximum(time, happened + days * DAY)
    until, begins = largest_so_far(end, other), other.copy()
    begins[1:] |= time[1:] > until[:-1]
    ends = np.append(begins[1:], True)[: len(begins)]
    return Spans.of(group[begins], time[begins], until[ends], groups=history.size)


def _met(history: History) -> tuple[Ints, Ints, Ints, Bools]:
    """Activities with a contact, by deal and contact, each contact's in the order known.

    Returns
    -------
    group, time, happened, other : (n,) deal, both clocks, and whether the contact is another than
        that of the row before
    """
    events = history.activities
    known = np.flatnonzero(events.values["contact"] >= 0)
    group = events.group[known]
    key = group * history.contacts.size + events.values["contact"][known]
    order = by_key(key)
    key, known = key[order], known[order]
    other = np.ones(len(key), bool)
    other[1:] = key[1:] != key[:-1]
    return group[order], events.time[known], events.values["happened"][known], other
