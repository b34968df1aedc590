from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from data.tables import Tables
from features.history import History
from features.pipeline import compute_features
from features.snapshots import open_deals
from features.snapshots import panel as weekly
from features.vocabulary import learn_vocabulary
from training.amount import (
    KEPT_ERRORS,
    AmountModel,
    LogModel,
    closing_amounts,
    fit_amount,
    without_size,
)
from training.close import make_panel

CUT = pd.Timestamp("2024-06-01", tz="UTC")
MICROS = int(CUT.as_unit("us").asm8.astype("int64"))


def sold(count, ratio=0.8, spread=0.1, seed=0, entered=1.0, **columns):
    """Deals all won, at `ratio` times the amount known before, which a share of them has."""
    rng = np.random.default_rng(seed)
    created = CUT - pd.to_timedelta(rng.uniform(80, 600, count), unit="D").round("s")
    amount = np.exp(rng.normal(9, 1, count)).round(2)
    deals = pd.DataFrame(
        {
            "created": created,
            "closed": created + pd.to_timedelta(rng.uniform(20, 60, count), unit="D").round("s"),
            "won": True,
            "amount": np.where(rng.random(count) < entered, amount, np.nan),
            "amount_at_close": amount * ratio * np.exp(rng.normal(0, spread, count)),
        }
    )
    return deals.assign(**columns)


def fitted(history):
    chosen = weekly(history, MICROS)
    age = (chosen.time - history.created[chosen.deal]) / 8.64e10
    features = pd.DataFrame({"age_days": age, "noise": np.sin(np.arange(len(chosen)))})
    return fit_amount(history, make_panel(history, chosen, features, MICROS)), features


@pytest.mark.parametrize("count", [150, 900])
@pytest.mark.parametrize("ratio", [0.8, 1.3])
def test_ratio_of_the_amount_at_close_to_the_one_known_is_recovered(make_history, count, ratio):
    model, features = fitted(make_history(sold(count, ratio)))
    assert model.wins == count
    known = np.full(100, 1000.0)
    found = model.expected(features.iloc[:100], known)
    # Few wins are shrunk to a ratio of 1 by twenty deals' worth.
    slack = abs(ratio - 1) * 20 / (count + 20) + 0.02
    assert found.mean() == pytest.approx(1000 * ratio, abs=1000 * slack)


def test_few_wins_hardly_move_the_ratio_from_one(make_history):
    model, features = fitted(make_history(sold(2, ratio=0.3)))
    assert 800 < model.expected(features.iloc[:1], np.array([1000.0]))[0] <= 1000


def test_mean_and_not_the_median_is_expected(make_history):
    model, features = fitted(make_history(sold(300, ratio=1.0, spread=0.6)))
    known = np.full(len(features), 1000.0)
    assert model.expected(features, known).mean() == pytest.approx(
        1000 * np.exp(0.6**2 / 2), rel=0.08
    )


def test_deal_without_an_amount_gets_that_of_such_deals(make_history):
    deals = sold(400, ratio=1.0, entered=0.5)
    model, features = fitted(make_history(deals))
    found = model.expected(features.iloc[:3], np.array([np.nan, 0.0, -5.0]))
    assert found == pytest.approx(np.full(3, deals["amount_at_close"].mean()), rel=0.35)


def test_history_without_amounts_cannot_answer(make_history):
    deals = sold(60).drop(columns=["amount", "amount_at_close"])
    model, features = fitted(make_history(deals))
    assert model.wins == 0
    assert np.isnan(model.expected(features.iloc[:4], np.array([1.0, np.nan, 5.0, 0.0]))).all()


def test_amounts_of_lost_deals_teach_nothing(make_history):
    model, _ = fitted(make_history(sold(80).assign(won=False)))
    assert model.wins == 0


def test_typing_errors_do_not_carry_the_ratio_away(make_history):
    deals = sold(300, ratio=1.0, spread=0.05)
    deals.loc[:2, "amount_at_close"] *= 1e9
    model, features = fitted(make_history(deals))
    assert model.expected(features, np.full(len(features), 1000.0)).mean() < 1500


def test_closing_amount_is_the_one_known_with_the_closing(make_history):
    deals = sold(5)
    history = make_history(deals)
    amounts = closing_amounts(history)
    order = history.closings.group
    assert amounts == pytest.approx(deals["amount_at_close"].to_numpy()[order])


def test_errors_kept_are_centred_and_not_too_many(make_history):
    model, _ = fitted(make_history(sold(900, spread=0.3)))
    assert len(model.ratio.errors) <= KEPT_ERRORS
    assert model.ratio.errors.mean() == pytest.approx(0, abs=1e-9)
    assert model.ratio.errors.std() == pytest.approx(0.3, rel=0.25)


def test_model_written_as_json_and_read_back_gives_the_same_answers(make_history):
    model, features = fitted(make_history(sold(900)))
    again = AmountModel.from_json(json.loads(json.dumps(model.to_json())))
    known = np.linspace(0, 5000, len(features))
    assert again.expected(features, known).tolist() == model.expected(features, known).tolist()


def test_deal_alone_is_expected_to_bring_what_it_brings_in_company(make_history):
    model, features = fitted(make_history(sold(900)))
    known = np.linspace(1, 5000, len(features))
    assert model.expected(features.iloc[[9]], known[[9]])[0] == model.expected(features, known)[9]


def test_no_errors_smear_nothing():
    assert LogModel(0.5, np.zeros(0)).smearing == 1.0


def test_deal_without_an_amount_is_not_judged_by_features_of_amounts(make_history):
    deals = sold(900, ratio=1.0, entered=0.7)
    history = make_history(deals)
    chosen = weekly(history, MICROS)
    known = history.changes["amount"].last("value", chosen.deal, chosen.time)
    features = pd.DataFrame({"log_amount": np.log(known), "age_days": 1.0})
    model = fit_amount(history, make_panel(history, chosen, features, MICROS))
    missing = np.isnan(known)
    found = model.expected(features[missing], known[missing])
    # A model that leaned on the amount of the others would be sure of itself, and low.
    assert found.mean() == pytest.approx(deals["amount_at_close"].mean(), rel=0.12)
    assert model.level.errors.std() == pytest.approx(1, rel=0.15)


def test_nothing_that_is_made_of_an_amount_tells_of_a_deal_without_one(firm, history, cut):
    chosen, vocabulary = open_deals(history, cut), learn_vocabulary(history, cut)
    names = history.tables.deals["deal_id"].to_numpy()[chosen.deal]
    rows = firm.tables["deal_history"]
    amounts = (rows["property"] == "amount") & rows["deal_id"].isin(names[::5])
    assert amounts.any()
    taken = History.of(Tables.of(firm.tables | {"deal_history": rows[~amounts]}))
    told, untold = (
        without_size(compute_features(each, vocabulary, chosen)).iloc[::5]
        for each in (history, taken)
    )
    pd.testing.assert_frame_equal(told, untold)
