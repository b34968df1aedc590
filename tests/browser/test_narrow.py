"""Pages on phones: nothing beside the screen, nothing cut off, whatever the firm has and lacks."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page

from serving.page import ADDRESSES

Open = Callable[[Any, str], Page]
PAGES = list(ADDRESSES.values())
WIDTHS = (320, 360)
CUT = """() => [...document.querySelectorAll("main *")].filter((node) =>
  !node.closest(".scroll, .hidden, svg, .plot, button") && node.clientWidth > 1 &&
  node.scrollWidth > node.clientWidth + 1 && getComputedStyle(node).overflowX !== "visible"
).map((node) => node.outerHTML.slice(0, 120))"""


DRAWN = """() => [...document.querySelectorAll(".plot .main-svg")].every(
  (chart) => chart.clientWidth <= chart.closest(".plot").clientWidth)"""


def fits(page: Page) -> list[str]:
    """What of a page does not fit the widths of phones."""
    wrong = []
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 640})
        found = page.evaluate("document.documentElement.scrollWidth")
        page.wait_for_function(DRAWN)
        wrong += [f"{found} > {width}"] if found > width else []
        wrong += page.evaluate(CUT)
    return wrong


@pytest.mark.parametrize("firm", ["site", "bare_site", "closed_site"])
@pytest.mark.parametrize("path", PAGES)
def test_a_page_fits_small_phones_in_each_language(
    path: str, firm: str, on_phone: Any, settled: Open, request: pytest.FixtureRequest
) -> None:
    base = request.getfixturevalue(firm).base
    for language in ("en", "th"):
        page = settled(on_phone, f"{base}{path}?lang={language}")
        assert page.locator("h1").count() == 1
        assert not fits(page)
    assert not on_phone.wrong


def test_a_deal_with_a_long_name_fits_small_phones(
    bare_site: Any, on_phone: Any, settled: Open
) -> None:
    deals = bare_site.post("/rank", {"top": 4})["deals"]
    for deal in deals:
        page = settled(on_phone, f"{bare_site.base}/deals/{deal['deal_id']}")
        assert page.locator("h1").inner_text().strip() == deal["name"].strip()
        assert not fits(page)
    assert not on_phone.wrong


def test_without_an_open_deal_the_list_says_what_to_do(
    closed_site: Any, on_phone: Any, settled: Open
) -> None:
    page = settled(on_phone, closed_site.base + "/")
    assert "dealcast import" in page.locator(".state.empty").inner_text()
    page = settled(on_phone, closed_site.base + "/forecast")
    assert "0 deals are open" in page.locator("main").inner_text()


def test_the_navigation_shows_where_one_is(site: Any, on_phone: Any, settled: Open) -> None:
    page = settled(on_phone, site.base + "/model-card")
    box = page.locator(".side nav [aria-current]").bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 360
