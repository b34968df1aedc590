"""The commands that show settings and keep keys, run inside the tests' process."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

import dealcast
from data.store import Store
from data.tables import Tables
from serving.records import open_records
from serving.records_audit import AuditLine, add_audit
from serving.records_keys import check_key

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Run a command; its exit code, and what it said on both streams."""

    def run_it(*arguments: str) -> tuple[int, str, str]:
        before, code = sys.argv, 0
        sys.argv = ["dealcast", "--workspace", str(tmp_path), *arguments]
        try:
            dealcast.main()
        except SystemExit as end:
            code = int(end.code or 0)
        finally:
            sys.argv = before
        told = capsys.readouterr()
        return code, told.out, told.err

    return run_it


def test_a_key_is_printed_once_and_listed_without_its_secret(run: Run, tmp_path: Path) -> None:
    code, told, _ = run("keys", "create", "--role", "rep", "--owner", "ann", "--label", "phone")
    records = open_records(tmp_path)
    key = check_key(records, told.strip())
    records.close()
    assert (code, key is not None) == (0, True)
    _, listed, _ = run("keys", "list", "--json")
    assert [(k["role"], k["owner_id"], k["label"]) for k in json.loads(listed)] == [
        ("rep", "ann", "phone")
    ]
    assert told.strip().split("_", 2)[2] not in listed + run("keys", "list")[1]


def test_a_revoked_key_is_none_from_then_on(run: Run, tmp_path: Path) -> None:
    made = json.loads(run("keys", "create", "--role", "admin", "--json")[1])
    assert run("keys", "revoke", made["key_id"])[0] == 0
    records = open_records(tmp_path)
    assert check_key(records, made["key"]) is None
    records.close()
    assert json.loads(run("keys", "list", "--json")[1])[0]["revoked_at"]


def test_arguments_that_do_not_go_together_are_refused(run: Run) -> None:
    code, _, told = run("keys", "create", "--role", "boss")
    assert (code, "allowed are rep, manager, admin" in told) == (2, True)
    code, _, told = run("keys", "create", "--role", "rep")
    assert (code, "--owner ID" in told) == (2, True)
    code, _, told = run("keys", "revoke", "abc")
    assert (code, "keys list" in told) == (1, True)


def test_an_owner_that_the_store_does_not_know_is_refused(
    run: Run, tmp_path: Path, five_deals: Tables, now: pd.Timestamp
) -> None:
    Store(tmp_path / "store").merge(five_deals, "five", now)
    code, _, told = run("keys", "create", "--role", "rep", "--owner", "anna")
    assert (code, "did you mean" in told, "'Ann'" in told) == (2, True, True)
    code, _, told = run("keys", "create", "--role", "rep", "--owner", "Bob")
    assert (code, "identifier bob" in told) == (2, True)
    assert run("keys", "create", "--role", "manager", "--owner", "ann")[0] == 0


def test_records_that_cannot_be_used_are_one_clear_line(run: Run, tmp_path: Path) -> None:
    (tmp_path / "records.db").write_bytes(b"no database" * 100)
    code, _, told = run("keys", "list")
    assert (code, "from a backup" in told, "Traceback" in told) == (1, True, False)


def test_settings_are_shown_with_where_they_come_from(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "dealcast.toml").write_text('currency = "EUR"', encoding="utf-8")
    monkeypatch.setenv("DEALCAST_DATABASE_URL", "postgresql://me:geheim@db/deals")
    code, told, _ = run("settings", "--json")
    origins = {row["name"]: row["origin"] for row in json.loads(told)}
    assert code == 0
    assert [origins[n] for n in ("currency", "database_url", "timezone")] == [
        *("file", "environment", "default")
    ]
    assert "geheim" not in told + run("settings")[1]
    assert run("settings", "--markdown")[1].startswith("# Settings\n")


def test_the_audit_is_shown_newest_first_and_cannot_move_the_cursor(
    run: Run, tmp_path: Path, now: pd.Timestamp
) -> None:
    records = open_records(tmp_path)
    for target in ("D1", "ดีล[bold]\x1b[2J"):
        add_audit(records, AuditLine(now.to_pydatetime(), "ann", "denied read", target))
    records.close()
    code, told, _ = run("audit")
    assert (code, "\x1b" in told, r"ดีล[bold]\x1b[2J" in told) == (0, False, True)
    assert told.index("ดีล") < told.index("D1")
    lines = json.loads(run("audit", "--last", "1", "--json")[1])
    assert [(line["by"], line["target"]) for line in lines] == [("ann", "ดีล[bold]\x1b[2J")]


@pytest.mark.parametrize("last", ["0", "-1", "many"])
def test_a_wrong_number_of_lines_is_refused(run: Run, last: str) -> None:
    assert run("audit", "--last", last)[0] == 2
