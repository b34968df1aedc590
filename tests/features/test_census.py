"""Counts of all classes at an instant equal counting one by one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features import census
from features.census import Census

CELLS = 3
facts = st.lists(
    st.tuples(st.integers(-1, CELLS - 1), st.integers(0, 9), st.sampled_from([1, -1])), max_size=30
)


@given(facts, st.lists(st.integers(-1, 11), min_size=1, max_size=5), st.integers(1, 7))
def test_counts_equal_brute_force_whatever_the_step(rows: list, at: list, step: int) -> None:
    cell, time, weight = (np.array([row[n] for row in rows], np.int64) for n in range(3))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(census, "STEP", step)
        found = Census.of(cell, time, cells=CELLS, weight=weight).counts(np.array(at))
    expected = [[sum(w for c, t, w in rows if c == n and t < a) for n in range(CELLS)] for a in at]
    assert found.tolist() == expected


def test_fact_at_the_instant_is_not_counted() -> None:
    one = Census.of(np.array([1]), np.array([5]), cells=2)
    assert one.counts(np.array([5, 6])).tolist() == [[0, 0], [0, 1]]
