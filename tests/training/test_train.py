from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from data.tables import Tables
from features.catalogue import CATALOGUE
from features.history import History
from features.trust import filled_later
from features.vocabulary import learn_vocabulary
from features.windows import DAY
from training.averaging import USUAL_WEIGHT, averaged
from training.gate import choose
from training.learners import Blend
from training.logistic import Logistic
from training.metrics import Difference
from training.table import Table
from training.tiers import learner_of, tier_for
from training.train import (
    STEPS,
    TrainingError,
    bounded_panel,
    informative,
    longest_horizon,
    model_features,
    train,
)
from training.validation import LONG, Verdict

CUT = pd.Timestamp("2024-06-01", tz="UTC")
MICROS = int(CUT.as_unit("us").asm8.astype("int64"))


def verdict(mean, error=0.001):
    return Verdict(Difference(mean, error, 400), {}, (1.0, 1.0), (0.0, 0.0))


def by_chance(count, seed=0, **columns):
    """Deals that close on any day with the same chance and are won by a toss: nothing to learn."""
    rng = np.random.default_rng(seed)
    created = CUT - pd.to_timedelta(rng.uniform(20, 560, count), unit="D").round("s")
    closed = created + pd.to_timedelta(rng.exponential(60, count) + 1, unit="D").round("s")
    deals = pd.DataFrame({"created": created, "closed": closed, "won": rng.random(count) < 0.5})
    deals["closed"] = deals["closed"].where(closed < CUT)
    deals["source"] = rng.choice(["a", "b", "c"], count)
    deals["amount"] = np.exp(rng.normal(8, 1, count))
    return deals.assign(**columns)


@pytest.mark.parametrize(
    ("closed", "tier"),
    [
        (0, "table"),
        (49, "table"),
        (50, "logistic"),
        (299, "logistic"),
        (300, "blend"),
        (999, "blend"),
        (1000, "full"),
        (10**6, "full"),
    ],
)
def test_number_of_closed_deals_decides_how_rich_a_model_may_be(closed, tier):
    assert tier_for(closed) == tier


def test_every_tier_has_its_learner():
    kinds = {"table": Table, "logistic": Logistic, "blend": Blend, "full": Blend}
    assert {tier: type(learner_of(tier, ())) for tier in kinds} == kinds
    assert learner_of("blend", ()) != learner_of("full", ())


def test_few_closed_deals_get_the_table_and_the_reason_says_how_few():
    choice = choose("table", 49, None)
    assert choice.tier == "table"
    assert choice.reason.startswith("only 49 closed deals")


def test_history_too_short_to_test_on_gets_the_table_and_the_reason_says_so():
    choice = choose("blend", 500, None)
    assert choice.tier == "table"
    assert "too short" in choice.reason


@pytest.mark.parametrize(
    ("tier", "mean", "error"),
    [
        ("logistic", 0.0009, 0.001),
        ("logistic", 0.004, 0.005),
        ("blend", -0.0001, 0.02),
        ("full", -0.001, 0.001),
        ("full", 0.0006, 0.0007),
        ("full", -0.5, 0.01),
    ],
)
def test_model_that_does_not_earn_its_place_gives_way_to_the_table_with_the_figure(
    tier, mean, error
):
    choice = choose(tier, 2000, verdict(mean, error))
    assert choice.tier == "table"
    assert f"{mean:+.4f}" in choice.reason
    assert "no signal" in choice.reason


@pytest.mark.parametrize(
    ("tier", "mean", "error"),
    [("blend", 0.001, 0.02), ("full", 0.004, 0.005), ("full", -0.002, 0.006)],
)
def test_model_within_the_noise_is_served_where_deals_are_many_and_the_reason_says_so(
    tier, mean, error
):
    choice = choose(tier, 2000, verdict(mean, error))
    assert choice.tier == tier
    assert "within the noise" in choice.reason
    assert f"{mean:+.4f} +- {error:.4f}" in choice.reason


@pytest.mark.parametrize("tier", ["logistic", "blend", "full"])
def test_gain_above_one_standard_error_is_served_with_the_figure(tier):
    choice = choose(tier, 2000, verdict(0.002))
    assert choice.tier == tier
    assert "2,000 closed deals" in choice.reason
    assert "beats the stage x age table by +0.0020 +- 0.0010" in choice.reason


def test_training_before_anything_is_known_says_when_the_first_deal_was(history):
    early = int(pd.Timestamp("2010-01-01", tz="UTC").as_unit("us").asm8.astype("int64"))
    with pytest.raises(TrainingError, match=r"known before 2010-01-01.*on 20\d\d.*later --as-of"):
        train(history, early)


def test_training_on_an_empty_store_says_to_import():
    with pytest.raises(TrainingError, match="dealcast import"):
        train(History.of(Tables.empty()), MICROS)


def test_five_deals_are_served_by_the_table(five_deals):
    steps = []
    trained = train(History.of(five_deals), MICROS, steps.append)
    assert trained.bundle.tier == "table"
    assert trained.bundle.card["reason"].startswith("only 3 closed deals")
    assert trained.verdict is None
    assert 0 < len(steps) <= STEPS


def test_one_deal_that_was_closed_within_the_day_can_be_trained_on(make_history):
    at = pd.Timestamp("2024-03-05T10:00", tz="UTC")
    deal = {"created": [at], "closed": [at + pd.Timedelta("5h")], "won": [True], "amount": [5.0]}
    bundle = train(make_history(deal), MICROS).bundle
    assert (bundle.tier, bundle.card["snapshots"], bundle.card["won_deals"]) == ("table", 0, 1)


def test_card_counts_what_the_history_holds(trained, history, cut):
    card, known = trained.bundle.card, history.closings.time < cut
    closed = np.unique(history.closings.group[known])
    assert card["closed_deals"] == len(closed)
    assert card["deals"] == (history.known_from < cut).sum()
    assert card["won_deals"] + card["lost_deals"] + card["open_deals"] == card["deals"]
    assert card["won_deals"] + card["lost_deals"] < known.sum(), "reopened deals closed twice"
    assert card["snapshots"] == len(bounded_panel(history, cut))
    assert card["features"] == len(trained.bundle.features)
    assert trained.bundle.cut == cut


def test_trees_count_as_much_as_the_past_says_they_should(trained):
    close, verdict = trained.bundle.close, trained.verdict
    assert verdict.weight not in {None, USUAL_WEIGHT}
    assert {model.weights for model in [*close.won, *close.lost]} == {
        (verdict.weight, 1 - verdict.weight)
    }
    found = trained.out_of_time
    for horizon, said in found.model.items():
        np.testing.assert_allclose(said, averaged(found.parts[horizon], verdict.weight))


def test_training_names_its_steps_and_no_more_than_it_promised(trained, steps):
    assert trained.bundle
    assert 3 < len(steps) == len(set(steps)) <= STEPS


def test_columns_that_never_vary_are_left_out():
    frame = pd.DataFrame(
        {"age_days": [1.0, 2.0], "same": [1.0, 1.0], "gap": [np.nan, 1.0], "none": [np.nan] * 2}
    )
    assert list(informative(frame)) == ["age_days", "gap"]
    assert list(informative(frame.iloc[:1])) == ["age_days"]


@pytest.mark.parametrize(
    ("years", "met"),
    [(0.9, set()), (1.2, {"quarter_rush_30d_days"}), (5.1, {"quarter_rush_30d_days", "month"})],
)
def test_calendar_that_has_been_met_too_seldom_is_not_read(history, cut, panel, years, met):
    rows = panel.snapshots.take(np.arange(2))
    rows = replace(rows, time=np.array([cut - int(years * 365) * DAY, cut]))
    names = model_features(history, learn_vocabulary(history, cut), {}, rows)
    assert set(names) & {"quarter_rush_30d_days", "month"} == met
    assert {"quarter_end_days", "month_end_days"} <= set(names)


def test_longest_horizon_is_that_of_the_history_and_two_years_at_most(panel):
    assert 84 <= longest_horizon(panel) <= 730
    short = replace(panel, snapshots=panel.snapshots.take(panel.snapshots.time > panel.cut - 1))
    assert longest_horizon(short) == 84


@pytest.mark.slow
@pytest.mark.parametrize(("count", "seed"), [(600, 0), (2000, 1), (2000, 2)])
def test_history_without_signal_is_served_by_the_table_and_says_so(make_history, count, seed):
    bundle = train(make_history(by_chance(count, seed)), MICROS).bundle
    assert bundle.tier == "table"
    assert "no signal" in bundle.card["reason"]
    for figures in bundle.card["validation"]["figures"].values():
        assert 0.8 < figures["observed_expected"] < 1.25


@pytest.mark.slow
def test_shuffled_outcomes_of_the_demo_firm_hold_no_signal(firm, cut):
    tables = Tables.of(firm.tables)
    rows = tables.deal_history
    closing = rows["value"].isin(["closed_won", "closed_lost"])
    values = rows["value"].to_numpy(object).copy()
    values[closing] = np.random.default_rng(1).permutation(values[closing])
    rows = rows.assign(value=pd.Series(values, rows.index, dtype="str"))
    deals = tables.deals.assign(stage="qualification", is_won=pd.NA, closed_at=pd.NaT)
    frames = {**dict(tables.items()), "deal_history": rows, "deals": deals}
    verdict = train(History.of(Tables.of(frames)), cut).verdict
    # Which deals close soon can still be told; whether they are won cannot.
    assert abs(verdict.figures[LONG]["auc_won_lost"] - 0.5) < 0.12


def test_column_filled_in_when_deals_close_is_distrusted_and_an_honest_one_is_not(make_history):
    deals = by_chance(800)
    honest = np.where(np.arange(800) % 3 == 0, None, deals["source"])
    told = np.where(deals["closed"].isna(), None, "new")
    found = filled_later(make_history(deals.assign(source=honest, deal_type=told)), MICROS)
    assert list(found) == ["deals.deal_type"]
    assert "100% of open and 0% of closed" in found["deals.deal_type"]


def test_no_model_reads_a_column_filled_in_when_deals_close(make_history):
    deals = by_chance(60)
    told = np.where(deals["closed"].isna(), None, np.where(np.arange(60) % 2, "new", "old"))
    history = make_history(pd.concat([deals.assign(deal_type=told)] * 4, ignore_index=True))
    bundle = train(history, MICROS).bundle
    assert "deals.deal_type" in bundle.card["distrusted"]
    readers = {
        name for name, each in CATALOGUE.items() if "deals.deal_type" in {*each.needs, *each.reads}
    }
    assert readers
    assert not readers & set(bundle.features)
    assert [name for name in bundle.features if name.startswith("source_")]


def test_history_of_two_months_is_served_the_table(make_history):
    rng = np.random.default_rng(0)
    created = pd.Timestamp("2024-01-01", tz="UTC") + pd.to_timedelta(
        rng.uniform(0, 60, 1500), unit="D"
    )
    rows = {
        "created": created,
        "closed": created + pd.to_timedelta(rng.uniform(1, 25, 1500), unit="D"),
        "won": rng.random(1500) < 0.4,
    }
    cut = int(pd.Timestamp("2024-03-01", tz="UTC").as_unit("us").asm8.astype("int64"))
    found = train(make_history(rows), cut)
    assert found.bundle.tier == "table"
    assert "too short to test" in found.bundle.card["reason"]


def test_no_more_rows_are_left_out_than_must_be(make_history, monkeypatch):
    history = make_history(by_chance(400))
    weekly = bounded_panel(history, MICROS)
    monkeypatch.setattr("training.train.MANY_ROWS", len(weekly) - 1)
    fortnightly = bounded_panel(history, MICROS)
    assert len(fortnightly) == pytest.approx(len(weekly) / 2, rel=0.1)
    for limit in ("MANY_ROWS", "MOST_ROWS"):
        monkeypatch.setattr(f"training.train.{limit}", len(weekly) // 8)
    some = bounded_panel(history, MICROS)
    assert len(some) == pytest.approx(len(weekly) / 8, rel=0.3)
    assert len(np.unique(some.deal)) < len(np.unique(fortnightly.deal))


def test_the_more_deals_the_more_freely_features_are_shrunk_apart():
    beliefs = [learner_of("full", (), closed).learners[1].belief for closed in (500, 1_000, 5_000)]
    assert beliefs == pytest.approx([1, 1, 0.2])


def test_with_many_deals_lines_bend_more_often():
    few, many = (learner_of("full", (), closed).learners[1] for closed in (2_000, 20_000))
    assert len(many.quantiles) > len(few.quantiles)
