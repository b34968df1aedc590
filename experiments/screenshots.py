"""Pictures of every page of the dashboard, light and dark, desktop and phone, into docs/img.

Run `python -m experiments.screenshots --workspace DIR`; the workspace has a store and a model, and
Chromium is there (`apt-get install chromium fonts-noto-core fonts-noto-cjk fonts-thai-tlwg`).
"""

from __future__ import annotations

import argparse
import io
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import uvicorn
from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from serving.app import make_app
from serving.engine import Engine
from serving.page import ADDRESSES
from serving.pages import kept
from serving.records import open_records

FOLDER = Path(__file__).parents[1] / "docs" / "img"
SIZES = {"desktop": (1360, 900), "phone": (390, 844)}
SCHEMES = ("light", "dark")
TALLEST = {"desktop": 1500, "phone": 1700}
COLOURS = 128


def main() -> None:
    """Take every picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workspace", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=FOLDER)
    parser.add_argument("--only", nargs="*", help="names of pages [default: all]")
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    with _served(asked.workspace) as (base, engine), sync_playwright() as playwright:
        found = shutil.which("chromium") or shutil.which("chromium-browser")
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        deal = engine.view().deals.sort_values("priority")["deal_id"].iloc[-2]
        pages = {**ADDRESSES, "deal": f"/deals/{deal}"}
        for name, path in pages.items():
            if not asked.only or name in asked.only:
                _pictures(browser, base + path, asked.out / name)
        browser.close()


@contextmanager
def _served(workspace: Path) -> Iterator[tuple[str, Engine]]:
    """Serve a workspace without keys on a free port of this machine."""
    now = pd.Timestamp.now("UTC").as_unit("us")
    engine = Engine(workspace, lambda: now)
    if not engine.refresh():
        raise SystemExit(f"{workspace} cannot be served; give one with a store and a model")
    kept.WAIT_SECONDS = 600.0
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    app = make_app(engine, open_records(workspace, ""))
    server = uvicorn.Server(uvicorn.Config(app, "127.0.0.1", port, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    yield f"http://127.0.0.1:{port}", engine
    server.should_exit = True
    thread.join(10)


def _pictures(browser: Browser, address: str, stem: Path) -> None:
    for size, (width, height) in SIZES.items():
        for scheme in SCHEMES:
            context = browser.new_context(
                viewport={"width": width, "height": height},
                color_scheme="dark" if scheme == "dark" else "light",
                locale="en-GB",
            )
            page = context.new_page()
            page.set_default_timeout(300_000)
            page.goto(address)
            page.wait_for_selector("[data-chart]:not(.drawn)", state="detached")
            path = stem.with_name(f"{stem.name}-{scheme}-{size}.png")
            _save(page.screenshot(full_page=True), path, TALLEST[size])
            context.close()


def _save(picture: bytes, path: Path, tallest: int) -> None:
    """Cut off what is below, and keep few colours: small files."""
    with Image.open(io.BytesIO(picture)) as whole:
        part = whole.convert("RGB").crop((0, 0, whole.width, min(whole.height, tallest)))
    part.quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"{path} {path.stat().st_size / 1024:,.0f} KB")


if __name__ == "__main__":
    main()
