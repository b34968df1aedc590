"""What the order of activities says: who answered whom, how fast, who is still there."""

from __future__ import annotations

from bisect import insort

import numpy as np
import pandas as pd

from features.history import History
from features.spans import Spans
from features.windows import DAY, Floats, Ints, Timeline


def unanswered(events: Timeline) -> Timeline:
    """Activities with `unanswered`: outbound ones up to each since the last inbound one."""
    outbound, inbound = events.running("outbound"), events.values["inbound"]
    since = np.maximum(events.last_where(inbound) + 1, events.start[events.group])
    return events.having(unanswered=outbound[1:] - outbound[since])


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
    found, seen, before = np.empty(len(values)), list[float](), -1
    for place, (whose, value) in enumerate(zip(group.tolist(), values.tolist(), strict=True)):
        if whose != before:
            seen, before = [], whose
        insort(seen, value)
        middle = len(seen) // 2
        found[place] = seen[middle] if len(seen) % 2 else (seen[middle - 1] + seen[middle]) / 2
    return found


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
    return known[np.argsort(key, kind="stable")]
