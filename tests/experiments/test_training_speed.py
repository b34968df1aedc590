from __future__ import annotations

import pandas as pd
import pytest

from experiments import training_speed
from experiments.training_speed import GOALS, lines_of, make, measure

FIGURES = {
    "deals": 46_800,
    "activities": 1_000_000,
    "snapshots": 150_000,
    "features": 170,
    "seconds": 100.0,
    "busy": 80.0,
    "peak": 2.5,
    "open": 3_000,
    "rate": 61_234.0,
    "rate_busy": 41_234.0,
}


def test_the_table_tells_the_goal_of_the_size_that_is_nearest():
    line = lines_of([FIGURES], (1.5, 2.5))[-1]
    assert "| 46,800 |" in line
    assert f"| {GOALS[47_000][0]} s |" in line
    assert "| 61,234 | 41,234 |" in line
    assert "1.5 before and 2.5 after" in "\n".join(lines_of([FIGURES], (1.5, 2.5)))


@pytest.mark.slow
def test_a_demo_is_made_trained_and_scored_as_in_a_process_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setattr(training_speed, "SCORED_ROWS", 1_000)
    make(150, tmp_path)
    deals = pd.read_parquet(tmp_path / "deals.parquet")
    found = measure(tmp_path)
    assert set(found) == set(FIGURES)
    assert found["deals"] == len(deals)
    assert found["seconds"] > 0
    assert found["peak"] > 0.1
    assert found["rate"] > 100
