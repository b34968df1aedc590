"""Names as numbers: learned before a cut, safe for what was never seen."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np

from data.settings import Settings
from data.tables import Tables
from features.history import History
from features.vocabulary import Vocabulary, learn_vocabulary

Instant = Callable[[str], int]
Build = Callable[..., Tables]
Ask = Callable[..., float]
DEALS = """
deal_id created_at source   product renewal
A       2024-01-01 event    7       2025-01-01
B       2024-01-02 referral 9       2025-02-01
C       2024-06-01 ไทย      many    never
"""
HISTORY = """
deal_id property value      changed_at
A       stage    qualified  2024-01-01
A       stage    proposal   2024-01-10
A       seats    5          2024-01-10
A       signing  2024-09-09 2024-01-10
A       rival    Ωmega      2024-01-10
B       stage    qualified  2024-01-02
C       stage    proposal   2024-06-01
C       stage    ใหม่        2024-06-05
C       seats    lots       2024-06-05
C       rival    Δelta      2024-06-05
C       signing  soon       2024-06-05
"""
SETTINGS = Settings(fixed_at_creation=["deals.product", "deals.renewal", "accounts.nowhere"])


def test_names_met_after_the_cut_are_not_learned(build: Build, instant: Instant) -> None:
    words = learn_vocabulary(
        History.of(build(deals=DEALS, deal_history=HISTORY)), instant("2024-05-01")
    )
    assert words.categories["deals.source"] == ("event", "referral")
    assert words.stage_position == {"qualified": 0, "proposal": 1}


def test_unseen_category_and_stage_are_missing(build: Build, ask: Ask, instant: Instant) -> None:
    tables = build(deals=DEALS, deal_history=HISTORY)
    words = learn_vocabulary(History.of(tables), instant("2024-05-01"))
    assert np.isnan(ask(tables, "source_code", "C", "2024-07-01", vocabulary=words))
    assert np.isnan(ask(tables, "stage_position", "C", "2024-07-01", vocabulary=words))
    assert ask(tables, "source_code", "B", "2024-07-01", vocabulary=words) == 1


def test_values_that_come_later_do_not_change_what_a_property_is(
    build: Build, ask: Ask, instant: Instant
) -> None:
    tables = build(deals=DEALS, deal_history=HISTORY)
    words = learn_vocabulary(History.of(tables, SETTINGS), instant("2024-05-01"))
    assert set(words.numeric) == {"history.seats", "deals.product"}
    assert set(words.dates) == {"history.signing", "deals.renewal"}
    asked = {"settings": SETTINGS, "vocabulary": words}
    assert ask(tables, "history.seats", "A", "2024-07-01", **asked) == 5
    assert ask(tables, "history.signing", "A", "2024-09-01", **asked) == 8
    assert ask(tables, "history.rival", "A", "2024-07-01", **asked) == 0
    assert ask(tables, "deals.product", "B", "2024-07-01", **asked) == 9
    assert ask(tables, "deals.renewal", "B", "2025-02-03", **asked) == -2
    for name in (
        "history.seats",
        "history.signing",
        "history.rival",
        "deals.product",
        "deals.renewal",
    ):
        assert np.isnan(ask(tables, name, "C", "2024-07-01", **asked))


def test_renamed_stage_shares_the_place_between_its_neighbours(
    build: Build, instant: Instant
) -> None:
    stages = """
    pipeline stage       position outcome
    default  qualified   10       open
    default  proposal    20       open
    default  negotiation 30       open
    """
    changes = """
    deal_id property value       changed_at
    A       stage    qualified   2024-01-01
    A       stage    offer       2024-01-05
    A       stage    negotiation 2024-01-09
    """
    tables = build(deals=DEALS, deal_history=changes, stages=stages)
    words = learn_vocabulary(History.of(tables), instant("2024-05-01"))
    assert words.stage_position == {"qualified": 0, "proposal": 1, "negotiation": 2, "offer": 1}


def test_vocabulary_comes_back_from_json_as_it_went(build: Build, instant: Instant) -> None:
    words = learn_vocabulary(
        History.of(build(deals=DEALS, deal_history=HISTORY), SETTINGS), instant("2024-07-01")
    )
    assert Vocabulary.from_json(json.loads(json.dumps(words.to_json()))) == words


def test_vocabulary_of_nothing_is_empty(instant: Instant) -> None:
    words = learn_vocabulary(History.of(Tables.empty()), instant("2024-07-01"))
    assert words.stage_position == {}
    assert not any(words.categories.values())
