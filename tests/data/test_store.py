from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from deltalake import DeltaTable
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data.contract import CONTRACT
from data.locking import exclusive
from data.manifest import StoreError
from data.merging import Change
from data.sources import read_source
from data.store import MANIFEST, Store, StoreBusyError
from data.tables import Tables
from data.validation import validate

NOW = pd.Timestamp("2024-07-01", tz="UTC")
LATER = pd.Timestamp("2024-07-02", tz="UTC")
PROJECT = Path(__file__).parents[2]

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(
    ["007", "7", "7.0", "ลูกค้า", "عميل", "🙂🚀", "a,b\n'\"", " ", "NaN", "None", "é" * 40]
)
TIMES = st.datetimes(pd.Timestamp("1970-01-01"), pd.Timestamp("2100-12-31")).map(
    lambda at: pd.Timestamp(at, tz="UTC")
)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def assert_same(left, right):
    for name, frame in left.items():
        pd.testing.assert_frame_equal(frame, right[name])


def changed(tables, table, **columns):
    """Tables in which the first row of one has other values."""
    frame = tables[table].copy()
    for name, value in columns.items():
        frame.loc[0, name] = value
    return Tables.of({**dict(tables.items()), table: frame})


def optional(values):
    return st.none() | values


@st.composite
def histories(draw):
    ids = draw(st.lists(TEXT, unique=True, max_size=8))
    deals = [
        {
            "deal_id": deal_id,
            "stage": draw(TEXT),
            "created_at": draw(TIMES),
            "account_id": draw(optional(TEXT)),
            "amount": draw(optional(NUMBERS)),
            "closed_at": draw(optional(TIMES)),
            "is_won": draw(optional(st.booleans())),
            "คอลัมน์ พิเศษ": draw(optional(TEXT)),
        }
        for deal_id in ids
    ]
    frame = pd.DataFrame(deals, columns=["deal_id", *list(deals[0])[1:]] if deals else None)
    frame["score"] = np.array(draw(st.lists(NUMBERS, min_size=len(ids), max_size=len(ids))))
    times = {"created_at", "closed_at"} & set(frame)
    frame = frame.astype(dict.fromkeys(times, "datetime64[us, UTC]"))
    return Tables.of({"deals": frame})


@given(histories())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_what_goes_in_comes_out(tables):
    folder = Path(tempfile.mkdtemp())
    try:
        store = Store(folder)
        store.merge(tables, "x", NOW)
        first = store.version()
        read = store.read()
        if len(tables.deals):
            pd.testing.assert_frame_equal(read.deals, tables.deals)
        store.merge(read, "x", LATER)
        assert store.version() == first
    finally:
        shutil.rmtree(folder)


def test_five_deals_come_back_as_they_went_in(store, five_deals):
    store.merge(five_deals, "crm", NOW)
    assert_same(store.read(), five_deals)


def test_importing_twice_gives_the_same_store_and_no_new_version(store, five_deals):
    first = store.merge(five_deals, "crm", NOW)
    again = store.merge(five_deals, "crm", LATER)
    assert again.id == first.id == store.version()
    assert len(store.versions()) == 1
    assert again.changes["deals"] == Change(unchanged=5)
    assert_same(store.read(), five_deals)


def test_the_same_content_has_the_same_version_in_another_store(store, five_deals, tmp_path):
    other = Store(tmp_path / "other")
    assert store.merge(five_deals, "a", NOW).id == other.merge(five_deals, "b", LATER).id


def test_changed_new_and_unchanged_rows_are_counted(store, five_deals):
    store.merge(five_deals, "crm", NOW)
    tables = changed(five_deals, "deals", amount=9999.0)
    more = tables.deals.iloc[[4]].assign(deal_id="N")
    tables = Tables.of({"deals": pd.concat([tables.deals, more])})
    version = store.merge(tables, "crm", LATER)
    assert version.changes == {"deals": Change(inserted=1, updated=1, unchanged=4)}
    deals = store.read().deals
    assert deals["deal_id"].tolist() == ["W", "L", "O", "R", "S", "N"]
    assert deals["amount"][0] == 9999.0
    assert len(store.read().activities) == 8


def test_value_that_was_emptied_is_emptied_in_the_store(store, five_deals):
    store.merge(five_deals, "crm", NOW)
    store.merge(changed(five_deals, "deals", closed_at=pd.NaT, is_won=pd.NA), "crm", LATER)
    assert store.read().deals[["closed_at", "is_won"]].isna().all(axis=1)[0]


def test_only_new_rows_are_written_where_only_new_ones_came(store, five_deals):
    store.merge(five_deals, "crm", NOW)
    more = five_deals.activities.assign(activity_id="N" + five_deals.activities["activity_id"])
    store.merge(Tables.of({"activities": more}), "crm", LATER)
    assert len(DeltaTable(store.root / "activities").file_uris()) == 2
    read = store.read().activities["activity_id"].tolist()
    assert read == [*five_deals.activities["activity_id"], *more["activity_id"]]


def test_rows_of_one_instant_keep_their_order_over_many_imports(store, five_deals):
    history = five_deals.deal_history
    for start in range(0, len(history), 3):
        part = history.iloc[start : start + 3].reset_index(drop=True)
        store.merge(Tables.of({"deal_history": part}), f"part {start}", NOW)
    pd.testing.assert_frame_equal(store.read().deal_history, history)


def test_target_without_an_owner_is_one_row_however_often_imported(store):
    first = Tables.of({"targets": pd.DataFrame({"period": ["2024-Q3"], "amount": [1.0]})})
    second = Tables.of({"targets": pd.DataFrame({"period": ["2024-Q3"], "amount": [2.0]})})
    store.merge(first, "x", NOW)
    store.merge(second, "x", LATER)
    assert store.read().targets["amount"].tolist() == [2.0]


def test_repeated_key_within_an_import_counts_once_with_its_last_row(store, five_deals):
    twice = pd.concat([five_deals.deals, five_deals.deals.iloc[[0]].assign(amount=7.0)])
    store.merge(Tables.of({"deals": twice}), "x", NOW)
    assert len(store.read().deals) == 5
    assert store.read().deals.set_index("deal_id").loc["W", "amount"] == 7.0


def test_custom_column_that_comes_later_is_missing_before(store, five_deals):
    store.merge(five_deals, "crm", NOW)
    part = five_deals.deals.iloc[[1]].assign(tier="gold", score=2.5)
    store.merge(Tables.of({"deals": part}), "crm", LATER)
    deals = store.read().deals
    assert deals["tier"].isna().tolist() == [True, False, True, True, True]
    assert str(deals["score"].dtype) == "float64"


def test_custom_column_that_a_source_lacks_keeps_its_values(store, five_deals):
    store.merge(Tables.of({"deals": five_deals.deals.assign(tier="gold")}), "crm", NOW)
    store.merge(changed(five_deals, "deals", amount=1.0), "crm", LATER)
    assert store.read().deals["tier"].tolist() == ["gold"] * 5


def test_custom_column_of_numbers_becomes_text_when_text_comes(store, five_deals):
    store.merge(Tables.of({"deals": five_deals.deals.assign(tier=2.0)}), "crm", NOW)
    part = five_deals.deals.iloc[[1]].assign(tier="gold")
    store.merge(Tables.of({"deals": part}), "crm", LATER)
    assert store.read().deals["tier"].tolist() == ["2", "gold", "2", "2", "2"]


def test_column_names_in_any_script_and_with_signs_are_kept(store, five_deals):
    odd = five_deals.deals.assign(**{"a b;{}=\t": "x", "ราคา (฿) 🙂": 1.0, "a.b": "y"})
    store.merge(Tables.of({"deals": odd}), "crm", NOW)
    pd.testing.assert_frame_equal(store.read().deals, odd)


def test_columns_that_differ_in_capitals_alone_are_refused(store, five_deals):
    store.merge(Tables.of({"deals": five_deals.deals.assign(tier="x")}), "crm", NOW)
    with pytest.raises(StoreError, match="capitals"):
        store.merge(Tables.of({"deals": five_deals.deals.assign(Tier="y")}), "crm", LATER)
    assert len(store.versions()) == 1


def test_older_versions_stay_readable(store, five_deals):
    store.merge(five_deals, "monday", NOW)
    store.merge(changed(five_deals, "deals", amount=1.0), "tuesday", LATER)
    assert_same(store.read(1), five_deals)
    assert store.read(2).deals["amount"][0] == 1.0
    told = [(entry.number, entry.source, entry.time) for entry in store.versions()]
    assert told == [(1, "monday", NOW.isoformat()), (2, "tuesday", LATER.isoformat())]
    assert store.versions()[0].rows["activities"] == 8


def test_unknown_version_is_told_with_those_there_are(store, five_deals):
    store.merge(five_deals, "crm", NOW)
    with pytest.raises(StoreError, match=r"no version 7 .* there are \[1\]"):
        store.read(7)


def test_absent_store_is_told_with_the_command_to_run(store):
    assert not store.exists()
    with pytest.raises(StoreError, match="run `dealcast import SOURCE` first"):
        store.read()
    with pytest.raises(StoreError, match="no store at"):
        store.version()


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"format": 1}', '{"format": 1, "versions": [1]}']
)
def test_damaged_manifest_is_told_with_its_remedy(store, five_deals, content):
    store.merge(five_deals, "crm", NOW)
    (store.root / MANIFEST).write_text(content, encoding="utf-8")
    with pytest.raises(StoreError, match="damaged"):
        store.read()


def test_manifest_of_another_format_is_told(store, five_deals):
    store.merge(five_deals, "crm", NOW)
    (store.root / MANIFEST).write_text('{"format": 99, "versions": []}', encoding="utf-8")
    with pytest.raises(StoreError, match="format 99"):
        store.read()


def test_lost_files_of_a_table_are_told_with_their_remedy(store, five_deals):
    store.merge(five_deals, "crm", NOW)
    for file in (store.root / "deals").glob("*.parquet"):
        file.unlink()
    with pytest.raises(StoreError, match=r"table deals .* is damaged"):
        store.read()
    shutil.rmtree(store.root / "deals")
    with pytest.raises(StoreError, match=r"table deals .* is damaged"):
        store.merge(changed(five_deals, "deals", amount=1.0), "crm", LATER)


def test_import_gives_up_with_a_clear_message_while_another_holds_the_store(store, five_deals):
    store.merge(five_deals, "crm", NOW)
    with (
        exclusive(store.root / ".lock", 1),
        pytest.raises(StoreBusyError, match="another import has held"),
    ):
        store.merge(five_deals, "crm", LATER, timeout=0.1)


def test_store_can_be_read_while_another_holds_it(store, five_deals):
    store.merge(five_deals, "crm", NOW)
    with exclusive(store.root / ".lock", 1):
        assert len(store.read().deals) == 5


IMPORT = """
import sys
from pathlib import Path
import pandas as pd
import data.store
from data.sources import read_source
from data.validation import validate

root, source, instant, stop = sys.argv[1:]
store, now = data.store.Store(Path(root)), pd.Timestamp(instant)
write = data.store.Store._write

def write_then_stop(self, name, *arguments, **named):
    write(self, name, *arguments, **named)
    if name == stop:
        print("stopped", flush=True)
        sys.stdin.read()

data.store.Store._write = write_then_stop
tables = validate(read_source(Path(source)), now).tables
print("ready", flush=True)
store.merge(tables, source, now)
"""


def start_import(root, source, stop="never"):
    return subprocess.Popen(
        [sys.executable, "-c", IMPORT, str(root), str(source), NOW.isoformat(), stop],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=PROJECT,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
    )


def kill_when_stopped(process):
    assert [process.stdout.readline().strip() for _ in range(2)] == ["ready", "stopped"]
    process.send_signal(signal.SIGKILL)
    process.communicate()


@pytest.mark.slow
@pytest.mark.parametrize("stop", ["deals", "deal_history", "targets"])
def test_killed_first_import_leaves_no_store_and_the_next_one_works(
    store, five_folder, five_deals, stop
):
    kill_when_stopped(start_import(store.root, five_folder, stop))
    assert not store.exists()
    store.merge(five_deals, "crm", NOW)
    assert_same(store.read(), five_deals)


@pytest.mark.slow
@pytest.mark.parametrize("stop", ["deals", "activities"])
def test_killed_import_leaves_the_store_as_it_was_and_the_next_one_works(
    store, five_folder, five_deals, stop
):
    before = changed(five_deals.select(["W", "L"]), "deals", amount=1.0)
    version = store.merge(before, "before", NOW).id
    kill_when_stopped(start_import(store.root, five_folder, stop))
    assert store.version() == version
    assert_same(store.read(), before)
    again = store.merge(before, "before", LATER)
    assert again.id == version
    assert len(DeltaTable(store.root / "deals").to_pyarrow_dataset().to_table()) == 2
    store.merge(five_deals, "crm", LATER)
    assert_same(store.read(), five_deals)


@pytest.mark.slow
def test_two_imports_at_once_are_both_kept(store, five_deals, tmp_path):
    folders = []
    for name in ("W", "R"):
        folder = tmp_path / name
        folder.mkdir()
        for table, frame in five_deals.select([name]).items():
            frame.to_csv(folder / f"{table}.csv", index=False)
        folders.append(folder)
    processes = [start_import(store.root, folder) for folder in folders]
    assert [process.wait(timeout=60) for process in processes] == [0, 0]
    for process in processes:
        process.communicate()
    assert sorted(store.read().deals["deal_id"]) == ["R", "W"]
    assert len(store.versions()) == 2


def test_manifest_is_plain_json_that_names_every_table(store, five_deals):
    store.merge(five_deals, "ลูกค้า", NOW)
    content = json.loads((store.root / MANIFEST).read_text(encoding="utf-8"))
    assert set(content["versions"][0]["tables"]) == set(CONTRACT)
    assert content["versions"][0]["source"] == "ลูกค้า"


def test_real_histories_come_back_as_they_went_in(store, real_folder):
    now = pd.Timestamp("2026-01-01", tz="UTC")
    tables = validate(read_source(real_folder), now).tables
    store.merge(tables, real_folder.name, now)
    assert_same(store.read(), tables)
    assert validate(read_source(real_folder), now, store.read()).counts == {}
    assert store.merge(tables, real_folder.name, now).id == store.version()
