"""The command that replays the past, run inside the tests' process."""

from __future__ import annotations

import json
import sys

import pandas as pd
import pytest

import dealcast
from commands.backtests import horizons_of
from data.demo import World, simulate
from data.store import Store
from data.tables import Tables
from training.baselines import CrmPercentages, StageAgeTable
from training.tracking import EXPERIMENT, Tracker

# What MLflow asks of SQLAlchemy is its own affair.
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy")
END = pd.Timestamp("2024-07-01", tz="UTC")


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """A small firm's store."""
    folder = tmp_path_factory.mktemp("παρελθόν")
    firm = simulate(World.demo(seed=3), deals=320, years=1.5, end=END, seed=3)
    Store(folder / "store").merge(Tables.of(firm.tables), "demo", END)
    return folder


@pytest.fixture
def run(capsys, workspace):
    def run_it(*arguments):
        before, code = sys.argv, 0
        sys.argv = ["dealcast", "--workspace", str(workspace), *map(str, arguments)]
        try:
            dealcast.main()
        except SystemExit as end:
            code = int(end.code or 0)
        finally:
            sys.argv = before
        told = capsys.readouterr()
        return code, told.out, told.err

    return run_it


@pytest.fixture
def quick(monkeypatch):
    """Leave the slow contenders out of the plan."""
    from training import backtest_plan as module

    real = module._entries

    def few(served, main, *, candidates):
        entries, absent = real(served, main, candidates=candidates)
        slow = ("LightGBM", "CatBoost")
        return [e for e in entries if not e.contender.name.startswith(slow)], absent

    monkeypatch.setattr(module, "_entries", few)


def test_horizons_are_days_and_ever():
    assert horizons_of("30, 90,ever,30") == (30, 90, 0)


@pytest.mark.parametrize("text", ["", "a month", "0", "-5", "731", "30;90", "1.5"])
def test_a_horizon_that_is_none_is_refused_with_what_is_allowed(run, text):
    code, _, told = run("backtest", f"--horizons={text}")
    assert code == 2
    assert "30,90,ever" in told


def test_a_file_is_no_folder_for_a_report(run, tmp_path):
    (tmp_path / "here").write_text("mine")
    code, _, told = run("backtest", "--out", tmp_path / "here")
    assert code == 2
    assert "give a folder" in told
    assert (tmp_path / "here").read_text() == "mine"


def test_too_short_a_history_is_said_so(run):
    code, _, told = run("backtest", "--as-of", "2023-05-01", "--horizons", "90")
    assert code == 1
    assert "too short for a backtest" in told
    assert "shorter --horizons" in told


@pytest.mark.slow
@pytest.mark.usefixtures("quick")
def test_backtest_prints_the_table_writes_the_report_and_logs_it(run, workspace, tmp_path):
    asked = ("--as-of", "2024-06-01", "--origins", "2", "--horizons", "30,60")
    code, told, said = run("backtest", *asked, "--out", tmp_path / "report")
    assert code == 0, said
    assert "2 origins" in said
    assert "about" in said
    for name in ("served model", CrmPercentages.name, StageAgeTable.name):
        assert name in told
    assert "won within 60 days" in told
    assert (tmp_path / "report" / "backtest.html").stat().st_size > 1_000_000
    tracker = Tracker(workspace)
    client = tracker.client()
    experiment = client.get_experiment_by_name(EXPERIMENT).experiment_id
    newest = client.search_runs([experiment])[0]
    assert newest.data.metrics["served_model.log_loss_60d"] > 0
    assert newest.data.params["origins"] == "2"
    files = {file.path for file in client.list_artifacts(newest.info.run_id, "report")}
    assert "report/backtest.html" in files
    assert newest.info.status == "FINISHED"


@pytest.mark.slow
@pytest.mark.usefixtures("quick")
def test_json_holds_the_figures_and_where_the_report_is(run, workspace):
    asked = ("--as-of", "2024-06-01", "--origins", "1", "--horizons", "30", "--json")
    code, told, _ = run("backtest", *asked)
    found = json.loads(told)
    assert code == 0
    assert {row["name"] for row in found["summary"]} >= {"served model", CrmPercentages.name}
    assert found["report"].endswith("backtest.html")
    assert str(workspace) in found["report"]


@pytest.mark.slow
@pytest.mark.usefixtures("quick")
def test_an_interrupted_backtest_leaves_nothing_behind(run, tmp_path, monkeypatch):
    from training import backtest_findings as module

    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "differences", stop)
    asked = ("--as-of", "2024-06-01", "--origins", "1", "--horizons", "30")
    code, _, _ = run("backtest", *asked, "--out", tmp_path / "report")
    assert code == 130
    assert not (tmp_path / "report").exists()


@pytest.mark.slow
def test_forecast_backtest_writes_the_report_and_teaches_the_next_bundle(run, workspace, tmp_path):
    asked = ("--forecast", "--origins", "3")
    code, told, said = run("backtest", *asked, "--out", tmp_path / "report", "--json")
    assert code == 0, said
    found = json.loads(told)
    assert {row["name"] for row in found["summary"]} >= {"dealcast", "AutoETS", "run rate"}
    assert (tmp_path / "report" / "forecast_backtest.html").stat().st_size > 1_000_000
    client = Tracker(workspace).client()
    runs = client.search_runs([client.get_experiment_by_name(EXPERIMENT).experiment_id])
    assert any(run.info.run_name.startswith("forecast backtest") for run in runs)
    code, told, _ = run("train", "--json")
    assert code == 0
    assert json.loads(told)["forecast"] == found["used"]


def test_forecast_backtest_of_a_young_firm_says_what_is_needed(run):
    code, _, told = run("backtest", "--forecast", "--as-of", "2023-03-01")
    assert code == 1
    assert "half a year and 30 closed deals" in " ".join(told.split())
