"""The web application: addresses, and every failure as problem details; plain ASGI."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from serving import answers
from serving.engine import Engine, FutureError, NotReadyError
from serving.limits import BodyLimit, SecurityHeaders
from serving.messages import (
    Content,
    ExplainAnswer,
    ExplainRequest,
    ForecastAnswer,
    ForecastRequest,
    PredictRequest,
    RankAnswer,
    RankRequest,
    ScoreAnswer,
    ScoreRequest,
)
from serving.names import UnknownNameError
from serving.page import add_page
from serving.problems import MEDIA_TYPE, Problem, ProblemError, problem, to_json
from serving.refusals import from_validation, parse_as_of
from serving.sent import with_sent
from serving.view import View

log = logging.getLogger("dealcast.serving")
BAD: dict[int | str, dict[str, Any]] = {
    "4XX": {"model": Problem, "description": "what is wrong, and what to do"},
    "503": {"model": Problem, "description": "no store or no model yet"},
}


def make_app(engine: Engine) -> FastAPI:
    """Make the application that answers from an engine."""
    app = FastAPI(title="dealcast", docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(BodyLimit)
    app.add_middleware(SecurityHeaders)
    _add_endpoints(app, engine)
    _add_handlers(app)
    add_page(app, engine)
    return app


def _add_endpoints(app: FastAPI, engine: Engine) -> None:
    def view(as_of: str | None) -> View:
        return engine.view(parse_as_of(as_of))

    @app.post("/rank", response_model=RankAnswer, responses=BAD, tags=["deals"])
    def rank(asked: RankRequest | None = None) -> Response:
        """Rank the open deals by what they are worth working today, with reasons and flags."""
        asked = asked or RankRequest()
        return _json(answers.ranked(view(asked.as_of), asked))

    @app.post("/score", response_model=ScoreAnswer, responses=BAD, tags=["deals"])
    def score(asked: ScoreRequest | None = None) -> Response:
        """Score deals of the store by identifier; all open ones where none is named."""
        asked = asked or ScoreRequest()
        return _json(answers.scores(view(asked.as_of), asked))

    @app.post("/predict", response_model=ScoreAnswer, responses=BAD, tags=["deals"])
    def predict(asked: PredictRequest) -> Response:
        """Score deals sent whole, with their history and activities; nothing of them is kept."""
        at = parse_as_of(asked.as_of)
        sent = with_sent(engine.view(at), asked.deals, engine.clock(), pinned=at is not None)
        rows = answers.rows_of(sent, [deal.deal_id for deal in asked.deals])
        return _json({**answers.head(sent), "deals": rows})

    @app.post("/explain", response_model=ExplainAnswer, responses=BAD, tags=["deals"])
    def explain(asked: ExplainRequest) -> Response:
        """Explain one open deal: what speaks for and against it, and its curve over time."""
        return _json(answers.explained(view(asked.as_of), asked))

    @app.post("/forecast", response_model=ForecastAnswer, responses=BAD, tags=["revenue"])
    def forecast(asked: ForecastRequest | None = None) -> Response:
        """Forecast what will close by month or quarter: booked, open, not yet created."""
        asked = asked or ForecastRequest()
        return _json(answers.forecast(view(asked.as_of), asked))


def _json(content: Content) -> Response:
    return Response(to_json(content), media_type="application/json")


def _add_handlers(app: FastAPI) -> None:
    """Answer every failure with a problem; what is unforeseen is logged and has no traceback."""
    makers: dict[type[Exception], Callable[[Any], ProblemError]] = {
        ProblemError: lambda error: error,
        NotReadyError: _not_ready,
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
        404: "see /docs.json for the addresses there are",
        405: "see /docs.json for the methods of each address",
    }
    status = error.status_code if error.status_code in {400, 404, 405, 413} else 400
    return problem(status, str(error.detail), remedy.get(status, "send JSON as in /docs.json"))


def _unforeseen(error: Exception) -> ProblemError:
    log.error("unforeseen", exc_info=error)
    return problem(
        500,
        "the service failed in a way that was not foreseen; it was logged",
        "try again; if it persists, report it with the request",
    )
