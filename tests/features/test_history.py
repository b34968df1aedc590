"""The indexed history: which facts hold, and from when."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from data.settings import Settings
from data.tables import Tables
from features.history import LOST, OPEN, WON, History
from features.snapshots import open_deals

DEALS = """
deal_id stage     created_at
D       qualified 2024-01-01
"""
STAGES = """
pipeline stage       position outcome
default  qualified   1        open
default  proposal    2        open
default  negotiation 3        open
default  closed_won  4        won
default  closed_lost 5        lost
"""
Instant = Callable[[str], int]
Build = Callable[..., Tables]


def stage_at(history: History, at: int) -> str | None:
    code = history.stages.last("stage", np.array([0]), np.array([at]))[0]
    return None if np.isnan(code) else history.stage_names[int(code)]


def closings(history: History) -> list[tuple[int, int]]:
    found = history.closings
    return list(
        zip(found.time.tolist(), found.values["outcome"].astype(int).tolist(), strict=True)
    )


def test_late_entry_about_a_time_before_a_known_change_no_longer_holds(
    build: Build, instant: Instant
) -> None:
    changes = """
    deal_id property value     changed_at recorded_at
    D       stage    qualified 2024-01-01 -
    D       stage    negotiation 2024-02-01 -
    D       stage    proposal  2024-01-20 2024-02-10
    """
    history = History.of(build(deals=DEALS, deal_history=changes, stages=STAGES))
    assert stage_at(history, instant("2024-02-02")) == "negotiation"
    assert stage_at(history, instant("2024-03-01")) == "negotiation"


def test_late_entry_about_the_latest_change_holds_once_known(
    build: Build, instant: Instant
) -> None:
    changes = """
    deal_id property value     changed_at recorded_at
    D       stage    qualified 2024-01-01 -
    D       stage    proposal  2024-01-20 2024-02-10
    """
    history = History.of(build(deals=DEALS, deal_history=changes))
    assert stage_at(history, instant("2024-02-10")) == "qualified"
    assert stage_at(history, instant("2024-02-11")) == "proposal"


def test_backdated_closing_counts_from_when_it_was_entered(build: Build, instant: Instant) -> None:
    changes = """
    deal_id property value      changed_at recorded_at
    D       stage    qualified  2024-01-01 -
    D       stage    proposal   2024-02-15 -
    D       stage    closed_won 2024-02-01 2024-03-01
    """
    history = History.of(build(deals=DEALS, deal_history=changes))
    assert stage_at(history, instant("2024-02-20")) == "proposal"
    assert closings(history) == [(instant("2024-03-01"), WON)]
    assert history.closings.values["happened"].tolist() == [instant("2024-02-01")]


def test_closing_told_by_deals_only_is_known_at_closed_at(build: Build, instant: Instant) -> None:
    deals = """
    deal_id stage       created_at closed_at  is_won
    D       closed_lost 2024-01-01 2024-04-01 false
    """
    history = History.of(build(deals=deals))
    assert closings(history) == [(instant("2024-04-01"), LOST)]


def test_closing_told_by_deals_before_the_last_open_stage_is_known_after_it(
    build: Build, instant: Instant
) -> None:
    deals = """
    deal_id stage      created_at closed_at  is_won
    D       closed_won 2024-01-01 2024-04-01 true
    """
    changes = """
    deal_id property value    changed_at
    D       stage    proposal 2024-04-01T10:00:00
    """
    history = History.of(build(deals=deals, deal_history=changes))
    assert closings(history) == [(instant("2024-04-01T10:00:00") + 1, WON)]
    assert len(open_deals(history, instant("2024-06-01"))) == 0


def test_closing_in_the_history_is_not_told_twice(build: Build, instant: Instant) -> None:
    deals = """
    deal_id stage      created_at closed_at  is_won
    D       closed_won 2024-01-01 2024-04-01 true
    """
    changes = """
    deal_id property value      changed_at recorded_at
    D       stage    closed_won 2024-04-01 2024-04-09
    """
    history = History.of(build(deals=deals, deal_history=changes))
    assert closings(history) == [(instant("2024-04-09"), WON)]


REOPENED = """
deal_id property value       changed_at
D       stage    qualified   2024-01-01
D       stage    closed_lost 2024-02-01
D       stage    proposal    2024-03-01
"""


def test_reopened_deal_is_open_again_from_then_on(build: Build, instant: Instant) -> None:
    history = History.of(build(deals=DEALS, deal_history=REOPENED))
    days = ["2024-01-15", "2024-02-15", "2024-03-15"]
    assert [len(open_deals(history, instant(day))) for day in days] == [1, 0, 1]


def test_reopened_deal_with_the_old_closed_at_stays_open(build: Build, instant: Instant) -> None:
    deals = """
    deal_id stage    created_at closed_at  is_won
    D       proposal 2024-01-01 2024-02-01 false
    """
    history = History.of(build(deals=deals, deal_history=REOPENED, stages=STAGES))
    assert len(open_deals(history, instant("2024-06-01"))) == 1


def test_stage_in_which_some_deals_are_open_ends_no_deal(build: Build, instant: Instant) -> None:
    deals = """
    deal_id stage    created_at closed_at  is_won
    D       proposal 2024-01-01 2024-02-01 false
    E       proposal 2024-01-01 -          -
    """
    changes = """
    deal_id property value    changed_at
    E       stage    proposal 2024-01-15
    """
    history = History.of(build(deals=deals, deal_history=changes))
    assert open_deals(history, instant("2024-06-01")).deal.tolist() == [1]


def test_reopened_deal_told_closed_later_is_closed(build: Build, instant: Instant) -> None:
    deals = """
    deal_id stage      created_at closed_at  is_won
    D       closed_won 2024-01-01 2024-05-01 true
    """
    history = History.of(build(deals=deals, deal_history=REOPENED))
    assert closings(history)[-1] == (instant("2024-05-01"), WON)


def test_changes_of_one_instant_go_forward_and_close_last(build: Build, instant: Instant) -> None:
    changes = """
    deal_id property value       changed_at
    D       stage    closed_lost 2024-01-05
    D       stage    negotiation 2024-01-05
    D       stage    proposal    2024-01-05
    """
    history = History.of(build(deals=DEALS, deal_history=changes, stages=STAGES))
    names = [history.stage_names[int(code)] for code in history.stages.values["stage"]]
    assert names == ["proposal", "negotiation", "closed_lost"]


def test_stage_that_is_won_tells_an_unlisted_closing_stage(build: Build, instant: Instant) -> None:
    deals = """
    deal_id stage    created_at closed_at  is_won
    D       κερδήθηκε 2024-01-01 2024-04-01 true
    E       lead     2024-01-01 -          -
    """
    changes = """
    deal_id property value     changed_at
    E       stage    κερδήθηκε 2024-03-01
    """
    history = History.of(build(deals=deals, deal_history=changes))
    assert history.closings.values["outcome"].tolist() == [WON, WON]


def test_deal_imported_later_was_not_known_before(build: Build, instant: Instant) -> None:
    changes = """
    deal_id property value     changed_at recorded_at
    D       stage    qualified 2024-01-01 2024-03-01
    """
    history = History.of(build(deals=DEALS, deal_history=changes))
    assert len(open_deals(history, instant("2024-02-01"))) == 0
    assert len(open_deals(history, instant("2024-03-02"))) == 1


def test_deal_without_a_first_stage_was_known_from_the_start(
    build: Build, instant: Instant
) -> None:
    changes = """
    deal_id property value    changed_at recorded_at
    D       stage    proposal 2024-02-01 2024-02-03
    """
    history = History.of(build(deals=DEALS, deal_history=changes))
    assert history.known_from.tolist() == [instant("2024-01-01")]


def test_amounts_are_made_common_by_the_rates(build: Build, instant: Instant) -> None:
    deals = """
    deal_id created_at currency
    D       2024-01-01 USD
    """
    changes = """
    deal_id property value changed_at
    D       amount   100   2024-01-02
    """
    history = History.of(build(deals=deals, deal_history=changes), Settings(rates={"USD": 0.5}))
    amount = history.changes["amount"].last(
        "value", np.array([0]), np.array([instant("2024-02-01")])
    )
    assert amount.tolist() == [50]


def test_open_spans_follow_closing_reopening_and_the_owner(build: Build, instant: Instant) -> None:
    owners = """
    D       owner_id ann         2024-01-01
    D       owner_id bob         2024-03-10
    """
    history = History.of(
        build(deals=DEALS, deal_history=REOPENED.rstrip() + "\n" + owners.strip())
    )
    _, begin, end, owner = history.while_open(history.changes["owner_id"])
    names = [history.owners.names[int(code)] for code in owner]
    assert list(zip(begin.tolist(), end.tolist(), names, strict=True)) == [
        (instant("2024-01-01"), instant("2024-02-01"), "ann"),
        (instant("2024-03-01"), instant("2024-03-10"), "ann"),
        (instant("2024-03-10"), 2**62, "bob"),
    ]


@pytest.mark.parametrize("need", ["deals.amount", "deal_history.amount", "deal_history.stage"])
def test_history_tells_what_it_has(build: Build, need: str) -> None:
    changes = """
    deal_id property value    changed_at
    D       stage    proposal 2024-02-01
    """
    history = History.of(build(deals=DEALS, deal_history=changes))
    assert history.has(need) == (need == "deal_history.stage")


def test_empty_tables_make_an_empty_history() -> None:
    history = History.of(Tables.empty())
    assert history.size == 0
    assert history.last_fact is None
    assert len(history.closings.time) == OPEN
