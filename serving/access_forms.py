"""The token that every write of a signed-in browser must carry: against forms of other sites."""

from __future__ import annotations

from urllib.parse import parse_qsl

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from serving.access import Access
from serving.access_refusals import SAFE, refusal
from serving.limits import replayed
from serving.problems import problem
from serving.sessions import FIELD, HEADER

FORM = "application/x-www-form-urlencoded"


class FormGuard:
    """Refuses what a signed-in browser writes without the token of one of its session's pages.

    It stands behind the limit on bodies: a form's token is read from the body.
    """

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self.app, self.access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it."""
        session = scope.get("state", {}).get("session") if scope["type"] == "http" else None
        if session is None or scope["method"] in SAFE:
            await self.app(scope, receive, send)
            return
        token, receive = await self._token(scope, receive)
        if self.access.sessions.is_csrf(session, token):
            await self.app(scope, receive, send)
            return
        refused = problem(
            403,
            "no token of a page of this session",
            f"load the page again; a script sends the token as {HEADER}, a form as {FIELD}",
        )
        await refusal(scope, refused.problem, {})(scope, receive, send)

    async def _token(self, scope: Scope, receive: Receive) -> tuple[str, Receive]:
        headers = Headers(scope=scope)
        if HEADER in headers or not headers.get("content-type", "").startswith(FORM):
            return headers.get(HEADER, ""), receive
        message = await receive()
        found = dict(parse_qsl(message.get("body", b"").decode("utf-8", "replace")))
        return found.get(FIELD, ""), replayed(message, receive)
