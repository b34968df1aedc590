"""Answers already written: the same question to the same view gets the same bytes again.

Plain ASGI before the application. An answer lives with the view that it was drawn from: whatever
replaces the view (an import, a champion, the next hour) begins with none. What a caller may see
is part of the question.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.engine import Engine, NotReadyError
from serving.limits import replayed
from serving.view import View

PATHS = frozenset({"/rank", "/score", "/forecast", "/changes"})
"""Addresses that answer from the view alone."""
LONGEST_QUESTION = 4_096
MOST_BYTES = 64 * 1024 * 1024
"""Room for the answers of one view; the ones longest unasked give way."""


@dataclass(eq=False)
class Kept:
    """The answers of one view."""

    answers: OrderedDict[Any, tuple[list[Message], BaseRoute | None]] = field(
        default_factory=OrderedDict
    )
    size: int = 0

    def find(self, key: Any) -> tuple[list[Message], BaseRoute | None] | None:
        """Give an answer, and remember that it was asked."""
        found = self.answers.get(key)
        if found is not None:
            self.answers.move_to_end(key)
        return found

    def add(self, key: Any, messages: list[Message], route: BaseRoute | None) -> None:
        """Keep an answer; the ones longest unasked give way to it."""
        if key in self.answers or _size(messages) > MOST_BYTES:
            return
        self.answers[key] = (messages, route)
        self.size += _size(messages)
        while self.size > MOST_BYTES:
            _, (old, _) = self.answers.popitem(last=False)
            self.size -= _size(old)


def _size(messages: list[Message]) -> int:
    return sum(len(message.get("body", b"")) for message in messages)


class KeptAnswers:
    """Answers again what was answered before; see the module."""

    def __init__(self, app: ASGIApp, engine: Engine) -> None:
        self.app, self.engine = app, engine

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on and keep its answer."""
        if scope["type"] != "http" or scope["path"] not in PATHS or scope["method"] != "POST":
            await self.app(scope, receive, send)
            return
        message = await receive()
        view, body = self._view(), message.get("body", b"")
        # An instant of its own may be answered by a model that the registry learns of later.
        if (
            view is None
            or message["type"] != "http.request"
            or message.get("more_body", False)
            or len(body) > LONGEST_QUESTION
            or b"as_of" in body
        ):
            await self.app(scope, replayed(message, receive), send)
            return
        kind = next((v for n, v in scope["headers"] if n == b"content-type"), b"")
        key = (scope["path"], body, kind, scope.get("state", {}).get("caller"))
        kept: Kept = view.memo.setdefault("answers", Kept())
        found = kept.find(key)
        if found is not None:
            messages, scope["route"] = found
            for part in messages:
                await send(dict(part))
            return
        await self._ask(view, kept, key, scope, replayed(message, receive), send)

    async def _ask(
        self, view: View, kept: Kept, key: Any, scope: Scope, receive: Receive, send: Send
    ) -> None:
        messages: list[Message] = []

        async def keeping(message: Message) -> None:
            messages.append(dict(message))
            await send(message)

        await self.app(scope, receive, keeping)
        # Only what was surely drawn from this view: no other came in between.
        whole = bool(messages) and not messages[-1].get("more_body", False)
        if whole and messages[0].get("status") == 200 and self._view() is view:
            kept.add(key, messages, scope.get("route"))

    def _view(self) -> View | None:
        try:
            return self.engine.view()
        except NotReadyError:
            return None
