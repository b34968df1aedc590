"""A firm with a store and a trained model, its engine, and a client that needs no sockets."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import anyio
import httpx
import pandas as pd
import pytest
from fastapi import FastAPI
from sqlalchemy import create_engine, make_url
from threadpoolctl import threadpool_limits

from data.demo import World, simulate, write
from data.sources import read_source
from data.store import Store
from data.tables import Tables
from data.validation import validate
from features.history import History
from serving.app import make_app
from serving.endpoints import SightOf, all_in_sight
from serving.engine import Engine
from serving.records import Records, open_records
from serving.records_tables import metadata
from serving.view import View, to_micros
from training.tracking import Tracker
from training.train import train

END = pd.Timestamp("2026-06-01", tz="UTC")
MORNING = END + pd.Timedelta(hours=9, seconds=42)

TEST_URL = "DEALCAST_TEST_DATABASE_URL"


# MLflow maps its own tables in a way that SQLAlchemy has since deprecated.
OF_MLFLOW = pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SADeprecationWarning")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let MLflow be used by the tests of this folder."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(OF_MLFLOW)


@dataclass
class Client:
    """Asks the application itself, as a browser would ask a server."""

    engine: Engine
    records: Records | None = None
    sight: SightOf = all_in_sight

    def ask(self, method: str, path: str, **content: Any) -> httpx.Response:
        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
                return await client.request(method, path, **content)

        return anyio.run(send)

    @cached_property
    def app(self) -> FastAPI:
        return make_app(self.engine, self.records, sight=self.sight)

    def get(self, path: str, **content: Any) -> httpx.Response:
        return self.ask("GET", path, **content)

    def post(self, path: str, body: Any = None, **content: Any) -> httpx.Response:
        return self.ask("POST", path, **({"json": body} if body is not None else {}), **content)


def register(workspace: Path, as_of: pd.Timestamp) -> str:
    """Train on the store of a workspace, make the bundle champion, give its version."""
    history = History.of(Store(workspace / "store").read())
    with threadpool_limits(1):
        bundle = train(history, to_micros(as_of)).bundle
    tracker = Tracker(workspace)
    stamped, _ = tracker.register(bundle, params={}, metrics={}, plots={}, data_version="test")
    tracker.promote(stamped.version)
    return stamped.version


@pytest.fixture(scope="session")
def firm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The workspace of a demo firm of 400 deals, imported and trained on."""
    workspace = tmp_path_factory.mktemp("firm")
    simulated = simulate(World.demo(seed=7), deals=400, years=3, end=END, seed=7)
    write(simulated, workspace / "crm")
    validated = validate(read_source(workspace / "crm"), MORNING)
    Store(workspace / "store").merge(validated.tables, "demo", MORNING)
    register(workspace, MORNING.floor("min"))
    return workspace


@pytest.fixture(scope="session")
def engine(firm: Path) -> Engine:
    """The engine of the firm on its morning."""
    engine = Engine(firm, lambda: MORNING)
    assert engine.refresh()
    return engine


@pytest.fixture(scope="session")
def client(engine: Engine) -> Client:
    """A client of the firm's service."""
    return Client(engine)


@pytest.fixture
def small_view(five_deals: Tables, now: pd.Timestamp) -> View:
    """The five deals by a table learned from them."""
    history = History.of(five_deals)
    bundle = train(history, to_micros(now)).bundle
    return View.of(history, bundle, "five", to_micros(now))


@pytest.fixture
def small_workspace(five_deals: Tables, now: pd.Timestamp, tmp_path: Path) -> Path:
    """A workspace with the five deals in its store and no model."""
    Store(tmp_path / "store").merge(five_deals, "five", now)
    return tmp_path


@pytest.fixture
def engine_at(now: pd.Timestamp) -> Callable[[Path], Engine]:
    """Make the engine of a workspace, on the day of the five deals."""
    return lambda workspace: Engine(workspace, lambda: now)


@pytest.fixture
def client_of() -> type[Client]:
    """Make the client of an engine."""
    return Client


@pytest.fixture(params=["sqlite", "postgresql"])
def records_url(request: pytest.FixtureRequest) -> str:
    """Where records are kept: empty for the workspace, or a PostgreSQL without any."""
    if request.param == "sqlite":
        return ""
    url = os.environ.get(TEST_URL, "")
    if not url:
        pytest.skip(
            f"no PostgreSQL to test against: {TEST_URL} names none (.ci/postgres starts one)"
        )
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"))
    metadata.drop_all(engine)
    engine.dispose()
    return url


@pytest.fixture
def records(records_url: str, tmp_path: Path) -> Iterator[Records]:
    """Empty records, in either database."""
    found = open_records(tmp_path, records_url)
    yield found
    found.close()
