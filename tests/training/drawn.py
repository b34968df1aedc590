"""Data drawn for several test modules."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from data.tables import Tables
from features.history import History


def won_in_a_week(rates, cut, seed=0):
    """Deals that all are won a week after they come, before `cut`.

    `rates` are of days, the last of them the day before the cut.
    """
    rng = np.random.default_rng(seed)
    back = np.arange(len(rates), 0, -1)
    created = cut - pd.to_timedelta(np.repeat(back, rng.poisson(rates)) - 0.4, unit="D")
    deals = pd.DataFrame({"created": created.round("s")})
    deals["closed"] = deals["created"] + pd.Timedelta("7D")
    return deals.assign(won=True).query("closed < @cut")


def staged(stages, numbers, count=4000):
    """Features by chance: numbers, a stage, and an age."""
    rng = np.random.default_rng(5)
    frame = pd.DataFrame(rng.normal(0, 1, (count, numbers))).add_prefix("number_")
    return frame.assign(
        stage_code=rng.integers(0, stages, count).astype(float), age_days=1.0 * rng.random(count)
    )


def some_closings(history, share):
    """Facts of a history, which of them are one of a share of its closings, and a wait in days."""
    rng, facts = np.random.default_rng(0), history.tables.deal_history
    closing = facts["value"].isin(["closed_won", "closed_lost"])
    return facts, closing & (rng.random(len(facts)) < share), rng.random(len(facts))


def entered_late(history, share, days):
    """The same firm, where a share of the closings is entered up to so many days late."""
    facts, late, wait = some_closings(history, share)
    known = facts["changed_at"] + pd.to_timedelta(days * wait * late, unit="D").dt.floor("s")
    return History.of(replace(history.tables, deal_history=facts.assign(recorded_at=known)))


def dated_back(history, share, days):
    """The same firm: a share of the closings bears a date up to so many days too early.

    A call a minute before the closing tells it.
    """
    facts, some, wait = some_closings(history, share)
    at = facts["changed_at"]
    began = facts["deal_id"].map(facts.groupby("deal_id")["changed_at"].min())
    stated = (at - pd.to_timedelta(days * wait * some, unit="D").dt.floor("s")).clip(
        lower=began + pd.Timedelta("1s")
    )
    calls = pd.DataFrame(
        {
            "activity_id": facts.index[some].astype(str),
            "deal_id": facts["deal_id"][some],
            "type": "call",
            "occurred_at": at[some] - pd.Timedelta("1min"),
        }
    )
    facts = facts.assign(changed_at=stated.where(some, at), recorded_at=at)
    tables = {"deals": history.tables.deals, "deal_history": facts, "activities": calls}
    return History.of(Tables.of(tables))
