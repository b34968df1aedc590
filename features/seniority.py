"""Seniority of contacts, read from their titles."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from features.history import History
from features.windows import Ints

UNKNOWN = -1
SENIORITY = (
    (4, ("c-level", "c_level", "cxo", "chief", "ceo", "cfo", "cto", "coo", "owner", "founder")),
    (3, ("vp", "vice president", "executive", "president", "partner")),
    (2, ("director", "head")),
    (1, ("manager", "lead", "senior")),
)


@lru_cache(maxsize=4_096)
def _seniority(title: object) -> int:
    """Level of a title in words; 0 where there is none."""
    words = title.lower() if isinstance(title, str) else ""
    return next((level for level, names in SENIORITY if any(n in words for n in names)), 0)


def levels(history: History) -> Ints:
    """(contacts + 1,) level of each contact of a history, 0 to 4; the last, of none, is UNKNOWN.

    Of a person entered more than once the last entry tells.
    """
    titles = history.tables.contacts["seniority"].to_numpy(object)
    level = np.zeros(history.contacts.size + 1, np.int64)
    level[history.contacts.code[: len(titles)]] = [_seniority(each) for each in titles]
    level[-1] = UNKNOWN
    return level
