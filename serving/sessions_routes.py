"""Signing in to the dashboard with a key, and out again."""

from __future__ import annotations

from urllib.parse import parse_qsl

import anyio.to_thread
from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from serving.access import Access, caller_of
from serving.access_denied import NOBODY
from serving.page import LANGUAGE_COOKIE, make_templates
from serving.pages.words import preferred, words_of
from serving.records_audit import AuditLine, add_audit
from serving.records_keys import check_key

MOST_BYTES = 10_000
"""Longest form that signs somebody in."""


def add_sign_in(app: FastAPI, access: Access) -> None:
    """Add where one signs in and out."""
    template = make_templates().get_template("sign_in.html")

    def page(request: Request, back: str, status: int) -> Response:
        told = request.headers.get("accept-language", "")
        words = words_of(preferred("", request.cookies.get(LANGUAGE_COOKIE, ""), told))
        return HTMLResponse(template.render(t=words, back=back, wrong=status != 200), status)

    @app.get("/sign-in", include_in_schema=False)
    def show(request: Request) -> Response:
        back = local(request.query_params.get("next", ""))
        if not access.on or caller_of(request).key_id != NOBODY:
            return RedirectResponse(back, 303)
        return page(request, back, 200)

    @app.post("/sign-in", include_in_schema=False)
    async def sign_in(request: Request) -> Response:
        body = (await request.body())[:MOST_BYTES]
        told = dict(parse_qsl(body.decode("utf-8", "replace")))
        back, text = local(told.get("next", "")), told.get("key", "").strip()
        key = await anyio.to_thread.run_sync(check_key, access.records, text)
        await anyio.to_thread.run_sync(_keep, access, request, key.key_id if key else "")
        if key is None:
            return page(request, back, 401)
        response = RedirectResponse(back, 303)
        access.sessions.open(response, key, access.clock())
        return response

    @app.post("/sign-out", include_in_schema=False)
    def sign_out() -> Response:
        response = RedirectResponse("/sign-in", 303)
        access.sessions.close(response)
        return response


def _keep(access: Access, request: Request, key_id: str) -> None:
    action = "signed in" if key_id else "denied"
    request_id = str(getattr(request.state, "request_id", ""))
    line = AuditLine(access.clock(), key_id or NOBODY, action, "/sign-in", "", request_id)
    add_audit(access.records, line)


def local(address: str) -> str:
    r"""Give an address of this site as it is, and the first page for any other.

    >>> local("/deals/7?lang=th"), local("//elsewhere"), local("/\\elsewhere"), local("")
    ('/deals/7?lang=th', '/', '/', '/')
    """
    inside = address.startswith("/") and not address.startswith(("//", "/\\"))
    return address if inside and address.isprintable() else "/"
