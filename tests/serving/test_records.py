from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
from sqlalchemy import event, insert, update

from serving.records import FILE, Records, RecordsError, open_records
from serving.records_audit import AuditLine, add_audit, audit_lines
from serving.records_feedback import Said, add_feedback, commits, feedback_of
from serving.records_tables import schema

AT = datetime(2026, 5, 1, 9, tzinfo=UTC)
SAID = Said(
    at=AT,
    by="ann",
    kind="correction",
    value={"amount": 1200.5},
    model_version="3",
    data_version="abc",
    deal_id="D1",
    owner_id="ann",
    note="they signed",
)
COMMIT = replace(SAID, kind="commit", period="2026-Q2", value=1200.5)


@pytest.fixture
def in_file(tmp_path: Path) -> Iterator[Records]:
    """Records in a file that holds one line."""
    found = open_records(tmp_path)
    add_feedback(found, SAID)
    yield found
    found.close()


def test_feedback_comes_back_as_it_was_said(records: Records) -> None:
    kept = add_feedback(records, SAID)
    assert feedback_of(records, "D1") == [kept]
    assert all(getattr(kept, name) == value for name, value in vars(SAID).items())


def test_feedback_is_only_ever_added_to(records: Records) -> None:
    first, second = add_feedback(records, SAID), add_feedback(records, replace(SAID, note="no"))
    assert feedback_of(records, "D1") == [second, first]
    assert feedback_of(records, "D2") == []


@pytest.mark.parametrize("value", [None, True, 0, 1e17, "ราคา", [1, {"a": None}]])
def test_any_json_is_kept_as_a_value(records: Records, value: object) -> None:
    kept = add_feedback(records, replace(SAID, value=value))
    assert feedback_of(records, "D1")[0].value == kept.value == value


def test_text_that_no_database_keeps_is_replaced_and_any_script_is_kept(records: Records) -> None:
    kept = add_feedback(records, replace(SAID, note="a\x00b \ud800 ลูกค้า عميل 🙂"))
    assert kept.note == "a\ufffdb ? ลูกค้า عميل 🙂"


def test_times_of_any_zone_are_kept_as_the_same_instant(records: Records) -> None:
    at = pd.Timestamp("2026-05-01 09:30:00.000123", tz="Asia/Bangkok")
    kept = add_feedback(records, replace(SAID, at=at))
    assert kept.at == at
    assert kept.at.utcoffset() == timedelta(0)


def test_a_later_commit_takes_the_place_of_an_earlier_one_of_its_period(records: Records) -> None:
    add_feedback(records, SAID)
    add_feedback(records, COMMIT)
    later = add_feedback(records, replace(COMMIT, value=900))
    other = add_feedback(records, replace(COMMIT, period="2026-Q3"))
    own = add_feedback(records, replace(COMMIT, deal_id=None, value=50_000))
    assert commits(records, "2026-Q2") == [own, later]
    assert commits(records) == [own, other, later]


def test_commits_are_of_the_owners_asked_alone(records: Records) -> None:
    ann = add_feedback(records, COMMIT)
    bob = add_feedback(records, replace(COMMIT, owner_id="bob", deal_id="D2"))
    assert commits(records, owner_ids=["bob"]) == [bob]
    assert commits(records, owner_ids=[]) == []
    assert commits(records, owner_ids=None) == [bob, ann]


def test_every_feedback_leaves_a_line_in_the_audit(records: Records) -> None:
    add_feedback(records, SAID, request_id="r-1")
    assert audit_lines(records) == [AuditLine(AT, "ann", "correction", "D1", "", "r-1")]


def test_the_audit_gives_its_last_lines_first(records: Records) -> None:
    lines = [AuditLine(AT, "k", "denied read", f"D{n}") for n in range(5)]
    for line in lines:
        add_audit(records, line)
    assert audit_lines(records, 2) == [lines[4], lines[3]]


def test_two_open_the_same_records_at_once(
    records: Records, records_url: str, tmp_path: Path
) -> None:
    others = [open_records(tmp_path, records_url) for _ in range(4)]
    threads = [threading.Thread(target=add_feedback, args=(each, SAID)) for each in others]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(feedback_of(records, "D1")) == 4
    for each in others:
        each.close()


def test_a_schema_of_another_version_is_refused(
    records: Records, records_url: str, tmp_path: Path
) -> None:
    with records.begin() as connection:
        connection.execute(update(schema).values(version=99))
    records.close()
    newer = open_records(tmp_path, records_url)
    with pytest.raises(RecordsError, match="version 99"):
        audit_lines(newer)
    newer.close()


def test_what_fails_in_a_transaction_is_undone(records: Records) -> None:
    def fail() -> None:
        with records.begin() as connection:
            connection.execute(insert(schema).values(version=7))
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    audit_lines(records)  # version 7 would be refused by the next that opens them
    with records.begin() as connection:
        assert connection.execute(schema.select()).scalars().all() == [1]


def test_a_locked_file_is_told_and_written_to_once_it_is_free(
    in_file: Records, tmp_path: Path
) -> None:
    holder = sqlite3.connect(tmp_path / FILE)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(RecordsError, match=r"locked.*another program holds it"):
        add_feedback(in_file, SAID)
    assert len(feedback_of(in_file, "D1")) == 1
    holder.rollback()
    holder.close()
    assert add_feedback(in_file, SAID).id == 2


def test_a_file_that_vanished_is_told_and_not_made_anew(in_file: Records, tmp_path: Path) -> None:
    (tmp_path / FILE).rename(tmp_path / "elsewhere")
    with pytest.raises(RecordsError, match="put the file and its folder back"):
        add_feedback(in_file, SAID)
    with pytest.raises(RecordsError):
        feedback_of(in_file, "D1")
    assert not (tmp_path / FILE).exists()
    (tmp_path / "elsewhere").rename(tmp_path / FILE)
    assert add_feedback(in_file, SAID).id == 2


def test_a_full_disk_is_told_and_written_to_once_there_is_room(tmp_path: Path) -> None:
    records, pages = open_records(tmp_path), [40]
    limit = "PRAGMA max_page_count = {}"
    # SQLite then says the same as where the disk has no room.
    event.listen(
        records._engine, "checkout", lambda c, *_: c.execute(limit.format(pages[0])).close()
    )
    add_feedback(records, SAID)
    with pytest.raises(RecordsError, match=r"full.*make room"):
        add_feedback(records, replace(SAID, note="x" * 300_000))
    assert len(feedback_of(records, "D1")) == len(audit_lines(records)) == 1
    pages[0] = 1000
    add_feedback(records, replace(SAID, note="x" * 300_000))
    records.close()


def test_a_damaged_file_is_told(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"no database at all" * 100)
    with pytest.raises(RecordsError, match="from a backup"):
        audit_lines(open_records(tmp_path))


def test_the_file_may_be_read_by_its_owner_alone(in_file: Records, tmp_path: Path) -> None:
    assert (tmp_path / FILE).stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("url", ["mysql://h/d", "nonsense", "sqlite://"])
def test_an_address_of_another_kind_is_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(RecordsError, match="postgresql://USER:PASSWORD"):
        open_records(tmp_path, url)


def test_a_server_that_is_away_is_told_without_its_password(tmp_path: Path) -> None:
    away = open_records(tmp_path, "postgresql://me:geheim@127.0.0.1:1/dealcast")
    with pytest.raises(RecordsError, match="see that the server runs") as error:
        audit_lines(away)
    assert "geheim" not in str(error.value)
    assert "127.0.0.1" in str(error.value)
    assert "127.0.0.1" not in error.value.told
