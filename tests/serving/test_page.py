import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from serving.engine import Engine
from serving.figures import chance, count, day, days, money
from serving.limits import HEADERS
from serving.metrics import metrics_text
from serving.page import make_templates
from serving.plot import plot_script
from serving.view import View

EngineAt = Callable[[Path], Engine]


def test_money_has_separators_and_its_currency() -> None:
    assert money(1234567.8, "EUR") == "€1,234,568"
    assert money(950.0, "CHF") == "CHF 950"
    assert money(12.0) == "12"
    assert money(float("nan"), "EUR") == money(None) == "–"


def test_a_chance_is_never_shown_as_the_certainty_that_it_is_not() -> None:
    assert [chance(p) for p in (0.0, 0.001, 0.314, 0.999, 1.0)] == [
        "0%",
        "<1%",
        "31%",
        ">99%",
        "100%",
    ]


def test_days_are_written_shortly() -> None:
    assert day(pd.Timestamp("2026-03-05"), year=2026) == "5 Mar"
    assert day(pd.Timestamp("2027-03-05"), year=2026) == "5 Mar 2027"
    assert (days(1.2), days(3000.0), days(float("nan"))) == ("1 day", "3,000 days", "–")
    assert (count(12.345), count(3)) == ("12.3", "3")


def test_a_page_without_a_store_says_what_to_do(
    tmp_path: Path, engine_at: EngineAt, client_of
) -> None:
    engine = engine_at(tmp_path)
    engine.refresh()
    page = client_of(engine).get("/")
    assert page.status_code == 503
    assert "dealcast import" in page.text


def test_an_endpoint_without_a_store_is_not_ready_and_says_why(
    tmp_path: Path, engine_at: EngineAt, client_of
) -> None:
    engine = engine_at(tmp_path)
    engine.refresh()
    for path in ("/rank", "/score", "/forecast"):
        response = client_of(engine).post(path)
        assert response.status_code == 503
        assert "dealcast import" in response.json()["detail"]
        assert response.headers["retry-after"]
    assert "dealcast_ready 0" in metrics_text(engine)


def test_names_are_escaped(small_view: View, engine_at: EngineAt, client_of) -> None:
    engine = engine_at(Path())
    small_view.history.tables.deals["name"] = "<script>alert(1)</script>"
    vars(small_view).pop("deals", None)
    engine._current = small_view
    page = client_of(engine).get("/")
    assert page.status_code == 200
    assert "<script>alert" not in page.text
    assert "&lt;script&gt;alert" in page.text


def test_no_template_holds_an_inline_script_or_style() -> None:
    templates = make_templates()
    for name in templates.list_templates():
        source, *_ = templates.loader.get_source(templates, name)  # type: ignore[union-attr]
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", source), name


def test_the_policy_lets_no_inline_script_in() -> None:
    policy = HEADERS["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "script-src 'self';" in policy


def test_the_script_of_the_plot_comes_packed_where_the_browser_can_unpack_it(
    tmp_path: Path, engine_at: EngineAt, client_of
) -> None:
    client = client_of(engine_at(tmp_path))
    packed = client.get("/static/plotly.js", headers={"accept-encoding": "gzip"})
    plain = client.get("/static/plotly.js", headers={"accept-encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.content == plain.content == plot_script(packed=False)


@pytest.mark.slow
def test_the_page_shows_the_list_and_the_forecast(client, engine: Engine) -> None:
    page = client.get("/?top=5")
    assert page.status_code == 200
    assert page.text.count('<li class="deal">') == 5
    first = engine.view().deals.sort_values("priority", ascending=False).iloc[0]
    assert first["deal_id"] in page.text
    for row in engine.view().outlook("month", 3, ()).frame.query("scope == 'total'")["mean"]:
        assert f"{row:,.0f}" in page.text
    assert page.headers["content-security-policy"] == HEADERS["Content-Security-Policy"]


@pytest.mark.slow
def test_the_pages_together_show_every_deal_once(client, engine: Engine) -> None:
    ids = set(engine.view().deals["deal_id"])
    shown = []
    for number in range(1, 20):
        page = client.get(f"/?top=10&page={number}").text
        shown += re.findall(r'class="rank">(\d+)<', page)
        if 'rel="next"' not in page:
            break
    assert shown == [str(n) for n in range(1, len(ids) + 1)]


@pytest.mark.slow
def test_a_page_beyond_the_last_is_the_last(client) -> None:
    assert 'class="rank"' in client.get("/?page=999999").text


@pytest.mark.slow
def test_the_page_of_an_owner_shows_that_owner_alone(client, engine: Engine) -> None:
    owner = engine.view().deals["owner_id"].iloc[0]
    mine = (engine.view().deals["owner_id"] == owner).sum()
    page = client.get("/", params={"owner": owner, "top": 200}).text
    assert page.count('<li class="deal">') == mine
    assert f'value="{owner}" selected' in page


@pytest.mark.slow
def test_an_unknown_owner_is_told_with_the_close_ones(client) -> None:
    page = client.get("/", params={"owner": "O0000<b>"})
    assert page.status_code == 404
    assert "O0000&lt;b&gt;" in page.text
    assert "owner=O0000" in page.text
