"""Medians of what was known so far."""

from __future__ import annotations

from statistics import median

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from features.medians import LONG, running_median


@given(st.lists(st.lists(st.integers(0, 50), min_size=1, max_size=2 * LONG), max_size=6))
def test_running_median_is_the_median_so_far_of_short_and_long_groups(groups: list) -> None:
    whose = np.repeat(np.arange(len(groups)), [len(each) for each in groups])
    values = np.array([value / 7 for each in groups for value in each])
    expected = [
        median(value / 7 for value in each[: n + 1]) for each in groups for n in range(len(each))
    ]
    assert running_median(whose, values).tolist() == expected
