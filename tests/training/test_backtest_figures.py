from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from features.windows import DAY
from training.backtest import Backtest
from training.backtest_figures import (
    LEAST_DEALS,
    REFERENCE,
    age_bands,
    by_origin,
    differences,
    figures,
    paired_bootstrap,
    segment_values,
    segments,
    summary,
)
from training.learners import expit
from training.metrics import auc_within, log_loss
from training.top_tenth import in_top, top_tenth

WEEKS = 4


def made(deals=600, seed=0, **answers):
    """A backtest of one origin: deals whose truth is known, asked in four weeks.

    Answers are functions of the true log-odds; `wrong` deals of the source b are won more often.
    """
    rng = np.random.default_rng(seed)
    true = rng.normal(-0.5, 1.2, deals)
    source = rng.choice(["a", "b"], deals)
    won = rng.random(deals) < expit(true)
    deal = np.arange(deals).repeat(WEEKS)
    time = np.tile(np.arange(WEEKS) * 7 * DAY, deals)
    rows = pd.DataFrame(
        {
            "origin": 0,
            "deal": deal,
            "time": time,
            "stage": np.where(true > 0, "late", "early")[deal],
            "stage_place": (true > 0).astype(float)[deal],
            "age_days": rng.uniform(0, 100, deals)[deal],
            "pipeline": "",
            "source": source[deal],
            "owner": np.array(["ann", "bob", "eve"])[np.arange(deals) % 3][deal],
            "amount": np.exp(rng.normal(8, 1, deals))[deal],
            "label_30": won[deal].astype(float),
            "label_90": np.nan,
        }
    )
    rows["won_amount"] = rows["amount"].where(rows["label_30"] > 0)
    said = {REFERENCE: lambda z: 0.3 * z, **answers}
    both = {n: np.stack([expit(f(true))[deal]] * 2, axis=1) for n, f in said.items()}
    return Backtest(100 * DAY, (30, 90), rows, both, pd.DataFrame(), dict.fromkeys(both, 1.0))


def test_figures_are_those_of_the_rows():
    test = made(true=lambda z: z)
    rows = test.judged("true", 30)
    found = figures(test, "true", 30, rows)
    p, labels, table = test.p("true", 30), test.labels(30), test.p(REFERENCE, 30)
    loss, reference = log_loss(labels, p).mean(), log_loss(labels, table).mean()
    assert found["log_loss"] == pytest.approx(loss)
    assert found["log_loss_skill"] == pytest.approx(1 - loss / reference)
    assert found["brier"] == pytest.approx(((labels - p) ** 2).mean())
    assert found["auc"] == pytest.approx(auc_within(test.rows["time"].to_numpy(), labels, p))
    assert found["auc_skill"] == pytest.approx(0, abs=1e-9)
    assert found["observed_expected"] == pytest.approx(labels.sum() / p.sum())
    assert found["deals"] == 600
    assert found["won_deals"] == labels.sum() / WEEKS
    assert found["slope"] == pytest.approx(1, abs=4 * found["slope_error"])


def test_the_reference_has_no_skill_and_what_is_not_mature_has_no_row():
    table = summary(made(true=lambda z: z))
    assert set(table["horizon"]) == {30}
    reference = table[table["name"] == REFERENCE].iloc[0]
    assert reference["log_loss_skill"] == 0
    assert reference["auc_skill"] == pytest.approx(0)
    mine = table[table["name"] == "true"].iloc[0]
    assert mine["log_loss_skill"] > 0.02
    assert mine["calibration_error"] <= mine["calibration_error_of_a_perfect_model"] * 1.3


def test_timid_answers_are_told_by_their_slope_and_error():
    table = summary(made(deals=3000, timid=lambda z: 0.4 * z, true=lambda z: z)).set_index("name")
    assert table.loc["timid", "slope"] > 1.8
    perfect = table["calibration_error_of_a_perfect_model"]
    assert (table["calibration_error"] > perfect).loc["timid"]


def test_a_segment_that_is_won_more_often_is_off_and_no_other():
    test = made(deals=4000, true=lambda z: z)
    rows = test.rows
    rng = np.random.default_rng(1)
    lucky = rng.random(4000)[rows["deal"]] < 0.3
    rows["label_30"] = np.where((rows["source"] == "b") & lucky, 1.0, rows["label_30"])
    found = segments(test, "true", 30).set_index(["dimension", "value"])
    assert found.loc[("source", "b"), "verdict"] == "off"
    assert found.loc[("source", "a"), "verdict"] == ""
    assert found.loc[("source", "b"), "observed_expected"] > 1.2


def test_segments_of_a_true_model_are_seldom_off():
    verdicts = [
        v
        for seed in range(4)
        for v in segments(made(seed=seed, true=lambda z: z), "true", 30)["verdict"]
    ]
    assert verdicts.count("off") <= 1
    assert len(verdicts) > 30


def test_stages_come_in_the_order_of_the_funnel_and_ages_in_order():
    found = segments(made(true=lambda z: z), "true", 30)
    assert found.loc[found["dimension"] == "stage", "value"].tolist() == ["early", "late"]
    first = found.loc[found["dimension"] == "age", "value"].str.extract(r"(\d+)")[0].astype(int)
    assert first.is_monotonic_increasing
    assert len(first) == 5


def test_values_of_few_deals_are_put_together():
    test = made()
    rows = test.rows.assign(source=np.where(test.rows["deal"] < LEAST_DEALS - 1, "rare", "often"))
    values = segment_values(rows)
    assert set(values["source"]) == {"others", "often"}
    assert set(values["pipeline"]) == {"(none)"}


def test_age_bands_hold_about_as_many_rows_each():
    bands = pd.Series(age_bands(np.random.default_rng(0).gamma(2, 40, 5000)))
    assert bands.nunique() == 5
    assert bands.value_counts().min() > 800
    assert age_bands(np.zeros(10)).tolist() == ["0 days and more"] * 10


def test_by_origin_has_a_row_a_month():
    test = made(true=lambda z: z)
    test.rows.loc[test.rows["deal"] % 2 == 0, "origin"] = 28 * DAY
    found = by_origin(test, "true", 30)
    assert found["origin"].tolist() == [0, 28 * DAY]
    assert found["deals"].sum() == 600


def test_differences_are_paired_on_the_rows_that_both_have_answered():
    test = made(true=lambda z: z, part=lambda z: z + 0.8)
    test.answers["part"][: len(test.rows) // 2] = np.nan
    found = differences(test, "true").set_index("other")
    assert found.loc["part", "deals"] == 300
    assert found.loc[REFERENCE, "deals"] == 600
    assert (
        found.loc[REFERENCE, "low"] < found.loc[REFERENCE, "gain"] < found.loc[REFERENCE, "high"]
    )
    assert found.loc[REFERENCE, "better"] > 0.95
    labels = test.labels(30)
    gain = log_loss(labels, test.p(REFERENCE, 30)) - log_loss(labels, test.p("true", 30))
    assert found.loc[REFERENCE, "gain"] == pytest.approx(gain.mean())


def test_interval_of_a_difference_counts_deals_and_covers_the_truth():
    rng = np.random.default_rng(5)
    covered = 0
    for seed in range(60):
        gain = rng.normal(0.1, 1, 150)
        once = paired_bootstrap(np.arange(150), gain, 200, seed)
        covered += once["low"] < 0.1 < once["high"]
    assert covered >= 50
    assert once["high"] - once["low"] == pytest.approx(3.92 * gain.std() / 150**0.5, rel=0.2)
    again = paired_bootstrap(np.arange(150).repeat(4), gain.repeat(4), 200, seed)
    assert again["high"] - again["low"] == pytest.approx(once["high"] - once["low"])


def test_top_tenth_of_each_reps_list_by_day():
    rows = pd.DataFrame({"time": [1] * 25 + [2] * 5, "owner": ["ann"] * 20 + ["bob"] * 10})
    score = np.arange(30.0)
    chosen = np.flatnonzero(in_top(rows, score))
    assert chosen.tolist() == [18, 19, 24, 29]


def test_ties_fall_by_lot_and_not_by_the_order_of_the_rows():
    rows = pd.DataFrame({"time": np.zeros(1000), "owner": "ann"})
    chosen = np.flatnonzero(in_top(rows, np.ones(1000)))
    assert len(chosen) == 100
    assert 350 < chosen.mean() < 650


def test_a_better_order_finds_more_wins_and_more_money():
    test = made(deals=3000, true=lambda z: z, backwards=lambda z: -z)
    found = top_tenth(test, 30).set_index("name")
    assert found.loc["true", "precision"] > found.loc["true", "won_share"] + 0.2
    assert found.loc["backwards", "precision"] < found.loc["backwards", "won_share"] - 0.2
    assert found.loc["true", "revenue_captured"] > found.loc["backwards", "revenue_captured"]
    assert found["listed"].between(0.1, 0.11).all()


def test_without_any_amount_there_is_no_revenue_to_capture():
    test = made(true=lambda z: z)
    rows = test.rows.assign(amount=np.nan, won_amount=np.nan)
    found = top_tenth(replace(test, rows=rows), 30)
    assert found["revenue_captured"].isna().all()
    assert found["precision"].notna().all()
