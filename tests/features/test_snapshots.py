"""Snapshots: who is open when, and the weekly panel."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from data.tables import Tables
from features.history import History
from features.snapshots import WEEK, deal_hash, open_deals, panel
from features.windows import DAY

Instant = Callable[[str], int]


def open_at(history: History, at: int) -> set[str]:
    return {history.deal_ids[deal] for deal in open_deals(history, at).deal}


def test_five_deals_are_open_when_they_should_be(five_deals: Tables, instant: Instant) -> None:
    history = History.of(five_deals)
    assert open_at(history, instant("2024-01-08")) == set()
    assert open_at(history, instant("2024-01-09")) == {"W"}
    assert open_at(history, instant("2024-02-05")) == {"W", "L", "O", "R", "S"}
    assert open_at(history, instant("2024-02-15")) == {"W", "L", "O", "S"}
    assert open_at(history, instant("2024-04-03")) == {"O", "R", "S"}


def test_deal_closed_at_the_instant_is_still_open(five_deals: Tables, instant: Instant) -> None:
    history = History.of(five_deals)
    assert "W" in open_at(history, instant("2024-03-15"))
    assert "W" not in open_at(history, instant("2024-03-15") + 1)


def test_panel_is_every_open_deal_on_every_week(demo_tables: Tables, instant: Instant) -> None:
    history, cut = History.of(demo_tables), instant("2025-05-05T09:00:00")
    found = panel(history, cut)
    weeks = [cut - back * WEEK for back in range(100)]
    expected = {(int(deal), at) for at in weeks for deal in open_deals(history, at).deal}
    got = list(zip(found.deal.tolist(), found.time.tolist(), strict=True))
    assert len(got) == len(set(got))
    assert set(got) == expected
    assert got == sorted(got)


def test_sparse_panel_keeps_each_deal_at_a_phase_of_its_own(
    demo_tables: Tables, instant: Instant
) -> None:
    history, cut = History.of(demo_tables), instant("2025-05-05")
    whole, sparse = panel(history, cut), panel(history, cut, every=4)
    assert set(zip(sparse.deal, sparse.time, strict=True)) <= set(
        zip(whole.deal, whole.time, strict=True)
    )
    assert 0.2 < len(sparse) / len(whole) < 0.3
    for deal in np.unique(sparse.deal):
        assert (np.diff(sparse.time[sparse.deal == deal]) % (4 * WEEK) == 0).all()
    assert len(np.unique(sparse.time)) > 0.9 * len(np.unique(whole.time))


def test_panel_of_a_share_keeps_whole_deals(demo_tables: Tables, instant: Instant) -> None:
    history, cut = History.of(demo_tables), instant("2025-05-05")
    whole, some = panel(history, cut), panel(history, cut, share=0.5)
    kept = np.isin(whole.deal, some.deal)
    assert len(some) == kept.sum()
    assert 0.3 < len(np.unique(some.deal)) / len(np.unique(whole.deal)) < 0.7


def test_hash_of_a_deal_is_of_its_identifier_alone(five_deals: Tables) -> None:
    whole = History.of(five_deals)
    alone = History.of(five_deals.select(["R"]))
    assert deal_hash(alone)[0] == deal_hash(whole)[whole.position_of["R"]]


def test_panel_before_the_first_deal_is_empty(five_deals: Tables, instant: Instant) -> None:
    assert len(panel(History.of(five_deals), instant("2023-01-01"))) == 0
    assert len(panel(History.of(Tables.empty()), 400 * DAY)) == 0
