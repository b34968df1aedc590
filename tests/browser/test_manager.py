from collections.abc import Callable
from typing import Any

from playwright.sync_api import Page

Open = Callable[[Any, str], Page]


def test_a_manager_opens_on_the_own_team(locked: Any, reader: Any, settled: Open) -> None:
    page = reader.page
    page.goto(locked.base + "/")
    page.locator("input[name=key]").fill(locked.keys["manager"])
    page.get_by_role("button").click()
    page.wait_for_selector(".deal")
    settled(reader, locked.base + "/forecast?kind=quarter")
    owners = locked.engine.view().history.tables.owners
    manager = owners["manager_id"].mode().iloc[0]
    team = owners.set_index("owner_id")["team"][manager]
    assert team in page.locator("h1").inner_text()
    rows = locked.post("/forecast", {"period": "quarter", "by": ["team"]})["rows"]
    own = next(r for r in rows if (r["scope"], r["scope_id"]) == ("team", team))
    assert f"{own['mean']:,.0f}" in page.locator(".tiles").inner_text()
    assert page.locator("#bridge").count() == 1
    assert settled(reader, locked.base + "/team").locator("h1").count() == 1
    assert not reader.wrong
