"""The gate before the application: nobody passes it unknown, too often, or from another site.

Plain ASGI. What passes carries `request.state.caller` (a `Viewer`), and of a signed-in browser
`request.state.csrf_token` for its forms. What is denied is answered here, and audited.
"""

from __future__ import annotations

import ipaddress
import logging
import math
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from serving.access import LOCAL, Access, Viewer
from serving.access_denied import NOBODY, Watched, keep_denied
from serving.access_refusals import SAFE, refusal
from serving.engine import Engine
from serving.problems import ProblemError, problem
from serving.records import RecordsError
from serving.sessions import COOKIE

OPEN = ("/healthz", "/readyz", "/livez", "/metrics", "/openapi.json", "/docs.json", "/sign-in")
"""Addresses that tell nothing of a deal: they need no key."""
OPEN_FOLDER = "/static/"
DENIED = (401, 403)
log = logging.getLogger("dealcast.access")


class TooOftenError(Exception):
    """A caller asks too often; `wait` seconds later there is room again."""

    def __init__(self, wait: float) -> None:
        super().__init__(f"ask again in {wait:.1f} s")
        self.wait = wait


class Gate:
    """Lets in who may ask; see the module."""

    def __init__(self, app: ASGIApp, access: Access, engine: Engine) -> None:
        self.app, self.access, self.engine = app, access, engine

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on with its caller, or answer it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        state, headers = scope.setdefault("state", {}), {}
        try:
            caller = state["caller"] = await self._caller(scope, state)
        except ProblemError as error:
            refused = error.problem
        except TooOftenError as error:
            refused = problem(429, "too many requests", f"{error}, and slower").problem
            refused.allowed = "what the settings rate_per_minute and rate_burst say"
            headers = {"Retry-After": str(math.ceil(error.wait))}
        except RecordsError as error:
            log.error("%s", error)  # noqa: TRY400 - the message says it all
            refused = problem(503, error.told, "do what the detail says, then ask again").problem
            headers = {"Retry-After": "5"}
        else:
            if self.access.on and caller.role != "admin":
                send = Watched(self.access, self.engine, scope, send).send
            await self.app(scope, receive, send)
            return
        if refused.status in DENIED:
            await keep_denied(self.access, scope, refused)
        await refusal(scope, refused, headers)(scope, receive, send)

    async def _caller(self, scope: Scope, state: dict[str, Any]) -> Viewer:
        """Say who asks; whoever may not is told by the error."""
        headers, path = Headers(scope=scope), scope["path"]
        _check_site(scope, headers)
        if not self.access.on:
            _check_near(scope)
            return LOCAL
        is_open = path in OPEN or path.startswith(OPEN_FOLDER)
        caller = await self._known(headers, state)
        if not is_open or scope["method"] not in SAFE:
            self._check_rate(caller.key_id if caller else f"address {_address(scope)}")
        if caller is None and not is_open:
            raise problem(
                401,
                "no key, or none that holds",
                "send `Authorization: Bearer KEY` with a key made by `dealcast keys create`, or "
                "sign in on the dashboard",
            )
        return caller or Viewer(NOBODY, "rep")

    async def _known(self, headers: Headers, state: dict[str, Any]) -> Viewer | None:
        """Look up whose key or session a request carries; the key goes before the session."""
        kind, _, text = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer":
            return await self.access.by_key(text.strip())
        session = self.access.sessions.read(_cookie(headers), self.access.clock())
        if session is None:
            return None
        found = await self.access.by_session(session)
        if found is not None:
            state["session"] = session
            state["csrf_token"] = self.access.sessions.csrf(session)
        return found

    def _check_rate(self, caller: str) -> None:
        wait = self.access.rate.wait(caller, self.access.clock().timestamp())
        if wait > 0:
            raise TooOftenError(wait)


def _check_site(scope: Scope, headers: Headers) -> None:
    """Refuse what another site's page makes a browser send."""
    if scope["method"] in SAFE:
        return
    origin = headers.get("origin")
    foreign = origin is not None and urlsplit(origin).netloc != headers.get("host")
    if foreign or headers.get("sec-fetch-site") == "cross-site":
        raise problem(
            403, "a page of another site sent this", "send it from a page of this service"
        )


def _check_near(scope: Scope) -> None:
    """Refuse other machines where no keys are asked for."""
    try:
        far = not ipaddress.ip_address(_address(scope)).is_loopback
    except ValueError:  # a socket file, or a test: nothing that comes over a network
        return
    if far:
        raise problem(
            403,
            "keys are off, and so this service answers its own machine alone",
            'set access = "keys" in dealcast.toml, and make keys by `dealcast keys create`',
        )


def _address(scope: Scope) -> str:
    return str((scope.get("client") or ("",))[0])


def _cookie(headers: Headers) -> str:
    """Give the value of our cookie; empty where there is none."""
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return found.value if found else ""
