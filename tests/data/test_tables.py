from __future__ import annotations

import pandas as pd
import pytest

from data.contract import CONTRACT, DTYPES
from data.tables import Tables


def test_empty_tables_have_every_column_of_the_contract_with_its_dtype():
    for name, frame in Tables.empty().items():
        assert list(frame) == list(CONTRACT[name].names)
        assert [str(kind) for kind in frame.dtypes] == [c.dtype for c in CONTRACT[name].columns]
        assert len(frame) == 0


def test_absent_optional_column_is_there_and_all_missing(five_deals):
    assert five_deals.deals["expected_close_date"].isna().all()
    assert str(five_deals.deals["expected_close_date"].dtype) == DTYPES["date"]


def test_present_tells_tables_and_columns_that_hold_something(five_deals):
    assert five_deals.present("deals")
    assert five_deals.present("deals", "amount")
    assert not five_deals.present("deals", "expected_close_date")
    assert not five_deals.present("deals", "no_such_column")
    assert not Tables.empty().present("deals")


def test_select_keeps_the_rows_of_these_deals_and_the_other_tables_whole(five_deals):
    chosen = five_deals.select(["O", "S"])
    assert chosen.deals["deal_id"].tolist() == ["O", "S"]
    assert set(chosen.deal_history["deal_id"]) == {"O", "S"}
    assert chosen.activities["activity_id"].tolist() == ["5", "6", "8"]
    assert chosen.activities.index.tolist() == [0, 1, 2]
    assert len(chosen.accounts) == 3


def test_identifiers_with_leading_zeros_stay_text():
    tables = Tables.of({"deals": pd.DataFrame({"deal_id": ["007", "7"]})})
    assert tables.deals["deal_id"].tolist() == ["007", "7"]


def test_local_times_are_kept_as_the_same_instant_in_utc():
    at = pd.Timestamp("2024-05-01T02:00", tz="Asia/Bangkok")
    frame = pd.DataFrame({"deal_id": ["x"], "created_at": [at]})
    assert Tables.of({"deals": frame}).deals["created_at"][0] == at
    assert str(Tables.of({"deals": frame}).deals["created_at"].dtype) == DTYPES["time"]


def test_unknown_table_is_refused_and_the_allowed_ones_are_named():
    with pytest.raises(KeyError, match="deal_history"):
        Tables.of({"opportunities": pd.DataFrame()})
    with pytest.raises(KeyError, match="deal_history"):
        Tables.empty()["opportunities"]


def test_every_key_of_the_contract_is_a_column_and_deals_alone_is_required():
    assert [name for name, table in CONTRACT.items() if table.required] == ["deals"]
    for table in CONTRACT.values():
        assert set(table.key) <= set(table.names)
        assert all(table[name].meaning for name in table.names)
