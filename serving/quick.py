"""Ready-made features are answered before the application: its routing would cost as much again.

Plain ASGI. Whatever cannot be answered at once goes on to the application, whose endpoint answers
the long bodies and says what is wrong with the others.
"""

from __future__ import annotations

import asyncio

from starlette.types import ASGIApp, Receive, Scope, Send

from serving.engine import Engine, NotReadyError
from serving.limits import replayed
from serving.problems import ProblemError
from serving.readymade import predicted

PATH = "/predict/features"
QUICK_BYTES = 300_000
"""Bodies up to this are answered at once; a longer one would keep others waiting."""


LONG_BYTES = 10_000
"""Bodies from this on are answered one in each round of the event loop.

Were all that are ready answered in one, a new connection would wait for that round, and the parts
of its body for one more each: under load three times as long as those that are there.
"""


class QuickFeatures:
    """Answers ready-made features; see the module."""

    def __init__(self, app: ASGIApp, engine: Engine) -> None:
        self.app, self.engine = app, engine
        self._round = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on."""
        if scope["type"] != "http" or scope["path"] != PATH or scope["method"] != "POST":
            await self.app(scope, receive, send)
            return
        message = await receive()
        body = message.get("body", b"")
        if message.get("more_body"):
            found = None
        elif len(body) < LONG_BYTES:
            found = self._answer(body)
        else:
            async with self._round:
                found = self._answer(body)
                await asyncio.sleep(0)
        if found is None:
            await self.app(scope, replayed(message, receive), send)
            return
        scope["route"] = next(each for each in scope["app"].routes if each.path == PATH)
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(found)).encode()),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": found})

    def _answer(self, body: bytes) -> bytes | None:
        """Answer, or leave it to the application."""
        if len(body) > QUICK_BYTES:
            return None
        try:
            return predicted(self.engine.held(), body)
        except (ProblemError, NotReadyError):
            return None
