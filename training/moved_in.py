"""Deals that were moved into the CRM from elsewhere in one day rather than created there.

Another system's deals, brought in at once, bear the date of the import, and so does what became
of them before it. They say nothing of how many deals are to come, nor, for their age is not
theirs, of when those will be won; and one such day would make every day look unsure.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import median_filter

from features.history import History
from features.windows import DAY, Bools, Floats

AROUND_DAYS = 57
"""Days about one whose median tells what is usual."""
MANY, TIMES = 30, 10.0
"""Deals, and times the usual number, from which a day is not one of creating deals."""
RARE_DAYS = 180
"""Where more than one day in so many is of that kind it is how the firm works, and no import."""


def moved_deals(history: History, as_of: int) -> Bools:
    """(deals,) whether each was moved in, by what was known before an instant; found once."""
    return history.index(f"moved in:{as_of}", lambda: _moved_deals(history, as_of))


def _moved_deals(history: History, as_of: int) -> Bools:
    found = np.zeros(history.size, bool)
    known = np.flatnonzero(history.known_from < as_of)
    if len(known):
        day = history.created[known] // DAY
        day -= day.min()
        found[known] = moved_in(np.bincount(day).astype(float))[day]
    return found


def moved_in(created: Floats) -> Bools:
    """(days,) whether the deals of a day were moved in.

    Parameters
    ----------
    created : (days,) deals created on each

    >>> usual = np.full(400, 3.0)
    >>> usual[100] = 500
    >>> moved_in(usual).nonzero()[0].tolist()
    [100]
    """
    usual = median_filter(created, size=AROUND_DAYS, mode="reflect")
    found: Bools = created >= np.maximum(MANY, TIMES * usual)
    rare = bool(found.sum() * RARE_DAYS <= max(len(created), RARE_DAYS))
    return found & rare
