"""Answers to those who are not let in: a problem, or for a browser the page to sign in on."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from starlette.datastructures import Headers
from starlette.responses import RedirectResponse, Response
from starlette.types import Scope

from serving.problems import MEDIA_TYPE, Problem, to_json

SAFE = ("GET", "HEAD", "OPTIONS")
"""Methods that change nothing."""


def refusal(scope: Scope, refused: Problem, headers: Mapping[str, str]) -> Response:
    """Answer with a problem; send a browser that knows nobody yet to where one signs in."""
    wants_page = "text/html" in Headers(scope=scope).get("accept", "")
    if refused.status == 401 and wants_page and scope["method"] in SAFE:
        query = scope["query_string"].decode("latin-1")
        back = quote(scope["path"] + (f"?{query}" if query else ""))
        return RedirectResponse(f"/sign-in?next={back}", 303)
    told = {"WWW-Authenticate": "Bearer"} if refused.status == 401 else {}
    return Response(to_json(refused.model_dump()), refused.status, {**told, **headers}, MEDIA_TYPE)
