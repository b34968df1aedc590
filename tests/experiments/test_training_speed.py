from __future__ import annotations

import pandas as pd
import pytest

from experiments import training_speed
from experiments.training_speed import GOALS, lines_of, make, measure, run

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
    "load": 1.75,
}


def test_the_table_tells_the_goal_of_the_size_that_is_nearest():
    line = lines_of([FIGURES])[-1]
    assert "| 46,800 |" in line
    assert f"| {GOALS[47_000][0]} s |" in line
    assert "| 61,234 | 41,234 |" in line
    assert "| 1.8 |" in line


def test_a_size_that_was_measured_is_not_measured_again(tmp_path, monkeypatch):
    kept = tmp_path / "figures.json"
    monkeypatch.setattr(training_speed, "_measured", lambda deals: {**FIGURES, "deals": deals})
    assert [each["deals"] for each in run([47_000, 6_000], kept)] == [6_000, 47_000]
    monkeypatch.setattr(training_speed, "_measured", None)
    assert [each["deals"] for each in run([47_000], kept)] == [6_000, 47_000]


@pytest.mark.slow
def test_a_demo_is_made_trained_and_scored_as_in_a_process_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setattr(training_speed, "SCORED_ROWS", 1_000)
    make(150, tmp_path)
    deals = pd.read_parquet(tmp_path / "deals.parquet")
    found = measure(tmp_path)
    assert {*found, "load"} == set(FIGURES)
    assert found["deals"] == len(deals)
    assert found["seconds"] > 0
    assert found["peak"] > 0.1
    assert found["rate"] > 100
