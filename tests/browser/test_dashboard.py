import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import axe_playwright_python
import pytest
from playwright.sync_api import Page

from serving.page import ADDRESSES

Open = Callable[[Any, str], Page]
PAGES = list(ADDRESSES.values())
AXE = Path(axe_playwright_python.__file__).with_name("axe.min.js").read_text(encoding="utf-8")


def a_deal(site: Any) -> str:
    """Identifier of the first deal of the list."""
    deals = site.post("/rank", {"top": 1})["deals"]
    assert isinstance(deals, list)
    return str(deals[0]["deal_id"])


def serious(page: Page) -> list[str]:
    """Violations of the accessibility rules that axe calls serious or critical."""
    page.evaluate(AXE)
    found = page.evaluate("axe.run({resultTypes: ['violations']})")
    return [
        f"{each['id']}: {node['html'][:200]}"
        for each in found["violations"]
        if each["impact"] in ("serious", "critical")
        for node in each["nodes"]
    ]


@pytest.mark.parametrize("path", [*PAGES, "deal"])
def test_a_page_opens_without_error_and_is_accessible(
    path: str, site: Any, reader: Any, settled: Open
) -> None:
    address = f"/deals/{a_deal(site)}" if path == "deal" else path
    page = settled(reader, site.base + address)
    assert not reader.wrong
    assert page.locator("h1").count() == 1
    assert not serious(page)


@pytest.mark.parametrize("path", [*PAGES, "deal"])
def test_a_page_fits_a_phone_in_dark_mode_and_in_thai(
    path: str, site: Any, on_phone: Any, settled: Open
) -> None:
    address = f"/deals/{a_deal(site)}" if path == "deal" else path
    page = settled(on_phone, f"{site.base}{address}?lang=th")
    assert not on_phone.wrong
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert page.locator("html").get_attribute("lang") == "th"
    assert not serious(page)


def test_the_figures_of_today_are_those_of_the_api(site: Any, reader: Any, settled: Open) -> None:
    page = settled(reader, site.base + "/")
    told = site.post("/rank", {"top": 25})
    deals = told["deals"]
    assert isinstance(deals, list)
    assert f"{told['open_deals']} open deals" in page.locator(".heading").inner_text()
    shown = page.locator(".deal")
    assert shown.count() == 25
    for place, deal in enumerate(deals):
        row = shown.nth(place)
        assert deal["name"] in row.locator("h2").inner_text()
        assert f"{deal['expected_revenue_90']:,.0f}" in row.inner_text()
        assert f"{deal['p_won_90']:.0%}" in row.locator(".win").inner_text()


def test_the_figures_of_the_forecast_are_those_of_the_api(
    site: Any, reader: Any, settled: Open
) -> None:
    page = settled(reader, site.base + "/forecast?kind=quarter")
    told = site.post("/forecast", {"period": "quarter", "periods": 3, "by": ["team", "owner"]})
    rows = told["rows"]
    assert isinstance(rows, list)
    text = page.locator("main").inner_text()
    for row in rows:
        if row["scope"] == "total":
            assert f"{row['mean']:,.0f}" in text
            assert row["period"] in text
    first = next(row for row in rows if row["scope"] == "total")
    assert f"{first['target']:,.0f}" in text
    assert f"{first['p_target']:.0%}" in text or "<1%" in text or ">99%" in text


def test_the_figures_of_the_pipeline_are_those_of_the_api(
    site: Any, reader: Any, settled: Open
) -> None:
    page = settled(reader, site.base + "/pipeline")
    told = site.post("/rank", {"top": 1})
    assert page.locator(".tile dd").first.inner_text() == f"{told['open_deals']:,}"
    rows = site.post("/forecast", {"period": "quarter", "periods": 3})["rows"]
    assert isinstance(rows, list)
    with_target = [row for row in rows if row["scope"] == "total" and row["target"]]
    lines = page.locator("[aria-labelledby=table-coverage] tbody tr").all_inner_texts()
    for row, line in zip(with_target, lines, strict=False):
        assert row["period"] in line
        assert f"{row['target']:,.0f}" in line
        assert f"{row['booked']:,.0f}" in line
    assert with_target


def test_filters_act_at_once_and_stand_in_the_address(
    site: Any, reader: Any, settled: Open
) -> None:
    page = settled(reader, site.base + "/")
    page.locator("select[name=stage]").select_option("proposal")
    page.wait_for_url("**stage=proposal**")
    stages = page.locator(".deal .stage").all_inner_texts()
    assert stages
    assert set(stages) == {"proposal"}
    page.locator("input[type=search]").fill("zzz no such deal")
    page.keyboard.press("Enter")
    page.wait_for_selector(".state.empty")
    page.get_by_role("link", name="Clear filters").first.click()
    page.wait_for_selector(".deal")
    assert page.url == site.base + "/"


def test_a_lane_is_one_click_away_and_back(site: Any, reader: Any, settled: Open) -> None:
    page = settled(reader, site.base + "/")
    lane = page.locator(".lanes a").first
    count = int(re.sub(r"\D", "", lane.locator("b").inner_text()))
    lane.click()
    page.wait_for_selector(".lanes a[aria-current]")
    assert f"{count} open deal" in page.locator(".heading").inner_text()
    page.locator(".lanes a[aria-current]").click()
    page.wait_for_selector(".lanes a:not([aria-current])")


def test_the_list_is_paged_and_exported(site: Any, reader: Any, settled: Open) -> None:
    page = settled(reader, site.base + "/?size=10")
    page.locator("a[rel=next]").click()
    page.wait_for_url("**page=2**")
    assert page.locator(".rank").first.inner_text() == "11"
    with page.expect_download() as download:
        page.locator("a.download").first.click()
    text = download.value.path().read_text(encoding="utf-8-sig")
    open_deals = site.post("/rank", {"top": 1})["open_deals"]
    assert len(text.strip().splitlines()) == int(str(open_deals)) + 1


def test_the_keyboard_alone_finds_and_opens_a_deal(site: Any, reader: Any, settled: Open) -> None:
    page = settled(reader, site.base + "/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("j")
    page.keyboard.press("j")
    name = page.evaluate("document.activeElement.textContent")
    page.keyboard.press("Enter")
    page.wait_for_url("**/deals/**")
    assert page.locator("h1").inner_text() == name
    page.goto(site.base + "/")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.type") == "search"


def test_times_are_told_in_the_zone_of_the_reader(site: Any, reader: Any, settled: Open) -> None:
    page = settled(reader, site.base + "/")
    as_of = site.engine.view().instant.tz_convert("Asia/Bangkok")
    assert f"{as_of:%H:%M}" in page.locator(".facts time").inner_text()


def test_supposing_a_meeting_gives_another_score(site: Any, reader: Any, settled: Open) -> None:
    page = settled(reader, f"{site.base}/deals/{a_deal(site)}")
    page.locator("select[name=if_activity]").select_option("meeting")
    page.get_by_role("button", name="Try").click()
    page.wait_for_selector("#what-if ~ .said, .said")
    assert "→" in page.locator(".said").first.inner_text()
    assert not reader.wrong


def test_feedback_is_kept_and_shown(site: Any, reader: Any, settled: Open) -> None:
    page = settled(reader, f"{site.base}/deals/{a_deal(site)}")
    page.locator("select[name=kind]").select_option("correction")
    page.locator("input[name=value]").fill("80")
    page.locator("input[name=note]").fill("พวกเขาเซ็นแล้ว")
    page.get_by_role("button", name="Keep").click()
    page.wait_for_url("**kept=1**")
    assert "พวกเขาเซ็นแล้ว" in page.locator("main").inner_text()
    assert "80%" in page.locator("main").inner_text()
    page.locator("input[name=value]").fill("no number")
    page.get_by_role("button", name="Keep").click()
    page.wait_for_url("**wrong=1**")
    assert page.locator("[role=alert]").count() == 1


def test_a_rep_signs_in_sees_own_deals_and_signs_out(
    locked: Any, reader: Any, settled: Open
) -> None:
    page = reader.page
    page.goto(locked.base + "/?size=100")
    page.wait_for_url("**/sign-in**")
    assert not serious(page)
    page.locator("input[name=key]").fill("no such key")
    page.get_by_role("button").click()
    page.wait_for_selector("[role=alert]")
    page.locator("input[name=key]").fill(locked.keys["rep"])
    page.get_by_role("button").click()
    page.wait_for_selector(".deal")
    deals = locked.engine.view().deals
    owner = str(deals["owner_id"].mode().iloc[0])
    mine = set(deals.loc[deals["owner_id"] == owner, "deal_id"])
    hrefs = [link.get_attribute("href") for link in page.locator(".deal h2 a").all()]
    assert {str(href).rsplit("/", 1)[-1] for href in hrefs} == mine
    other = str(deals.loc[deals["owner_id"] != owner, "deal_id"].iloc[0])
    assert page.goto(f"{locked.base}/deals/{other}").status == 404  # type: ignore[union-attr]
    assert page.goto(f"{locked.base}/team").status == 403  # type: ignore[union-attr]
    cookie = next(c for c in page.context.cookies() if c["name"] == "dealcast_session")
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
    page.goto(f"{locked.base}/deals/{min(mine)}")
    page.locator("select[name=kind]").select_option("note")
    page.locator("input[name=note]").fill("mine")
    page.get_by_role("button", name="Keep").click()
    page.wait_for_url("**kept=1**")
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/sign-in**")


def test_print_leaves_the_navigation_out(site: Any, reader: Any, settled: Open) -> None:
    page = settled(reader, site.base + "/")
    page.emulate_media(media="print")
    assert not page.locator(".side").is_visible()
    assert page.locator(".deal").first.is_visible()
