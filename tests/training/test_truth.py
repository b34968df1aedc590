"""Against a firm whose true chances are known: are the served probabilities good, and honest?"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from data.demo import World, simulate, true_incidence
from data.tables import Tables
from features.history import History
from training.metrics import log_loss
from training.scoring import score
from training.train import train

pytestmark = pytest.mark.slow
AS_OF = pd.Timestamp("2024-04-01", tz="UTC")
HORIZONS = (30, 90)


@pytest.fixture(scope="module")
def judged():
    """Bundle, and for each open deal and horizon: served, the table's and the true chance."""
    end = pd.Timestamp("2024-07-01", tz="UTC")
    firm = simulate(World.demo(seed=7), deals=2500, years=3, end=end, seed=7)
    history = History.of(Tables.of(firm.tables))
    cut = int(AS_OF.as_unit("us").asm8.astype("int64"))
    bundle = train(history, cut).bundle
    scored = score(bundle, history, cut)
    truth = true_incidence(firm, AS_OF, HORIZONS, draws=200).set_index("deal_id")
    shared = scored.frame["deal_id"].isin(truth.index).to_numpy()
    table = bundle.table.incidence(scored.features).won_by(HORIZONS)
    truth = truth.loc[scored.frame["deal_id"][shared]]
    return bundle, {
        h: (
            scored.frame[f"p_won_{h}"].to_numpy()[shared],
            table[shared, k],
            truth[f"p_won_{h}"].to_numpy(),
        )
        for k, h in enumerate(HORIZONS)
    }


def test_model_is_served_and_the_reason_says_by_how_much_it_wins(judged):
    bundle, _ = judged
    assert bundle.tier == "full"
    assert "beats the stage x age table by +" in bundle.card["reason"]


@pytest.mark.parametrize("horizon", HORIZONS)
def test_served_chances_are_nearer_to_the_truth_than_the_tables(judged, horizon):
    served, table, true = judged[1][horizon]
    assert len(true) > 80
    assert log_loss(true, served).mean() < log_loss(true, table).mean()
    assert np.corrcoef(served, true)[0, 1] > np.corrcoef(table, true)[0, 1]


@pytest.mark.parametrize("horizon", HORIZONS)
def test_served_chances_are_neither_too_high_nor_too_low_on_the_whole(judged, horizon):
    served, _, true = judged[1][horizon]
    assert served.mean() == pytest.approx(true.mean(), rel=0.25)


@pytest.mark.parametrize("horizon", HORIZONS)
def test_high_chances_are_high_and_low_ones_low(judged, horizon):
    served, _, true = judged[1][horizon]
    best = served >= np.quantile(served, 0.75)
    worst = served <= np.quantile(served, 0.25)
    assert served[best].mean() == pytest.approx(true[best].mean(), rel=0.35)
    assert true[best].mean() > 2 * true[worst].mean()


def test_observed_over_expected_out_of_time_is_about_one(judged):
    for figures in judged[0].card["validation"]["figures"].values():
        assert 0.75 < figures["observed_expected"] < 1.35
