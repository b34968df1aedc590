from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from data.demo import World, simulate
from data.store import Store
from data.tables import Tables
from experiments import results
from experiments.monthly import Month
from experiments.results import CASES, command, judged, page
from features.history import History
from training.report import log_training
from training.tracking import Tracker
from training.train import train

FIGURES = {
    "horizon": 30,
    "won": 41,
    "expected": 39.5,
    "log_loss": 0.31234,
    "table_log_loss": 0.35,
    "gain": "+0.0377 +- 0.0050",
    "auc": 0.7654,
    "table_auc": 0.61,
}
FOUND = {
    "tier": "full",
    "reason": "the model beats the table",
    "distrusted": {},
    "open": 1234,
    "won_lost": (300, 700),
    "auc_won_lost": 0.7321,
    "figures": [FIGURES],
    "forecast": [],
}


def section(text, name):
    return text.partition(f"## {name}")[2].partition("\n## ")[0]


def test_set_that_is_not_here_is_said_to_be_left_out():
    text = page({"olist": FOUND})
    for case in CASES:
        assert ("left out" in section(text, case.name)) == (case.name != "olist")


def test_section_gives_the_figures_with_the_tables_beside_them():
    text = section(page({"olist": FOUND}), "olist")
    assert "As of 2018-05-01: 1,234 open deals, tier `full`: the model beats the table." in text
    row = "| 30 days | 41 | 39.5 | 0.3123 | 0.3500 | +0.0377 +- 0.0050 | 0.765 | 0.610 |"
    assert row in text
    assert "300 were won since and 700 lost" in text
    assert "0.732" in text


def test_set_without_losses_has_no_figure_of_won_against_lost():
    text = section(page({"olist": FOUND | {"won_lost": (300, 0)}}), "olist")
    assert "300 were won since and 0 lost." in text
    assert "0.732" not in text


def test_columns_that_were_left_out_are_named_with_what_was_seen():
    seen = {"deals.account_id": "blank in 90% of open and 2% of closed deals"}
    text = section(page({"maven": FOUND | {"distrusted": seen}}), "maven")
    assert "`deals.account_id` (blank in 90% of open and 2% of closed deals)" in text


def test_forecast_stands_beside_what_came_in_its_own_unit():
    month = {"period": "2012-02", "unit": "wins", "mean": 41.2, "p10": 33.0, "p90": 50.4}
    text = section(
        page({"bpic2012": FOUND | {"forecast": [month | {"actual": 44.0}]}}), "bpic2012"
    )
    assert "forecast (wins)" in text
    assert "| 2012-02 | 41 | 33 to 50 | 44 |" in text


def test_every_table_has_as_many_cells_in_every_row():
    month = {"period": "2012-02", "unit": "wins", "mean": 1.0, "p10": 0.0, "p90": 2.0, "actual": 1}
    lines = page({"bpic2012": FOUND | {"forecast": [month]}}).splitlines()
    tables = [line for line in lines if line.startswith("|")]
    assert {line.count("|") for line in tables} <= {5, 9}


def test_months_stand_beside_the_yardsticks_with_their_errors():
    forecasts = {"ours": 90.0, "run rate": 150.0, "stage rate by month ahead": 50.0}
    months = [
        Month("2012-01", "full", "wins", forecasts, 80.0, 110.0, 100.0),
        Month("2012-02", "full", "wins", forecasts, 80.0, 95.0, 100.0),
    ]
    text = section(page({"bpic2012": FOUND | {"months": months}}), "bpic2012")
    assert "| 2012-01 | full | 90 | 150 | 50 | 80 to 110 | 100 |" in text
    assert "| WAPE | | 0.10 | 0.50 | 0.50 | 1 of 2 inside | |" in text


def test_without_any_set_no_page_is_written(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(results, "DATA", tmp_path)
    monkeypatch.setattr(results, "PAGE", tmp_path / "results.md")
    results.main()
    assert not (tmp_path / "results.md").exists()
    assert capsys.readouterr().out.count("left out") == len(CASES)


@pytest.mark.slow
def test_command_that_fails_is_told_with_what_it_said(tmp_path):
    with pytest.raises(RuntimeError, match=r"exited 1(.|\n)*dealcast import"):
        command(tmp_path / "workspace", "score")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy")
def test_deals_open_then_are_judged_by_what_came_later(tmp_path):
    end = pd.Timestamp("2024-07-01", tz="UTC")
    firm = simulate(World.demo(seed=7), deals=300, years=1.5, end=end, seed=7)
    tables = Tables.of(firm.tables)
    version = Store(tmp_path / "store").merge(tables, "demo", end)
    history = History.of(tables)
    cut = int(pd.Timestamp("2024-02-01", tz="UTC").as_unit("us").asm8.astype("int64"))
    tracker = Tracker(tmp_path)
    tracker.promote(log_training(tracker, train(history, cut), version.id).version)
    found = judged(tmp_path, "2024-02-01")
    rows = firm.tables["deal_history"]
    won = rows[
        (rows["value"] == "closed_won") & (rows["recorded_at"] >= end - pd.Timedelta("151D"))
    ]
    assert 0 < found["open"] < 300
    assert [each["horizon"] for each in found["figures"]] == [30, 90]
    assert 0 < found["figures"][0]["won"] <= found["figures"][1]["won"] <= len(won)
    assert 0 < found["figures"][1]["expected"] < found["open"]
    assert np.isfinite(found["figures"][0]["log_loss"])
    assert [each["period"] for each in found["forecast"]] == ["2024-02", "2024-03", "2024-04"]
    first = found["forecast"][0]
    assert first["p10"] <= first["p90"]
    assert first["actual"] > 0
