"""Firms whose reps, sources and habits are planted, so that what is found can be checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
import pytest

from data.tables import Tables
from features.history import History
from features.vocabulary import Vocabulary, learn_vocabulary

END = pd.Timestamp("2024-07-01", tz="UTC")
Make = Callable[..., History]


def firm(
    rates: Mapping[str, float],
    sources: Mapping[str, float] | None = None,
    easy: str = "",
    deals: int = 900,
    hours: Mapping[str, float] | None = None,
    seed: int = 0,
) -> History:
    """Deals of two years, each won at the rate of its owner plus that of its source.

    Parameters
    ----------
    rates : win rate of each owner
    sources : what each source adds; `easy` names the owner who gets the best of them alone
    hours : hours from creation to the first touch, by owner
    """
    rng = np.random.default_rng(seed)
    sources = sources or {"web": 0.0}
    owner = rng.choice(list(rates), deals)
    source = rng.choice(list(sources), deals)
    if easy:
        best = max(sources, key=lambda name: sources[name])
        source = np.where(owner == easy, best, source)
    p = np.array([rates[o] + sources[s] for o, s in zip(owner, source, strict=True)])
    won = rng.random(deals) < p
    created = END - pd.to_timedelta(rng.uniform(60, 700, deals), unit="D")
    closed = created + pd.to_timedelta(rng.uniform(10, 50, deals), unit="D")
    ids = [f"D{n}" for n in range(deals)]
    amount = np.round(np.exp(rng.normal(9, 0.5, deals)))
    frame = pd.DataFrame(
        {
            "deal_id": ids, "stage": np.where(won, "closed_won", "closed_lost"),
            "created_at": created, "owner_id": owner, "source": source, "amount": amount,
            "closed_at": closed, "is_won": won,
        }
    )  # fmt: skip
    parts = [("stage", ["qualified"] * deals, created), ("stage", frame["stage"], closed)]
    parts += [("owner_id", owner, created), ("amount", amount.astype(str), created)]
    changes = [
        pd.DataFrame({"deal_id": ids, "property": name, "value": list(value), "changed_at": at})
        for name, value, at in parts
    ]
    waits = pd.Series(owner).map(hours or {}).fillna(48.0) * rng.uniform(0.8, 1.2, deals)
    activities = pd.DataFrame(
        {
            "activity_id": [f"A{n}" for n in range(deals)], "deal_id": ids, "type": "call",
            "direction": "outbound", "occurred_at": created + pd.to_timedelta(waits, unit="h"),
            "owner_id": owner,
        }
    )  # fmt: skip
    return History.of(
        Tables.of(
            {
                "deals": frame,
                "deal_history": pd.concat(changes, ignore_index=True),
                "activities": activities,
                "owners": pd.DataFrame({"owner_id": list(rates), "team": "all"}),
            }
        )
    )


@pytest.fixture
def make_firm() -> Make:
    """Make a firm with planted effects."""
    return firm


@pytest.fixture
def end() -> int:
    """The instant after everything, microseconds."""
    return int(END.as_unit("us").asm8.astype("int64"))


@pytest.fixture
def words_of_firm(end: int) -> Callable[[History], Vocabulary]:
    """Learn the vocabulary of a firm."""
    return lambda history: learn_vocabulary(history, end)
