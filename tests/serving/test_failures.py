"""What the service says while what it needs is away, and that it recovers by itself."""

import json
import shutil
import sqlite3
from pathlib import Path

import httpx
import pandas as pd
import pytest

from data.store import Store
from data.tables import Tables
from serving import engine as engines
from serving.engine import Engine, StoreAwayError
from serving.messages import PREDICT
from serving.page import ADDRESSES
from serving.records import FILE, open_records

pytestmark = pytest.mark.slow
NOW = pd.Timestamp("2026-06-01 09:00:42", tz="UTC")


class Moving:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> pd.Timestamp:
        return self.now


@pytest.fixture
def clock() -> Moving:
    return Moving()


@pytest.fixture
def workspace(firm: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(firm, tmp_path / "copy"))


@pytest.fixture
def served(workspace: Path, clock: Moving, client_of):
    """An engine that has loaded the workspace, and a client of it."""
    engine = Engine(workspace, clock)
    assert engine.refresh()
    return engine, client_of(engine)


def test_a_store_that_is_away_is_a_503_with_the_reason_until_it_is_back(
    workspace: Path, clock: Moving, client_of
) -> None:
    away = (workspace / "store").rename(workspace / "away")
    engine = Engine(workspace, clock)
    client = client_of(engine)
    engine.refresh()
    for response in (client.post("/rank"), client.get("/readyz")):
        assert response.status_code == 503
        assert "no store" in response.json()["detail"]
        assert response.headers["retry-after"]
    away.rename(workspace / "store")
    clock.now += engines.RETRY + pd.Timedelta(seconds=1)
    assert engine.refresh()
    assert client.post("/rank").status_code == 200


def test_while_the_store_is_away_what_answers_from_it_is_a_503_with_reason_and_remedy(
    workspace: Path, clock: Moving, client_of, tmp_path: Path
) -> None:
    engine = Engine(workspace, clock)
    client = client_of(engine, open_records(tmp_path))
    assert engine.refresh()
    deal_id = str(engine.view().deals["deal_id"].iloc[0])
    questions = {
        "/rank": {"top": 2},
        "/score": {},
        "/forecast": {},
        "/explain": {"deal_id": deal_id},
        "/changes": {},
        "/what-if": {"deal_id": deal_id, "amount": 5_000},
        "/feedback": {"kind": "note", "deal_id": deal_id},
    }
    pages = [*ADDRESSES.values(), f"/deals/{deal_id}", "/today.csv?table=deals"]

    def ask() -> dict[str, httpx.Response]:
        told = {f"POST {path}": client.post(path, body) for path, body in questions.items()}
        return told | {f"GET {path}": client.get(path) for path in ("/model", "/readyz", *pages)}

    assert {response.status_code for response in ask().values()} == {200}
    away = (workspace / "store").rename(workspace / "away")
    engine.refresh()
    for asked, response in ask().items():
        assert response.status_code == 503, asked
        assert "put" in response.text, asked
        assert str(workspace / "store") in response.text, asked
    assert client.post("/rank").headers["content-type"] == "application/problem+json"
    away.rename(workspace / "store")
    engine.refresh()
    assert {response.status_code for response in ask().values()} == {200}


def test_a_store_that_is_back_answers_as_before_without_being_read_anew(
    workspace: Path, served
) -> None:
    engine, client = served
    before, view = client.post("/rank", {"top": 2}).content, engine.view()
    away = (workspace / "store").rename(workspace / "away")
    engine.refresh()
    with pytest.raises(StoreAwayError):
        engine.view()
    away.rename(workspace / "store")
    assert not engine.refresh()
    assert engine.view() is view
    assert client.post("/rank", {"top": 2}).content == before


def test_a_manifest_that_cannot_be_read_is_a_store_that_is_away(workspace: Path, served) -> None:
    engine, client = served
    manifest = workspace / "store" / "manifest.json"
    whole = manifest.read_bytes()
    for broken in (whole[:-20], b""):
        manifest.write_bytes(broken)
        engine.refresh()
        refused = client.post("/rank")
        assert refused.status_code == 503
        assert "damaged" in refused.json()["detail"]
    manifest.write_bytes(whole)
    engine.refresh()
    assert client.post("/rank").status_code == 200


def test_while_the_store_is_away_deals_sent_are_answered_from_memory_and_it_is_said(
    workspace: Path, served
) -> None:
    engine, client = served
    features = engine.view().scored.features.iloc[:1]
    ready = {"columns": [*features], "data": json.loads(features.to_json(orient="values"))}
    before = client.post("/predict", PREDICT).json()
    counted = client.post("/predict/features", ready).json()
    (workspace / "store").rename(workspace / "away")
    engine.refresh()
    after = client.post("/predict", PREDICT).json()
    assert after["deals"] == before["deals"]
    assert [note for note in after["notes"] if note not in before["notes"]] == [engine.away]
    assert client.post("/predict/features", ready).json() == counted
    assert client.get("/healthz").status_code == 200
    figures = client.get("/metrics").text
    assert "dealcast_ready 0" in figures
    assert "dealcast_stuck 0" in figures


def test_an_import_that_cannot_be_read_leaves_the_old_answers_and_is_said_beside_them(
    workspace: Path, clock: Moving, served
) -> None:
    engine, client = served
    before = client.post("/rank", {"top": 2}).json()
    old = {"top": 2, "as_of": "2026-05-31"}
    assert client.post("/rank", old).status_code == 200
    store = Store(workspace / "store")
    deals = store.read().deals.iloc[:1].assign(deal_id="N")
    store.merge(Tables.of({"deals": deals}), "more", clock())
    for file in (workspace / "store" / "deals").glob("*.parquet"):
        file.write_bytes(b"broken")
    assert not engine.refresh()
    after = client.post("/rank", {"top": 2}).json()
    assert after["deals"] == before["deals"]
    assert any("cannot be loaded" in note for note in after["notes"])
    yesterday = client.post("/rank", old).json()
    assert any("cannot be loaded" in note for note in yesterday["notes"])
    assert "dealcast_stuck 1" in client.get("/metrics").text


def test_a_locked_database_is_a_503_and_what_needs_none_goes_on(
    engine: Engine, tmp_path: Path, client_of
) -> None:
    client = client_of(engine, open_records(tmp_path))
    said = {"kind": "note", "deal_id": engine.view().deals["deal_id"].iloc[0]}
    assert client.post("/feedback", said).status_code == 200
    with sqlite3.connect(tmp_path / FILE, isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")
        refused = client.post("/feedback", said)
        assert refused.status_code == 503
        assert "locked" in refused.json()["detail"]
        assert client.post("/rank", {"top": 1}).status_code == 200
        other.execute("ROLLBACK")
    other.close()
    assert client.post("/feedback", said).status_code == 200


def test_a_full_disk_is_a_503_with_the_remedy(engine: Engine, tmp_path: Path, client_of) -> None:
    records = open_records(tmp_path)
    client = client_of(engine, records)
    said = {"kind": "note", "deal_id": engine.view().deals["deal_id"].iloc[0], "note": "x" * 2_000}
    assert client.post("/feedback", said).status_code == 200
    with records.begin() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
    answers = [client.post("/feedback", said) for _ in range(5)]
    refused = answers[-1]
    assert refused.status_code == 503
    assert "room on the disk" in refused.json()["detail"]
    with records.begin() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 100000")
    assert client.post("/feedback", said).status_code == 200
