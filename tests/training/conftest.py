"""One demo firm lived and trained on once, and histories built to order."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from data.demo import World, simulate
from data.tables import Tables
from features.history import History
from features.pipeline import compute_features
from features.vocabulary import learn_vocabulary
from training.backtest import Entry, run_backtest
from training.backtest_findings import find
from training.baselines import CrmPercentages, DirectLogistic, StageAgeTable
from training.close import fit_close, make_panel
from training.origins import EVER, Past, monthly_origins
from training.tiers import learner_of
from training.train import (
    bounded_panel,
    categorical_names,
    informative,
    longest_horizon,
    model_features,
    train,
)

CUT = pd.Timestamp("2024-04-01", tz="UTC")


def micros(at):
    return int(pd.Timestamp(at).as_unit("us").asm8.astype("int64"))


def built(deals):
    """A history from rows with created, closed (NaT where open), won, amount, amount_at_close.

    Other columns are columns of `deals`; a missing amount is never entered.
    """
    deals = pd.DataFrame(deals)
    deals = deals.assign(deal_id=[f"D{n}" for n in range(len(deals))])
    closed = deals["closed"].notna()
    end = deals["won"].map({True: "closed_won", False: "closed_lost"})
    amount = deals.get("amount", pd.Series(np.nan, deals.index))
    final = deals.get("amount_at_close", amount)
    facts = [
        ("stage", pd.Series("qualified", deals.index), deals["created"], True),
        ("amount", amount.map(repr), deals["created"], amount.notna()),
        ("amount", final.map(repr), deals["closed"], closed & final.notna()),
        ("stage", end, deals["closed"], closed),
    ]
    history = [
        pd.DataFrame({"deal_id": deals["deal_id"], "value": value, "changed_at": at})[
            np.broadcast_to(where, len(deals))
        ].assign(property=name)
        for name, value, at, where in facts
    ]
    known = {"created", "closed", "won", "amount", "amount_at_close"}
    exported = deals.drop(columns=known & set(deals)).assign(
        stage=end.where(closed, "qualified"),
        created_at=deals["created"],
        closed_at=deals["closed"],
        amount=final,
        is_won=deals["won"].where(closed),
    )
    return History.of(Tables.of({"deals": exported, "deal_history": pd.concat(history)}))


@pytest.fixture(scope="session")
def make_history():
    return built


@pytest.fixture(scope="session")
def cut():
    """The instant (microseconds) as of which the demo firm is asked."""
    return micros(CUT)


@pytest.fixture(scope="session")
def firm():
    """Two years of some 700 deals; the last three months come after the cut."""
    end = pd.Timestamp("2024-07-01", tz="UTC")
    return simulate(World.demo(seed=7), deals=700, years=2, end=end, seed=7)


@pytest.fixture(scope="session")
def history(firm):
    return History.of(Tables.of(firm.tables))


@pytest.fixture(scope="session")
def steps():
    """What the training of the demo firm told of its progress."""
    return []


@pytest.fixture(scope="session")
def trained(history, cut, steps):
    return train(history, cut, steps.append)


@pytest.fixture(scope="session")
def panel(history, cut):
    """The panel that training at the cut learns from."""
    chosen, vocabulary = bounded_panel(history, cut), learn_vocabulary(history, cut)
    names = model_features(history, vocabulary, {}, chosen)
    features = informative(compute_features(history, vocabulary, chosen, names))
    return make_panel(history, chosen, features, cut)


@pytest.fixture(scope="session")
def categorical(history, cut, panel):
    return categorical_names(history, learn_vocabulary(history, cut), panel.features.columns)


@pytest.fixture(scope="session")
def bundles(trained, panel, categorical):
    """A bundle of each tier, whether or not it would be served."""
    fits = {
        tier: fit_close(panel, learner_of(tier, categorical), longest_horizon(panel))
        for tier in ("table", "logistic", "blend", "full")
    }
    slope, offset = (0.9, 1.1), (0.1, -0.05)
    return {
        tier: replace(
            trained.bundle,
            tier=tier,
            features=tuple(map(str, panel.features.columns)),
            close=fit if tier == "table" else replace(fit, slope=slope, offset=offset),
            version="1",
        )
        for tier, fit in fits.items()
    }


@pytest.fixture(scope="session")
def past(history, cut):
    """The demo firm laid out for rolling origins."""
    return Past.of(history, cut)


@pytest.fixture(scope="session")
def replayed(past):
    """Three origins asked of what is quick: percentages, the table, and a logistic at 30 days."""
    entries = [
        Entry(StageAgeTable()),
        Entry(CrmPercentages()),
        Entry(DirectLogistic(), every=2, horizons=(30,)),
    ]
    return run_backtest(past, monthly_origins(past, 3), entries, (30, 90, EVER))


@pytest.fixture(scope="session")
def findings(replayed):
    """What was found of the table, as though it were served."""
    return find(replayed, StageAgeTable.name, dict.fromkeys(replayed.origins, "table"))
