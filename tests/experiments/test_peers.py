from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from experiments.peers import ask, installed, make_split, read_split
from experiments.peers_run import HORIZON, Given
from experiments.peers_table import Answer, Split, lines_of
from features.windows import DAY

PYTHON = Path(sys.executable)
MINUTES = {True: 10.0, False: 3.0}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("peers")


@pytest.fixture(scope="module")
def split(folder):
    return make_split(250, folder)


@pytest.fixture(scope="module")
def given(split, folder):
    head = json.loads((folder / "rows.json").read_text(encoding="utf-8"))
    return Given(folder, head["features"], head["categorical"], 0.1, True)


@pytest.mark.slow
def test_rows_that_teach_were_watched_for_the_horizon_before_the_origin(split, given):
    rows = given.table("train")
    assert len(rows) == split.taught
    assert (rows["time"] + HORIZON * DAY <= split.origin).all()
    assert rows["label"].isin([0.0, 1.0]).all()
    assert 0 < rows["label"].mean() < 1


@pytest.mark.slow
def test_peers_are_asked_what_dealcast_was_and_told_no_outcome(split, given):
    asked = given.table("test")
    assert list(asked.columns) == given.features
    assert len(asked) == len(split.labels) == len(split.ours)
    assert np.isfinite(split.labels).all()


@pytest.mark.slow
def test_survival_rows_hold_the_censored_ones_too(split, given):
    rows = given.table("survival")
    assert set(rows["event"]) == {0, 1, 2}
    assert (rows["duration"] > 0).all()
    assert len(rows) > split.taught


@pytest.mark.slow
def test_the_last_deals_are_whole_and_began_after_the_others(given):
    rows = given.table("train")
    late = given.late(rows)
    assert not set(rows["deal"][late]) & set(rows["deal"][~late])
    first = rows.groupby("deal")["time"].min()
    assert first[rows["deal"][late]].min() >= first[rows["deal"][~late]].max()


@pytest.mark.slow
def test_a_peer_that_is_here_answers_every_row_once(split, folder, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")
    assert installed(PYTHON, "logistic")
    answer = ask(PYTHON, "logistic", folder, 0.1, aware=False)
    assert answer.p.shape == split.labels.shape
    assert ((answer.p >= 0) & (answer.p <= 1)).all()
    assert answer.p.std() > 0.01
    # Asked again it is read, not fitted anew.
    again = ask(None, "logistic", folder, 0.1, aware=False)
    assert (again.p == answer.p).all()
    assert again.seconds == answer.seconds
    assert ask(None, "logistic", folder, 0.1, aware=True) is None


@pytest.mark.slow
def test_a_split_is_read_as_it_was_made(split, folder):
    again = read_split(folder)
    assert (again.labels == split.labels).all()
    assert (again.ours == split.ours).all()
    assert (again.deals, again.origin, again.busy) == (split.deals, split.origin, split.busy)


@pytest.mark.slow
def test_a_peer_that_fails_is_left_out_and_said_so(folder, capsys):
    (folder / "empty").mkdir()
    assert ask(PYTHON, "lightgbm", folder / "empty", 0.1, aware=True) is None
    assert "lightgbm failed" in capsys.readouterr().err


def test_the_table_tells_who_is_worse_and_by_how_much():
    labels = np.array([1.0, 0.0, 1.0, 0.0])
    ours = np.where(labels == 1, 0.8, 0.2)
    split = Split(4, 0, 10, np.arange(4), labels, ours, 30.0, 25.0)
    answers = [
        Answer("flaml", True, np.full(4, 0.5), 600.0, 900.0),
        Answer("flaml", False, 1 - ours, 180.0, 300.0),
        Answer("hazardous", True, ours, 5.0, 5.0),
    ]
    text = "\n".join(lines_of(split, answers, ["AutoGluon"], MINUTES))
    assert "| **dealcast** | out of time | 0.2231 | | 1.000 | 30 | 25 |" in text
    assert f"| FLAML | told | 0.6931 | {np.log(0.8 / 0.5):+.4f} +- 0.0000 | 0.500 |" in text
    assert f"| FLAML | not told | {-np.log(0.2):.4f} |" in text
    assert "| SurvivalBoost (hazardous) | none taken | 0.2231 | +0.0000" in text
    assert "10 minutes each (3 where not told)" in text
    assert "FLAML (told) had" not in text
    starved = "\n".join(lines_of(split, [Answer("flaml", True, ours, 600.0, 20.0)], [], MINUTES))
    assert "FLAML (told) had 20 processor seconds in 10 minutes" in starved
    assert "No answer (not installed, failed or stopped): AutoGluon." in text


def test_codes_reach_the_peers_as_whole_numbers(tmp_path):
    pd.DataFrame({"f0": [1.5, np.nan], "f1": [3.0, np.nan]}).to_parquet(tmp_path / "test.parquet")
    rows = Given(tmp_path, ["f0", "f1"], ["f1"], 1.0, True).table("test")
    assert rows["f1"].tolist() == [3, -1]
    assert np.isnan(rows["f0"][1])


def test_seconds_spent_waiting_are_named():
    labels = np.array([1.0, 0.0])
    split = Split(2, 0, 10, np.arange(2), labels, np.array([0.8, 0.2]), 30.0, 25.0)

    def told(seconds):
        return "\n".join(
            lines_of(split, [Answer("catboost", True, split.ours, seconds, 50.0)], [], MINUTES)
        )

    assert "Other work ran beside CatBoost" in told(600.0)
    assert "ran beside" not in told(60.0)
