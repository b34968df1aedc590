from __future__ import annotations

import numpy as np
import pytest

from experiments import forecast_speed
from experiments.forecast_speed import AS_OF, DIMENSIONS, MONTHS, made_up, measure
from training.forecast import Calendar


def test_made_up_deals_can_be_won_and_never_less_as_time_goes_by():
    opened, new, _ = made_up(300, Calendar.of(AS_OF, "month", MONTHS, 1))
    assert (np.diff(opened.won_by, axis=1) >= 0).all()
    assert 0.15 < opened.won_by[:, -1].mean() < 0.35
    assert (new.wins == 30).all()


def test_one_measurement_gives_seconds_memory_and_the_rows_of_the_table():
    found = measure(50, tuple(DIMENSIONS), paths=20)
    members = sum(DIMENSIONS.values())
    assert found["rows"] <= MONTHS * (members + 2)
    assert found["seconds"] > 0
    assert found["above"] >= 0


def test_section_is_written_and_the_others_are_left_alone(tmp_path, monkeypatch):
    page = tmp_path / "performance.md"
    page.write_text("# Performance\n\n## Forecast\n\nold\n\n## Features\n\nkept\n", "utf-8")
    monkeypatch.setattr(forecast_speed, "DOCS", page)
    figures = {"seconds": 9.0, "busy": 1.25, "above": 0.5}
    monkeypatch.setattr(forecast_speed, "_apart", lambda _: figures)
    forecast_speed._write("\n".join(forecast_speed._report([500])))
    text = page.read_text("utf-8")
    assert "| 500 | 9.0 (1.2) | 0.50 | 9.0 (1.2) | 0.50 |" in text
    assert "old" not in text
    assert "## Features\n\nkept" in text


@pytest.mark.slow
def test_time_grows_no_faster_than_the_deals():
    few, many = (measure(deals, (), paths=1000)["busy"] for deals in (2_000, 20_000))
    assert many < 20 * few
