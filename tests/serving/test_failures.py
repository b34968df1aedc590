"""What the service says while what it needs is away, and that it recovers by itself."""

import shutil
import sqlite3
from pathlib import Path

import pandas as pd
import pytest

from serving import engine as engines
from serving.engine import Engine
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


def test_a_store_that_vanishes_while_serving_is_said_beside_every_answer(
    workspace: Path, clock: Moving, client_of
) -> None:
    engine = Engine(workspace, clock)
    client = client_of(engine)
    assert engine.refresh()
    before = client.post("/rank", {"top": 2}).json()
    away = (workspace / "store").rename(workspace / "away")
    engine.refresh()
    after = client.post("/rank", {"top": 2}).json()
    assert after["deals"] == before["deals"]
    assert any("no store" in note for note in after["notes"])
    assert "dealcast_stuck 1" in client.get("/metrics").text
    away.rename(workspace / "store")
    clock.now += engines.RETRY + pd.Timedelta(seconds=1)
    engine.refresh()
    assert client.post("/rank", {"top": 2}).json()["notes"] == before["notes"]


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
