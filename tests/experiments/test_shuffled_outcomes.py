"""With outcomes shuffled between deals nothing tells won from lost."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from data.demo import World, simulate
from data.tables import Tables
from experiments.shuffled_outcomes import END, probe, shuffled
from features.history import OPEN, History

CUT = int(END.as_unit("us").asm8.astype(np.int64))


@pytest.fixture(scope="module")
def history() -> History:
    return History.of(
        Tables.of(simulate(World.demo(), deals=600, years=2, end=END, seed=5).tables)
    )


def test_shuffling_keeps_who_closed_and_when(history: History) -> None:
    mixed = shuffled(history, seed=1)
    np.testing.assert_array_equal(mixed.closings.time, history.closings.time)
    np.testing.assert_array_equal(mixed.closings.group, history.closings.group)
    before, after = (h.closings.values["outcome"] for h in (history, mixed))
    assert sorted(before) == sorted(after)
    assert 0.1 < (before != after).mean() < 0.9
    assert (after != OPEN).all()


@pytest.mark.slow
def test_shuffled_outcomes_cannot_be_told_apart(history: History) -> None:
    found = probe(shuffled(history, seed=1), CUT)
    assert found.deals > 80
    assert found.within_noise


@pytest.mark.slow
def test_probe_sees_a_planted_leak(history: History) -> None:
    found = probe(shuffled(history, seed=1), CUT, planted=True)
    assert not found.within_noise
    assert found.auc > 0.95


@pytest.mark.slow
def test_history_too_short_for_an_origin_is_refused(history: History) -> None:
    early = int(pd.Timestamp("2023-08-01", tz="UTC").as_unit("us").asm8.astype(np.int64))
    with pytest.raises(ValueError, match="bring a longer history"):
        probe(history, early)
