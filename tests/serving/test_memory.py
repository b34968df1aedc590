"""Memory stays steady: what a request needs is gone when it was answered."""

from __future__ import annotations

import gc
import json
from typing import Any

import anyio
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.front import Front

pytestmark = pytest.mark.slow
REQUESTS = 1_000


class Holding:
    """Middleware that holds on to every request that reaches it, as a limit on time may."""

    def __init__(self, app: ASGIApp, held: list[Scope]) -> None:
        self.app, self.held = app, held

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            self.held.append(scope)
        await self.app(scope, receive, send)


async def ask(app: ASGIApp, path: str, body: bytes, method: str = "POST") -> bytes:
    """Ask once, over no socket; gives the body of the answer."""
    parts: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]
    found: list[Message] = []

    async def receive() -> Message:
        return parts.pop() if parts else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        found.append(message)

    headers = [(b"content-type", b"application/json")]
    scope = {"type": "http", "method": method, "path": path, "headers": headers}
    await app({**scope, "query_string": b"", "client": ("127.0.0.1", 1)}, receive, send)
    assert found[0]["status"] == 200
    return b"".join(part.get("body", b"") for part in found[1:])


async def start(app: ASGIApp) -> None:
    """Start an application, and stop it at once."""
    parts = [{"type": "lifespan.shutdown"}, {"type": "lifespan.startup"}]

    async def receive() -> Message:
        return parts.pop()

    async def send(message: Message) -> None:
        assert message["type"].endswith("complete")

    await app({"type": "lifespan", "state": {}}, receive, send)


async def grown(app: ASGIApp, asked: list[tuple[str, bytes]]) -> int:
    """Objects more than before, after so many requests."""
    for _ in range(2):  # what is kept for good is kept from the first requests on
        gc.collect()
        before = len(gc.get_objects())
        for n in range(REQUESTS):
            await ask(app, *asked[n % len(asked)])
        gc.collect()
        found = len(gc.get_objects()) - before
    return found


def test_a_thousand_requests_leave_as_many_objects_as_there_were(client, engine) -> None:
    features = engine.view().scored.features.iloc[:3].astype(object)
    data = features.where(features.notna(), None).to_numpy().tolist()
    ready: dict[str, Any] = {"columns": list(features.columns), "data": data}
    asked = [
        ("/rank", b'{"top": 5}'),
        ("/score", b'{"reasons": false}'),
        ("/predict/features", json.dumps(ready).encode()),
    ]
    # Frames keep weak references to what looks at them, and drop the dead ones by the hundred.
    assert anyio.run(grown, client.app, asked) < REQUESTS


def test_no_request_reaches_what_stands_before_the_front(client, monkeypatch) -> None:
    held: list[Scope] = []
    monkeypatch.setattr(Front, "application", client.app)
    app = Starlette(middleware=[Middleware(Holding, held=held), Middleware(Front)])
    anyio.run(start, app)
    assert b"deals" in anyio.run(ask, app, "/rank", b"{}")
    assert not held
