"""Medians of what was known so far: of the answers of a deal, of the wins of a source."""

from __future__ import annotations

from bisect import insort

import numpy as np
import pandas as pd

from features.windows import Floats, Ints

LONG, FEW, MANY = 32, 16, 300
"""Values of a group up to which medians are found for all groups at once, if more than FEW."""


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
    short = (length <= LONG) & (len(length) > FEW)
    for place in np.flatnonzero(~short):
        mine = slice(first[place], first[place] + length[place])
        found[mine] = _medians(values[mine])
    order = np.argsort(-length[short], kind="stable")
    _short_medians(values, first[short][order], length[short][order], found)
    return found


def _medians(values: Floats) -> Floats:
    """(n,) medians of the values so far; a window of pandas takes as long as MANY insertions."""
    if len(values) > MANY:
        return pd.Series(values).expanding().median().to_numpy()
    ordered: list[float] = []
    found = []
    for count, value in enumerate(values.tolist()):
        insort(ordered, value)
        found.append((ordered[count // 2] + ordered[(count + 1) // 2]) / 2)
    return np.array(found)


def _short_medians(values: Floats, first: Ints, length: Ints, found: Floats) -> None:
    """Fill in the medians of groups, the longest first: one more value of each at every step."""
    so_far = np.empty((len(first), 0))
    for step in range(int(length.max(initial=0))):
        still = int(np.searchsorted(-length, -step))
        at = first[:still] + step
        so_far = np.sort(np.column_stack([so_far[:still], values[at]]), axis=1)
        found[at] = (so_far[:, step // 2] + so_far[:, (step + 1) // 2]) / 2
