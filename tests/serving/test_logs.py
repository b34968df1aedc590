from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import anyio
import httpx
import pytest
from fastapi import FastAPI

from serving.app import make_app
from serving.engine import Engine
from serving.logs import OURS, RequestLog, log_to

DEAL = {"deal_id": "n", "stage": "qualified", "created_at": "2026-05-01"}
NAMES = ("Übermäßig & Söhne", "ลูกค้าลับ", "87654321.55", "87654321")


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What is logged meanwhile."""
    ours = logging.getLogger(OURS)
    before = ours.handlers[:], ours.level, ours.propagate
    stream = io.StringIO()
    log_to(stream, "info")
    yield stream
    ours.handlers[:], ours.level, ours.propagate = before


def asked(app: Any, method: str, path: str, **content: Any) -> httpx.Response:
    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.request(method, path, **content)

    return anyio.run(send)


@pytest.mark.slow
def test_names_and_amounts_that_are_sent_are_in_no_line(
    lines: io.StringIO, engine: Engine
) -> None:
    app = make_app(engine)
    name, amount = NAMES[0], 87654321.55
    named = {**DEAL, "deal_id": name, "account_id": name, "owner_id": name, "amount": amount}
    asked(app, "POST", "/predict", json={"deals": [named]})
    asked(app, "POST", "/predict", json={"deals": [{**named, "created_at": name}]})
    asked(app, "POST", "/predict", json={"deals": [{**named, "amount": name}]})
    asked(app, "POST", "/score", json={"deal_ids": [name]})
    asked(app, "POST", "/rank", json={"owner": name, "amount_min": amount})
    asked(app, "POST", "/feedback", json={"deal_id": name, "kind": name, "value": amount})
    asked(app, "GET", f"/deals/{name}", params={"q": name, "owner": name})
    asked(app, "POST", "/explain", content=name.encode())
    assert lines.getvalue().count("\n") >= 8
    assert not [word for word in (name, name.split()[0], "87654321") if word in lines.getvalue()]


def an_app() -> RequestLog:
    app = FastAPI()

    @app.get("/deals/{name}")
    def deal(name: str) -> str:
        return name

    @app.get("/fails/{name}")
    def fails(name: str) -> str:
        try:
            return {"other": ""}[name]
        except KeyError:
            logging.getLogger("dealcast.serving").exception("unforeseen")
        return ""

    return RequestLog(app)


def test_a_line_is_json_with_the_request_it_belongs_to(lines: io.StringIO) -> None:
    answer = asked(an_app(), "GET", "/deals/7", headers={"X-Request-ID": "call-1"})
    line = json.loads(lines.getvalue())
    assert answer.headers["x-request-id"] == line["request_id"] == "call-1"
    assert (line["method"], line["path"], line["status"]) == ("GET", "/deals/{name}", 200)
    assert (line["level"], line["logger"]) == ("info", "dealcast.request")
    assert line["ms"] >= 0


@pytest.mark.parametrize("chosen", ["", "a b", "x" * 65, 'a"}', "ก"])
def test_an_identifier_that_is_no_plain_word_is_replaced(lines: io.StringIO, chosen: str) -> None:
    headers = {"X-Request-ID": chosen.encode()} if chosen else {}
    given = asked(an_app(), "GET", "/deals/7", headers=headers).headers["x-request-id"]
    assert given != chosen
    assert len(given) == 32


def test_each_request_has_an_identifier_of_its_own(lines: io.StringIO) -> None:
    app = an_app()
    given = {asked(app, "GET", "/deals/7").headers["x-request-id"] for _ in range(3)}
    assert len(given) == 3


@pytest.mark.parametrize("name", NAMES)
def test_what_fills_an_address_is_not_logged(lines: io.StringIO, name: str) -> None:
    asked(an_app(), "GET", f"/deals/{name}", params={"owner": name})
    asked(an_app(), "GET", f"/nowhere/{name}")
    assert lines.getvalue().count("\n") == 2
    assert name not in lines.getvalue()
    assert name not in json.dumps([json.loads(x) for x in lines.getvalue().splitlines()])


def test_an_error_is_told_by_kind_and_place_and_not_by_what_it_says(lines: io.StringIO) -> None:
    asked(an_app(), "GET", f"/fails/{NAMES[0]}")
    line = json.loads(lines.getvalue().splitlines()[0])
    assert line["error"] == "KeyError"
    assert "fails" in line["at"][-1]
    assert line["request_id"]
    assert NAMES[0] not in lines.getvalue()


def test_less_serious_lines_than_the_setting_are_left_out(lines: io.StringIO) -> None:
    log_to(lines, "warning")
    asked(an_app(), "GET", "/deals/7")
    assert lines.getvalue() == ""
