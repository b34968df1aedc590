"""One call for training, scoring and one deal; what is missing switches off only itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.tables import Tables
from features import pipeline
from features.catalogue import CATALOGUE, FAMILIES, Feature, fingerprint, register
from features.dictionary import catalogue_markdown, catalogue_rows
from features.history import History
from features.pipeline import available_features, compute_features
from features.snapshots import Snapshots, open_deals, panel
from features.vocabulary import learn_vocabulary

Instant = Callable[[str], int]
DOCS = Path(__file__).parents[2] / "docs" / "features.md"
STATISTICS = (
    "win_rate",
    "won_",
    "closed_",
    "_fit",
    "icp_",
    "stay",
    "cycle",
    "exit",
    "rank",
    "standing",
)
OF_OTHERS = (
    "owner_open",
    "owner_load",
    "owner_attention",
    "beside",
    "against",
    "account_",
    "team_",
)


def of_one_deal(name: str) -> bool:
    """Whether a feature needs no other deal."""
    mine = (
        "pace_14d_against_own",
        "silence_against_own",
        "silence_against_longest",
        "amount_against_revenue",
    )
    return name in mine or not any(word in name for word in STATISTICS + OF_OTHERS)


def test_one_deal_alone_is_as_in_the_store(demo_tables: Tables, instant: Instant) -> None:
    store, as_of = History.of(demo_tables), instant("2025-03-03")
    words = learn_vocabulary(store, as_of)
    names = [name for name in available_features(store, words) if of_one_deal(name)]
    chosen = open_deals(store, as_of)
    expected = compute_features(store, words, chosen, names)
    assert len(names) > 90
    for row, deal in list(enumerate(chosen.deal))[::4]:
        alone = History.of(demo_tables.select([store.deal_ids[deal]]))
        position = np.array([alone.position_of[store.deal_ids[deal]]])
        one = Snapshots(position, np.array([as_of]))
        found = compute_features(alone, words, one, names)
        pd.testing.assert_frame_equal(found, expected.iloc[[row]].reset_index(drop=True))


def test_chunks_do_not_change_a_value(
    demo_tables: Tables, instant: Instant, monkeypatch: pytest.MonkeyPatch
) -> None:
    history, as_of = History.of(demo_tables), instant("2025-03-03")
    words, rows = learn_vocabulary(history, as_of), panel(history, as_of, every=4)
    whole = compute_features(history, words, rows)
    monkeypatch.setattr(pipeline, "CHUNK", 7)
    pd.testing.assert_frame_equal(compute_features(history, words, rows), whole)


def test_order_of_the_rows_of_the_tables_does_not_matter(
    demo_tables: Tables, instant: Instant
) -> None:
    as_of = instant("2025-03-03")
    frames = {name: frame.sample(frac=1, random_state=2) for name, frame in demo_tables.items()}
    history, mixed = History.of(demo_tables), History.of(Tables.of(frames))
    words, rows = learn_vocabulary(history, as_of), open_deals(history, as_of)
    assert learn_vocabulary(mixed, as_of) == words
    same = np.array([mixed.position_of[history.deal_ids[deal]] for deal in rows.deal])
    pd.testing.assert_frame_equal(
        compute_features(mixed, words, Snapshots(same, rows.time)),
        compute_features(history, words, rows),
    )


@pytest.mark.parametrize(
    "table", ["activities", "accounts", "contacts", "owners", "stages", "deal_history"]
)
def test_missing_table_switches_off_only_its_features(
    demo_tables: Tables, instant: Instant, table: str
) -> None:
    whole = History.of(demo_tables)
    frames = {name: frame for name, frame in demo_tables.items() if name != table}
    part, as_of = History.of(Tables.of(frames)), instant("2025-03-03")
    words = learn_vocabulary(part, as_of)
    on, still = available_features(whole, words), available_features(part, words)
    off = {name for name in on if name not in still}
    needing = {
        name for name, f in on.items() if any(need.split(".")[0] == table for need in f.needs)
    }
    assert off == needing
    found = compute_features(part, words, open_deals(part, as_of))
    assert list(found) == list(still)
    assert np.isfinite(found["age_days"]).all()


def test_missing_column_switches_off_only_its_features(demo_tables: Tables) -> None:
    frames = dict(demo_tables.items())
    frames["activities"] = frames["activities"].drop(columns="direction")
    whole, part = History.of(demo_tables), History.of(Tables.of(frames))
    off = {n for n, f in CATALOGUE.items() if f.available(whole) and not f.available(part)}
    assert off == {n for n, f in CATALOGUE.items() if "activities.direction" in f.needs}
    assert "inbound_30d_count" in off


def test_current_values_of_deals_switch_nothing_on_or_off(demo_tables: Tables) -> None:
    blank = demo_tables.deals.assign(amount=np.nan, owner_id=None, expected_close_date=pd.NaT)
    part = History.of(Tables.of({**dict(demo_tables.items()), "deals": blank}))
    whole = History.of(demo_tables)
    assert {n for n, f in CATALOGUE.items() if f.available(part)} == {
        n for n, f in CATALOGUE.items() if f.available(whole)
    }


def test_feature_asked_by_name_is_computed_from_what_there_is(
    five_deals: Tables, instant: Instant
) -> None:
    frames = {name: frame for name, frame in five_deals.items() if name != "activities"}
    history, as_of = History.of(Tables.of(frames)), instant("2024-05-01")
    words = learn_vocabulary(history, as_of)
    found = compute_features(
        history, words, open_deals(history, as_of), ["activities_30d_count", "month"]
    )
    assert list(found) == ["activities_30d_count", "month"]
    assert found["activities_30d_count"].tolist() == [0, 0, 0]


def test_nothing_gives_an_empty_frame_with_every_column(
    five_deals: Tables, instant: Instant
) -> None:
    history = History.of(five_deals)
    words = learn_vocabulary(history, instant("2020-01-01"))
    found = compute_features(history, words, open_deals(history, instant("2020-01-01")))
    assert len(found) == 0
    assert "age_days" in found


def test_progress_ends_at_one(five_deals: Tables, instant: Instant) -> None:
    history, as_of, told = History.of(five_deals), instant("2024-05-01"), list[float]()
    compute_features(
        history, learn_vocabulary(history, as_of), open_deals(history, as_of), progress=told.append
    )
    assert told[-1] == 1


def test_every_feature_has_a_family_a_unit_and_a_meaning() -> None:
    for feature in CATALOGUE.values():
        assert feature.family in FAMILIES
        assert feature.unit
        assert feature.meaning
    assert len({feature.meaning for feature in CATALOGUE.values()}) == len(CATALOGUE)
    assert len(CATALOGUE) > 170


def test_name_given_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="'age_days' of family 'momentum'"):
        register(CATALOGUE["age_days"])
    with pytest.raises(ValueError, match="family one of engagement"):
        register(Feature("new_one", "nonsense", "", "", CATALOGUE["age_days"].compute))


def test_fingerprint_tells_features_apart() -> None:
    assert fingerprint(["age_days"]) == fingerprint(["age_days"])
    assert (
        len({fingerprint(names) for names in (["age_days"], ["month"], ["age_days", "month"])})
        == 3
    )


def test_data_dictionary_is_up_to_date() -> None:
    assert DOCS.read_text(encoding="utf-8") == catalogue_markdown(), "run `make features-doc`"


def test_data_dictionary_says_why_a_family_matters() -> None:
    rows = catalogue_rows()
    assert len(rows) == len(CATALOGUE)
    for family in FAMILIES[:-1]:
        assert any(row["why"] for row in rows if row["family"] == family)
