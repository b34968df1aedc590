"""Medians of what was known so far."""

from __future__ import annotations

from statistics import median

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from features.medians import LONG, MANY, running_median


@given(st.lists(st.lists(st.integers(0, 50), min_size=1, max_size=2 * LONG), max_size=6))
def test_running_median_is_the_median_so_far_of_short_and_long_groups(groups: list) -> None:
    whose = np.repeat(np.arange(len(groups)), [len(each) for each in groups])
    values = np.array([value / 7 for each in groups for value in each])
    expected = [
        median(value / 7 for value in each[: n + 1]) for each in groups for n in range(len(each))
    ]
    assert running_median(whose, values).tolist() == expected


def test_running_median_of_a_group_of_many() -> None:
    values = np.random.default_rng(0).normal(size=MANY + 5)
    found = running_median(np.zeros(len(values), np.int64), values)
    assert found[: MANY + 1].tolist() == [median(values[: n + 1]) for n in range(MANY + 1)]
    alone = running_median(np.zeros(MANY, np.int64), values[:MANY])
    assert found[:MANY].tolist() == alone.tolist()
