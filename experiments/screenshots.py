"""Pictures of every page of the dashboard, light and dark, desktop and phone, into docs/img.

Run `python -m experiments.screenshots --workspace DIR`; the workspace has a store and a model, and
Chromium is there (`apt-get install chromium fonts-noto-core fonts-noto-cjk fonts-noto-color-emoji
fonts-thai-tlwg`). After `dealcast backtest` and `dealcast backtest --forecast` Model and Forecast
show their past, too.
"""

from __future__ import annotations

import argparse
import io
import json
import shutil
import urllib.request
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from experiments.processes import dealcast, free_port, server

FOLDER = Path(__file__).parents[1] / "docs" / "img"
SIZES = {"desktop": (1360, 900), "phone": (390, 844)}
SCHEMES = ("light", "dark")
TALLEST = {"desktop": 1500, "phone": 1700}
COLOURS = 128


ADDRESSES = {
    "today": "/",
    "forecast": "/forecast",
    "pipeline": "/pipeline",
    "team": "/team",
    "sources": "/sources",
    "data": "/data",
    "model": "/model-card",
}


def main() -> None:
    """Take every picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workspace", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=FOLDER)
    parser.add_argument("--only", nargs="*", help="names of pages [default: all]")
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    port = free_port()
    command = dealcast(asked.workspace, "serve", "--port", str(port))
    with (
        server(command, port, "/readyz", asked.workspace / "served.log"),
        sync_playwright() as playwright,
    ):
        found = shutil.which("chromium") or shutil.which("chromium-browser")
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        base = f"http://127.0.0.1:{port}"
        for name, path in {**ADDRESSES, "deal": _deal(base)}.items():
            if not asked.only or name in asked.only:
                _pictures(browser, base + path, asked.out / name)
        browser.close()


def _deal(base: str) -> str:
    """Address of the second deal of the list."""
    asked = urllib.request.Request(  # noqa: S310
        f"{base}/rank", b'{"top": 2}', {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(asked, timeout=300) as answer:  # noqa: S310
        return f"/deals/{json.load(answer)['deals'][-1]['deal_id']}"


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
            page.wait_for_selector("main > *:not(.state.loading)")
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
