from __future__ import annotations

import time

import anyio
import httpx
import pytest
from fastapi import FastAPI
from fastapi.responses import StreamingResponse

from serving.access_time import TimeLimit


def slow_app() -> FastAPI:
    app = FastAPI()

    @app.get("/sleeps/{seconds}")
    def sleeps(seconds: float) -> str:
        time.sleep(seconds)
        return "done"

    @app.get("/streams")
    async def streams() -> StreamingResponse:
        async def parts():
            for part in "abc":
                yield part
                await anyio.sleep(0.15)

        return StreamingResponse(parts())

    @app.get("/fails")
    def fails() -> str:
        raise KeyError

    return app


def asked(path: str, seconds: float) -> tuple[httpx.Response, float]:
    async def send() -> tuple[httpx.Response, float]:
        transport = httpx.ASGITransport(TimeLimit(slow_app(), seconds))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            started = time.monotonic()
            return await client.get(path), time.monotonic() - started

    return anyio.run(send)


def test_what_takes_too_long_is_told_in_time() -> None:
    answer, took = asked("/sleeps/1", 0.1)
    assert (answer.status_code, "fewer deals" in answer.json()["remedy"]) == (504, True)
    assert answer.headers["content-type"] == "application/problem+json"
    assert took < 0.9


def test_what_is_answered_in_time_comes_as_it_is() -> None:
    assert asked("/sleeps/0", 5)[0].json() == "done"


def test_an_answer_that_has_begun_is_finished() -> None:
    assert asked("/streams", 0.2)[0].text == "abc"


def test_an_error_goes_on_to_whoever_handles_it() -> None:
    with pytest.raises(KeyError):
        asked("/fails", 5)
