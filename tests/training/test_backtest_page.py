from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from training.backtest_findings import find
from training.backtest_page import CONTENDERS, PAGE, ROWS, render, show, write_report
from training.backtest_plots import plots
from training.backtest_words import said
from training.baselines import CrmPercentages, DirectLogistic, StageAgeTable


@pytest.fixture(scope="module")
def page(replayed, findings):
    return render(replayed, findings)


def test_page_asks_the_network_for_nothing(page):
    outside = re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)
    assert "http://" not in outside
    assert "https://" not in outside
    assert not re.search(r"<(link|img|iframe|script)[^>]+(src|href)=", page)


def test_page_shows_every_contender_plot_and_segment(page, findings):
    for name in (StageAgeTable.name, CrmPercentages.name, DirectLogistic.name):
        assert name in page
    assert page.count("js-plotly-plot") + page.count("plotly-graph-div") >= len(plots(findings))
    for value in findings.segments[90]["value"]:
        assert value in page
    for line in said(findings):
        assert line.replace("'", "&#39;") in page


def test_names_of_the_data_are_escaped(replayed):
    wild = np.where(replayed.rows["deal"] % 2 == 0, "<script>alert(1)</script>", "web")
    rows = replayed.rows.assign(source=wild)
    test = replace(replayed, rows=rows)
    html = render(test, find(test, StageAgeTable.name))
    assert "<script>alert(1)" not in html
    assert "&lt;script&gt;alert(1)" in html


def test_report_is_written_whole_with_its_tables(replayed, findings, tmp_path):
    paths = write_report(replayed, findings, tmp_path / "แบ็กเทสต์")
    assert {PAGE, ROWS, "contenders.csv", "segments_90d.csv"} <= set(paths)
    assert all(path.is_file() for path in paths.values())
    assert not list((tmp_path / "แบ็กเทสต์").glob("*.partial"))
    predictions = pd.read_parquet(paths[ROWS])
    assert len(predictions) == len(replayed.rows)
    again = pd.read_csv(paths["contenders.csv"])
    assert again["log_loss"].to_numpy() == pytest.approx(findings.summary["log_loss"].to_numpy())


def test_a_report_that_breaks_off_leaves_the_last_one(replayed, findings, tmp_path, monkeypatch):
    paths = write_report(replayed, findings, tmp_path)
    before = {name: path.read_bytes() for name, path in paths.items()}

    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("pandas.DataFrame.to_parquet", stop)
    with pytest.raises(KeyboardInterrupt):
        write_report(replayed, replace(findings, summary=findings.summary[::-1]), tmp_path)
    assert {name: path.read_bytes() for name, path in paths.items()} == before


def test_said_in_words_are_the_figures(findings):
    lines = "\n".join(said(findings))
    row = findings.row(90)
    assert f"{100 * row['observed_expected']:.0f} came" in lines
    assert f"{100 * row['calibration_error']:.1f} points" in lines
    mine = findings.lists[findings.lists["name"] == findings.name].iloc[0]
    assert f"{mine['wins_captured']:.0%} of the wins" in lines


def test_words_own_up_to_a_model_that_is_worse_than_the_table(replayed):
    found = find(replayed, CrmPercentages.name)
    assert found.row(90)["log_loss_skill"] < 0
    lines = said(found)
    assert "adds" in lines[0]
    assert "more than the chance of the draw" in lines[1]


def test_findings_are_json_for_programs(findings):
    plain = json.loads(json.dumps(findings.to_json()))
    assert {"summary", "differences", "lists", "auc_by_age", "segments_90d"} <= set(plain)
    assert plain["tiers"]
    assert len(plain["summary"]) == len(findings.summary)


def test_nothing_mature_is_said_so(replayed):
    rows = replayed.rows.assign(**{f"label_{h}": np.nan for h in replayed.horizons})
    with pytest.raises(ValueError, match="mature"):
        find(replace(replayed, rows=rows), StageAgeTable.name)


def test_gain_curve_rises_from_nothing_to_all(findings):
    for name in (StageAgeTable.name, CrmPercentages.name):
        curve = findings.gains[name]
        assert curve[0] == 0
        assert curve[-1] == 1
        assert (np.diff(curve) >= 0).all()


def test_a_figure_that_is_not_there_is_a_dash():
    shown = show(pd.DataFrame([{c.key: np.nan for c in CONTENDERS} | {"name": "x"}]), CONTENDERS)
    assert shown["rows"] == [["x", *["-"] * (len(CONTENDERS) - 1)]]
    assert shown["heads"][0] == {"text": "contender", "left": True}
