"""The web application: addresses, and every failure as problem details; plain ASGI."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from serving.access import Access
from serving.access_forms import FormGuard
from serving.access_gate import Gate
from serving.access_time import TimeLimit
from serving.bodies import ModelRoute
from serving.endpoints import Service, SightOf, add_endpoints, all_in_sight
from serving.engine import Engine, FutureError, NotReadyError
from serving.kept import KeptAnswers
from serving.limits import MOST_BYTES, BodyLimit, SecurityHeaders
from serving.logs import RequestLog
from serving.metrics import Counted
from serving.names import UnknownNameError
from serving.page import add_page
from serving.problems import MEDIA_TYPE, ProblemError, problem, to_json
from serving.quick import QuickFeatures
from serving.records import Records, RecordsError
from serving.refusals import from_validation
from serving.scores import ScoresError
from serving.sessions_routes import add_sign_in

log = logging.getLogger("dealcast.serving")
PROBLEMS = ("4XX", "503")


def make_app(
    engine: Engine,
    records: Records | None = None,
    access: Access | None = None,
    sight: SightOf = all_in_sight,
) -> FastAPI:
    """Make the application that answers from an engine.

    Parameters
    ----------
    records : where feedback is kept
    access : decides who may ask, and what they see; without it everybody sees everything
    sight : whose deals the caller of a request may see, where there is no `access`
    """
    app = FastAPI(
        title="dealcast",
        summary="Which deals to work today, and what will close this quarter",
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
    )
    app.router.route_class = ModelRoute
    # The last one added is the first that a request meets.
    if access is not None:
        app.add_middleware(TimeLimit, seconds=access.most_seconds)
    app.add_middleware(KeptAnswers, engine=engine)
    app.add_middleware(QuickFeatures, engine=engine)
    if access is not None:
        app.add_middleware(FormGuard, access=access)
    app.add_middleware(BodyLimit, most_bytes=MOST_BYTES if access is None else access.most_bytes)
    if access is not None:
        app.add_middleware(Gate, access=access, engine=engine)
    app.add_middleware(SecurityHeaders)
    app.add_middleware(Counted)
    app.add_middleware(RequestLog)
    sight = sight if access is None else access.sight
    service = Service(engine, records, sight)
    add_endpoints(app, service)
    _add_handlers(app)
    if access is not None:
        add_sign_in(app, access)
    add_page(app, service)
    _write_problems(app)
    return app


def _write_problems(app: FastAPI) -> None:
    """Say in the OpenAPI document that problems come as problem details, which they do."""
    document = app.openapi()
    for methods in document["paths"].values():
        for operation in methods.values():
            for status, response in operation["responses"].items():
                if status in PROBLEMS and "content" in response:
                    response["content"] = {MEDIA_TYPE: response["content"]["application/json"]}


def _add_handlers(app: FastAPI) -> None:
    """Answer every failure with a problem; what is unforeseen is logged and has no traceback."""
    makers: dict[type[Exception], Callable[[Any], ProblemError]] = {
        ProblemError: lambda error: error,
        NotReadyError: _not_ready,
        RecordsError: _no_records,
        ScoresError: _no_records,
        FutureError: _in_the_future,
        UnknownNameError: _unknown_name,
        RequestValidationError: from_validation,
        HTTPException: _http,
        Exception: _unforeseen,
    }
    for kind, maker in makers.items():
        app.add_exception_handler(kind, _handler(maker))


def _handler(maker: Callable[[Any], ProblemError]) -> Callable[[Request, Exception], Response]:
    def handle(_: Request, error: Exception) -> Response:
        found = maker(error).problem
        content = to_json(found.model_dump())
        headers = {"Retry-After": "5"} if found.status == 503 else None
        return Response(content, found.status, headers=headers, media_type=MEDIA_TYPE)

    return handle


def _not_ready(error: NotReadyError) -> ProblemError:
    return problem(503, str(error), "do what the detail says; the service looks every 3 seconds")


def _no_records(error: Exception) -> ProblemError:
    log.error("%s", error)
    detail = error.told if isinstance(error, RecordsError) else str(error)
    return problem(503, detail, "do what the detail says, then ask again")


def _in_the_future(error: FutureError) -> ProblemError:
    return problem(
        422,
        f"as_of: {error}",
        "leave as_of out for the service's own instant",
        field="as_of",
        allowed="an instant not after now",
    )


def _unknown_name(error: UnknownNameError) -> ProblemError:
    return problem(
        404,
        str(error),
        "ask for one of those allowed, or leave it out for the whole firm",
        field=error.kind,
        value=error.got,
        allowed=error.close,
    )


def _http(error: HTTPException) -> ProblemError:
    remedy = {
        404: "see /openapi.json for the addresses there are",
        405: "see /openapi.json for the methods of each address",
    }
    status = error.status_code if error.status_code in {400, 404, 405, 413} else 400
    return problem(status, str(error.detail), remedy.get(status, "send JSON as in /openapi.json"))


def _unforeseen(error: Exception) -> ProblemError:
    log.error("unforeseen", exc_info=error)
    return problem(
        500,
        "the service failed in a way that was not foreseen; it was logged",
        "try again; if it persists, report it with the request",
    )
