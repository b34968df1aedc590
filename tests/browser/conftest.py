"""A real Chromium in front of a real server on a demo firm; skipped where there is no Chromium."""

from __future__ import annotations

import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pandas as pd
import pytest
import uvicorn
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from threadpoolctl import threadpool_limits

from data.demo import World, simulate, write
from data.settings import Settings
from data.sources import read_source
from data.store import Store
from data.tables import OF_A_DEAL, Tables
from data.validation import validate
from features.history import History
from serving.access import Access
from serving.app import make_app
from serving.engine import Engine
from serving.pages import kept
from serving.records import open_records
from serving.records_keys import Role, create_key
from serving.view import to_micros
from training.bundle import Bundle
from training.tracking import Tracker
from training.train import train

END = pd.Timestamp("2026-06-01", tz="UTC")
MORNING = END + pd.Timedelta(hours=9)
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
OF_MLFLOW = pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SADeprecationWarning")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of this folder; without Chromium they are skipped."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(OF_MLFLOW)
            item.add_marker(pytest.mark.slow)
            if CHROMIUM is None:
                item.add_marker(pytest.mark.skip("no Chromium: apt-get install chromium"))


@dataclass
class Site:
    """A served workspace."""

    base: str
    engine: Engine
    keys: dict[str, str] = field(default_factory=dict)

    def post(self, path: str, body: dict[str, object]) -> dict[str, object]:
        """Ask the API, as an admin where keys are on."""
        key = self.keys.get("admin")
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        found = httpx.post(self.base + path, json=body, headers=headers, timeout=60)
        assert found.status_code == 200, found.text
        content: dict[str, object] = found.json()
        return content


LONG_NAMES = (
    "บริษัทที่มีชื่อยาวมากจนไม่มีใครจำได้และไม่มีช่องว่างเลยสักที่เดียว" * 2,
    "شركة الأفق البعيد للتجارة والمقاولات العامة والاستيراد والتصدير " * 3,
    "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft",
    "x" * 200,
)


@pytest.fixture(scope="session")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A demo firm of 900 deals, imported and trained on."""
    folder = tmp_path_factory.mktemp("browser")
    write(simulate(World.demo(seed=11), deals=900, years=3, end=END, seed=11), folder / "crm")
    tables = validate(read_source(folder / "crm"), MORNING).tables
    with threadpool_limits(1):
        bundle = train(History.of(tables), to_micros(MORNING)).bundle
    return imported(folder, tables, bundle)


@pytest.fixture(scope="session")
def bare(workspace: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A firm that brought its deals alone, without any other table, all with very long names."""
    deals = Store(workspace / "store").read().deals.tail(300).reset_index(drop=True)
    told = pd.Series([LONG_NAMES[k % len(LONG_NAMES)] for k in range(len(deals))])
    often = told.where(told.index % 3 == 0)
    named = deals.assign(
        name=told, source=often.fillna(deals["source"]), owner_id=often.fillna(deals["owner_id"])
    )
    tables = Tables.of({"deals": named})
    bundle = train(History.of(tables), to_micros(MORNING)).bundle
    return imported(tmp_path_factory.mktemp("bare"), tables, bundle)


@pytest.fixture(scope="session")
def closed(workspace: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo firm without the deals that are open."""
    tables = Store(workspace / "store").read()
    ids = tables.deals.loc[tables.deals["closed_at"].notna(), "deal_id"]
    frames = dict(tables.items())
    for name in OF_A_DEAL:
        frames[name] = frames[name][frames[name]["deal_id"].isin(ids)].reset_index(drop=True)
    bundle = Tracker(workspace).champion()
    assert bundle is not None
    return imported(tmp_path_factory.mktemp("closed"), Tables.of(frames), bundle)


def imported(folder: Path, tables: Tables, bundle: Bundle) -> Path:
    """Make a workspace of tables and a model."""
    Store(folder / "store").merge(tables, "demo", MORNING)
    tracker = Tracker(folder)
    stamped, _ = tracker.register(bundle, params={}, metrics={}, plots={}, data_version="test")
    tracker.promote(stamped.version)
    return folder


def served(workspace: Path, settings: Settings) -> Iterator[Site]:
    """Serve a workspace on a free port of this machine."""
    engine = Engine(workspace, lambda: MORNING)
    assert engine.refresh()
    records = open_records(workspace, "")
    access = Access.of(workspace, settings, records, lambda: pd.Timestamp.now("UTC"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = uvicorn.Config(
        make_app(engine, records, access), "127.0.0.1", port, log_level="error", lifespan="off"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    site = Site(f"http://127.0.0.1:{port}", engine)
    if access.on:
        owner = str(engine.view().deals["owner_id"].mode().iloc[0])
        manager = engine.view().history.tables.owners["manager_id"].mode().iloc[0]
        pairs: tuple[tuple[Role, str | None], ...] = (
            ("admin", None),
            ("rep", owner),
            ("manager", str(manager)),
        )
        for role, owner_id in pairs:
            _, text = create_key(records, role, owner_id, MORNING)
            site.keys[role] = text
    yield site
    server.should_exit = True
    thread.join(10)


@pytest.fixture(scope="module", autouse=True)
def patient() -> Iterator[None]:
    """Wait for what is worked out in the background: other tests look at that state."""
    usual, kept.WAIT_SECONDS = kept.WAIT_SECONDS, 10.0
    yield
    kept.WAIT_SECONDS = usual


@pytest.fixture(scope="module")
def site(workspace: Path) -> Iterator[Site]:
    """The firm's dashboard with keys off."""
    yield from served(workspace, Settings())


@pytest.fixture(scope="module")
def bare_site(bare: Path) -> Iterator[Site]:
    """The dashboard of the firm with deals alone."""
    yield from served(bare, Settings())


@pytest.fixture(scope="module")
def closed_site(closed: Path) -> Iterator[Site]:
    """The dashboard of the firm without an open deal."""
    yield from served(closed, Settings())


@pytest.fixture(scope="module")
def locked(workspace: Path) -> Iterator[Site]:
    """The same dashboard with keys on."""
    yield from served(workspace, Settings(access="keys"))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium for the tests of a module: while it is there, none of them may run a loop."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield chromium
        chromium.close()


@dataclass
class Watched:
    """A page and what went wrong in it."""

    page: Page
    wrong: list[str] = field(default_factory=list)


def watched(context: BrowserContext) -> Watched:
    """Open a page that remembers every error of its console and every failed request."""
    found = Watched(context.new_page())
    page = found.page
    page.set_default_timeout(300_000)
    page.on("console", lambda m: found.wrong.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: found.wrong.append(str(error)))
    page.on("requestfailed", lambda request: found.wrong.append(f"failed: {request.url}"))
    return found


@pytest.fixture
def reader(browser: Browser) -> Iterator[Watched]:
    """A reader at a desk in Bangkok."""
    context = browser.new_context(locale="en-GB", timezone_id="Asia/Bangkok")
    yield watched(context)
    context.close()


@pytest.fixture
def on_phone(browser: Browser) -> Iterator[Watched]:
    """A reader on a phone, in dark mode."""
    context = browser.new_context(
        viewport={"width": 360, "height": 740}, color_scheme="dark", locale="en-GB"
    )
    yield watched(context)
    context.close()


@pytest.fixture
def settled() -> Callable[[Watched, str], Page]:
    """Open an address and wait until it is worked out and its charts are drawn."""

    def open_it(found: Watched, address: str) -> Page:
        page = found.page
        response = page.goto(address, wait_until="load")
        assert response is not None
        assert response.status == 200, address
        page.wait_for_selector("main > *:not(.state.loading)", timeout=600_000)
        page.wait_for_selector("[data-chart]:not(.drawn)", state="detached")
        return page

    return open_it
