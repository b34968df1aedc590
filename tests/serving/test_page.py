import csv
import html
import io
import re
import threading
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from data.tables import OF_A_DEAL, Tables
from features.history import History
from features.windows import DAY
from serving.engine import Engine
from serving.limits import HEADERS
from serving.metrics import metrics_text
from serving.page import ADDRESSES, PAGES, make_templates
from serving.pages import kept
from serving.plot import plot_script
from serving.view import View, to_micros
from training.train import train

EngineAt = Callable[[Path], Engine]
EVERY = [ADDRESSES[name] for name in PAGES]


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for what is worked out in the background."""
    monkeypatch.setattr(kept, "WAIT_SECONDS", 600.0)


def rows_of(text: str) -> list[dict[str, str]]:
    """Rows of a CSV file as a spreadsheet reads it."""
    assert text.startswith("\ufeff")
    return list(csv.DictReader(io.StringIO(text[1:])))


@pytest.mark.parametrize("path", EVERY)
def test_a_page_without_a_store_says_what_to_do(
    path: str, tmp_path: Path, engine_at: EngineAt, client_of
) -> None:
    engine = engine_at(tmp_path)
    engine.refresh()
    page = client_of(engine).get(path)
    assert page.status_code == 503
    assert "dealcast import" in page.text
    assert 'http-equiv="refresh"' in page.text


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
    for path in ("/", "/deals/O"):
        page = client_of(engine).get(path)
        assert page.status_code == 200
        assert "<script>alert" not in page.text
        assert "&lt;script&gt;alert" in page.text


@pytest.mark.parametrize("path", EVERY)
def test_a_page_of_five_deals_opens_in_each_language(
    path: str, small_view: View, engine_at: EngineAt, client_of
) -> None:
    engine = engine_at(Path())
    engine._current = small_view
    for language in ("en", "th"):
        page = client_of(engine).get(path, params={"lang": language})
        assert page.status_code == 200, page.text
        assert f'<html lang="{language}">' in page.text
        assert 'class="state loading"' not in page.text
        assert f"language={language}" in page.headers["set-cookie"]


def test_a_page_that_fails_says_so_and_what_to_do(
    small_view: View, engine_at: EngineAt, client_of, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = engine_at(Path())
    engine._current = small_view
    monkeypatch.setitem(small_view.memo, "book", None)
    page = client_of(engine).get("/")
    assert page.status_code == 500
    assert "Try again" in page.text
    assert "Traceback" not in page.text


def test_a_page_that_is_being_worked_out_says_so_and_comes_by_itself(
    small_view: View, engine_at: EngineAt, client_of, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, go = engine_at(Path()), threading.Event()
    engine._current = small_view
    monkeypatch.setattr(kept, "WAIT_SECONDS", 0.05)
    monkeypatch.setattr("serving.pages.team.performance", lambda *_: go.wait(30) and None)
    page = client_of(engine).get("/team")
    assert page.status_code == 200
    assert "Working it out" in page.text
    assert 'http-equiv="refresh" content="2"' in page.text
    go.set()
    monkeypatch.setattr(kept, "WAIT_SECONDS", 600.0)
    assert "Too few closed deals" in client_of(engine).get("/team").text


def test_a_reader_sees_the_deals_and_rows_in_sight_alone(
    small_view: View, engine_at: EngineAt, client_of
) -> None:
    engine = engine_at(Path())
    engine._current = small_view
    rep = client_of(engine, sight=lambda *_: frozenset({"ann"}))
    today = rep.get("/").text
    assert 'href="/deals/O"' in today
    assert 'href="/deals/R"' not in today
    assert rep.get("/deals/R").status_code == 404
    assert rep.get("/deals/L").status_code == 404
    assert rep.get("/deals/W").status_code == 200
    assert rep.get("/team").status_code == 403
    members = rows_of(rep.get("/forecast.csv?table=roll_up").text)
    assert {row["member"] for row in members} <= {"Ann", "north"}
    slipped = rep.get("/pipeline.csv?table=close_out").text
    assert "Bob" not in slipped


@pytest.mark.parametrize("path", EVERY)
def test_stale_data_are_told_on_every_page_with_what_to_do(
    path: str, small_view: View, engine_at: EngineAt, client_of
) -> None:
    engine, later = engine_at(Path()), small_view.as_of + 30 * DAY
    engine._current = View.of(small_view.history, small_view.bundle, "five", later)
    for language, word in (("en", "stale"), ("th", "ข้อมูลเก่า")):
        notes = client_of(engine).get(path, params={"lang": language}).text
        notes = notes[notes.index('<ul class="notes"') :].split("</ul>")[0]
        assert word in notes
        assert "dealcast import" in notes


def test_the_bars_of_a_team_are_those_of_its_owners(
    small_view: View, engine_at: EngineAt, client_of
) -> None:
    engine, sums = engine_at(Path()), []
    engine._current = small_view
    for sight in (("ann",), ("bob",), ("ann", "bob")):
        small_view.history.tables.owners["team"] = "north"
        seeing = client_of(engine, sight=lambda *_, sight=sight: frozenset(sight))
        rows = rows_of(seeing.get("/forecast.csv?table=bridge").text)
        sums.append(pd.Series({row["bar"]: float(row["value"]) for row in rows}))
    ann, bob, both = sums
    assert both.abs().sum() > 0
    pd.testing.assert_series_equal(
        ann.add(bob, fill_value=0), both.sort_index(), check_names=False
    )


@pytest.mark.parametrize("identifier", ["A/7?#1", "ดีล 1", "100%"])
def test_a_deal_of_any_identifier_is_reached_from_every_table(
    identifier: str, five_deals: Tables, now: pd.Timestamp, engine_at: EngineAt, client_of
) -> None:
    frames = dict(five_deals.items())
    for name in OF_A_DEAL:
        frames[name] = frames[name].assign(
            deal_id=frames[name]["deal_id"].replace("O", identifier)
        )
    history = History.of(Tables.of(frames))
    bundle, engine = train(history, to_micros(now)).bundle, engine_at(Path())
    engine._current = View.of(history, bundle, "five", to_micros(now))
    client = client_of(engine)
    for path in ("/", "/forecast"):
        links = set(re.findall(r'href="(/deals/[^"]+)"', client.get(path).text))
        names = [client.get(html.unescape(link)).text for link in links]
        assert all("<h1" in name for name in names)
        assert any(f'<h1 dir="auto">{html.escape(identifier)}</h1>' in name for name in names), (
            path
        )


@pytest.mark.slow
@pytest.mark.parametrize("path", EVERY)
def test_every_table_of_a_page_is_a_file(path: str, client) -> None:
    files = set(re.findall(r'href="([^"]+\.csv\?[^"]*)" download', client.get(path).text))
    assert files
    for file in files:
        answer = client.get(html.unescape(file))
        assert answer.status_code == 200, file
        assert answer.headers["content-type"].startswith("text/csv")
        assert len(rows_of(answer.text)) > 0, file


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


def test_a_closed_deal_shows_its_end_and_no_score(
    small_view: View, engine_at: EngineAt, client_of
) -> None:
    engine = engine_at(Path())
    engine._current = small_view
    page = client_of(engine).get("/deals/W")
    assert page.status_code == 200
    assert "Won on 15 Mar 2024" in page.text
    assert "Won in 90 days" not in page.text


def test_an_unknown_deal_is_told(small_view: View, engine_at: EngineAt, client_of) -> None:
    engine = engine_at(Path())
    engine._current = small_view
    page = client_of(engine).get("/deals/<b>")
    assert page.status_code == 404
    assert "&lt;b&gt;" in page.text


def test_the_timeline_tells_what_was_logged_late(
    small_view: View, engine_at: EngineAt, client_of
) -> None:
    engine = engine_at(Path())
    engine._current = small_view
    assert "logged 10 days late" in client_of(engine).get("/deals/O").text


@pytest.mark.slow
def test_today_shows_the_deals_in_the_order_of_the_list(client, engine: Engine) -> None:
    page = client.get("/?size=5")
    assert page.status_code == 200
    listed = client.post("/rank", {"top": 5}).json()["deals"]
    assert re.findall(r'<h2 dir="auto"><a href="/deals/(\w+)"', page.text) == [
        deal["deal_id"] for deal in listed
    ]
    for deal in listed:
        assert f"{deal['expected_revenue_90']:,.0f}" in page.text
    assert page.headers["content-security-policy"] == HEADERS["Content-Security-Policy"]


@pytest.mark.slow
def test_the_pages_together_show_every_deal_once(client, engine: Engine) -> None:
    ids = set(engine.view().deals["deal_id"])
    shown = []
    for number in range(1, 20):
        page = client.get(f"/?size=10&page={number}").text
        shown += re.findall(r'class="rank">(\d+)<', page)
        if 'rel="next"' not in page:
            break
    assert shown == [str(n) for n in range(1, len(ids) + 1)]


@pytest.mark.slow
def test_a_page_beyond_the_last_is_the_last(client) -> None:
    assert 'class="rank"' in client.get("/?page=999999").text
    assert 'class="rank"' in client.get("/?page=-7&size=x").text


@pytest.mark.slow
def test_the_list_of_an_owner_holds_that_owner_alone(client, engine: Engine) -> None:
    owner = engine.view().deals["owner_id"].iloc[0]
    mine = (engine.view().deals["owner_id"] == owner).sum()
    page = client.get("/", params={"owner": owner, "size": 200}).text
    assert page.count('class="rank"') == mine
    assert f'value="{owner}" selected' in page


@pytest.mark.slow
def test_a_lane_holds_the_deals_with_its_flag(client, engine: Engine) -> None:
    flagged = {d for d, f in engine.view().deals[["deal_id", "flags"]].values if "silent" in f}
    file = client.get("/today.csv", params={"table": "deals", "lane": "silent"})
    assert {row["deal_id"] for row in rows_of(file.text)} == flagged != set()


@pytest.mark.slow
def test_a_search_finds_a_name_in_any_case(client, engine: Engine) -> None:
    name = engine.view().deals["name"].iloc[0]
    file = client.get("/today.csv", params={"table": "deals", "q": name.upper()})
    assert name in {row["name"] for row in rows_of(file.text)}


@pytest.mark.slow
def test_the_file_of_today_holds_every_deal_with_its_numbers_in_full(
    client, engine: Engine
) -> None:
    rows = rows_of(client.get("/today.csv?table=deals&page=2").text)
    deals = engine.view().deals.set_index("deal_id")
    assert len(rows) == len(deals)
    assert all(float(r["p_won_90"]) == deals.loc[r["deal_id"], "p_won_90"] for r in rows)
    assert client.get("/today.csv?table=none").status_code == 404


@pytest.mark.slow
def test_the_page_of_a_deal_equals_its_score(client, engine: Engine) -> None:
    deal_id = engine.view().deals["deal_id"].iloc[3]
    score = client.post("/score", {"deal_ids": [deal_id]}).json()["deals"][0]
    page = client.get(f"/deals/{deal_id}").text
    assert f"<dd>{score['p_won_90']:.0%}" in page
    assert f"{score['expected_revenue_90']:,.0f}" in page
    curve = rows_of(client.get(f"/deals/{deal_id}.csv?table=curve").text)
    explained = client.post("/explain", {"deal_id": deal_id}).json()["curve"]
    assert [float(r["p_won"]) for r in curve] == [each["p_won"] for each in explained]
