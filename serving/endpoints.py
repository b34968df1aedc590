"""The addresses of the API and what each gives; everything that they do is in other modules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import anyio.to_thread
from fastapi import Body, FastAPI, Request
from fastapi.responses import PlainTextResponse, Response
from pydantic import BaseModel

from serving import answers, changing, explaining, feedback, modelling, supposing
from serving.access_sent import within_sight
from serving.engine import Engine
from serving.listing import Sight
from serving.messages import (
    ChangesRequest,
    ExplainRequest,
    FeaturesRequest,
    FeedbackRequest,
    ForecastRequest,
    PredictRequest,
    RankRequest,
    ScoreRequest,
    WhatIfRequest,
)
from serving.metrics import metrics_text
from serving.problems import Problem, to_json
from serving.readymade import predicted
from serving.records import Records
from serving.refusals import parse_as_of
from serving.replies import (
    ChangesAnswer,
    Content,
    ExplainAnswer,
    FeaturesAnswer,
    FeedbackAnswer,
    ForecastAnswer,
    Health,
    ModelAnswer,
    RankAnswer,
    ScoreAnswer,
    WhatIfAnswer,
)
from serving.sent import with_sent
from serving.view import View

BAD: dict[int | str, dict[str, Any]] = {
    "4XX": {"model": Problem, "description": "what is wrong, and what to do"},
    "503": {"model": Problem, "description": "no store, no model or no records now"},
}
SightOf = Callable[[Request, View], Sight]


def all_in_sight(_: Request, __: View) -> Sight:
    """See every deal: where keys are off."""
    return None


@dataclass(frozen=True)
class Service:
    """What the endpoints answer from.

    Attributes
    ----------
    records : where feedback is kept; without them it is refused
    sight : whose deals the caller of a request may see
    """

    engine: Engine
    records: Records | None = None
    sight: SightOf = all_in_sight

    def view(self, request: Request, as_of: str | None) -> tuple[View, Sight]:
        """Give the view of an instant, and what of it the caller may see."""
        view = self.engine.view(parse_as_of(as_of))
        return view, self.sight(request, view)

    def held(self, request: Request, as_of: str | None) -> tuple[View, Sight]:
        """Give the same of what is in memory, whether or not the store is there."""
        view = self.engine.held(parse_as_of(as_of))
        return view, self.sight(request, view)


def add_endpoints(app: FastAPI, service: Service) -> None:
    """Add every endpoint."""
    _add_deals(app, service)
    _add_questions(app, service)
    _add_revenue(app, service)
    _add_feedback(app, service)
    _add_state(app, service.engine)


def _add_deals(app: FastAPI, service: Service) -> None:
    @app.post("/rank", response_model=RankAnswer, responses=BAD, tags=["deals"])
    def rank(request: Request, asked: Annotated[RankRequest | None, Body()] = None) -> Response:
        """Rank the open deals by what they are worth working today, with reasons and flags."""
        asked = asked or RankRequest()
        view, sight = service.view(request, asked.as_of)
        return _json(answers.ranked(view, asked, sight))

    @app.post("/score", response_model=ScoreAnswer, responses=BAD, tags=["deals"])
    def score(request: Request, asked: Annotated[ScoreRequest | None, Body()] = None) -> Response:
        """Score deals of the store by identifier; all open ones where none is named."""
        asked = asked or ScoreRequest()
        view, sight = service.view(request, asked.as_of)
        return _json(answers.scores(view, asked, sight))

    @app.post("/predict", response_model=ScoreAnswer, responses=BAD, tags=["deals"])
    def predict(request: Request, asked: PredictRequest) -> Response:
        """Score deals sent whole, with their history and activities; nothing of them is kept."""
        view, sight = service.held(request, asked.as_of)
        deals, notes = within_sight(asked.deals, view, sight)
        now, pinned = service.engine.clock(), asked.as_of is not None
        sent = with_sent(view, deals, now, pinned=pinned)
        rows = answers.rows_of(sent, [deal.deal_id for deal in deals], reasons=asked.reasons)
        head = answers.head(sent)
        away = [service.engine.away] if service.engine.away else []
        return _json({**head, "notes": [*head["notes"], *notes, *away], "deals": rows})

    @app.post(
        "/predict/features",
        response_model=FeaturesAnswer,
        responses=BAD,
        tags=["deals"],
        openapi_extra=_body_of(FeaturesRequest),
    )
    async def predict_features(request: Request) -> Response:
        """Give the probabilities of ready-made features, as the model reads them."""
        body, view = await request.body(), service.engine.held()
        found = await anyio.to_thread.run_sync(predicted, view, body)
        return Response(found, media_type="application/json")


def _body_of(kind: type[BaseModel]) -> dict[str, Any]:
    """Document a body that is read by hand."""
    content = {"application/json": {"schema": kind.model_json_schema()}}
    return {"requestBody": {"required": True, "content": content}}


def _add_questions(app: FastAPI, service: Service) -> None:
    @app.post("/explain", response_model=ExplainAnswer, responses=BAD, tags=["deals"])
    def explain(request: Request, asked: ExplainRequest) -> Response:
        """Explain one open deal: what speaks for and against it, its curve, its days."""
        view, sight = service.view(request, asked.as_of)
        kept = service.engine.scores
        return _json(explaining.explained(view, asked, kept, service.records, sight))

    @app.post("/changes", response_model=ChangesAnswer, responses=BAD, tags=["deals"])
    def changes(
        request: Request, asked: Annotated[ChangesRequest | None, Body()] = None
    ) -> Response:
        """Tell what changed among the open deals, and what it did to the expected revenue."""
        asked = asked or ChangesRequest()
        view, sight = service.view(request, asked.as_of)
        return _json(changing.changed(view, asked, sight))

    @app.post("/what-if", response_model=WhatIfAnswer, responses=BAD, tags=["deals"])
    def what_if(request: Request, asked: WhatIfRequest) -> Response:
        """Score an open deal as if its stage, amount, close date or activities were others."""
        view, sight = service.view(request, None)
        return _json(supposing.supposed(view, asked, sight))


def _add_revenue(app: FastAPI, service: Service) -> None:
    @app.post("/forecast", response_model=ForecastAnswer, responses=BAD, tags=["revenue"])
    def forecast(
        request: Request, asked: Annotated[ForecastRequest | None, Body()] = None
    ) -> Response:
        """Forecast what will close by month or quarter: booked, open, not yet created."""
        asked = asked or ForecastRequest()
        view, sight = service.view(request, asked.as_of)
        return _json(answers.forecast(view, asked, sight))


def _add_feedback(app: FastAPI, service: Service) -> None:
    @app.post("/feedback", response_model=FeedbackAnswer, responses=BAD, tags=["people"])
    def say(request: Request, asked: FeedbackRequest) -> Response:
        """Keep what a person says of a deal, or commits to; it never moves the model."""
        view, sight = service.view(request, None)
        by = feedback.By.of(request)
        now = service.engine.clock()
        return _json(feedback.kept(view, asked, service.records, by, now, sight))


def _add_state(app: FastAPI, engine: Engine) -> None:
    @app.get("/model", response_model=ModelAnswer, responses=BAD, tags=["service"])
    def model() -> Response:
        """Tell which model answers, how well it did out of time, and how fresh the data are."""
        return _json(modelling.told(engine.view(), engine.clock()))

    @app.get("/healthz", response_model=Health, tags=["service"])
    def alive() -> Response:
        """Tell that the process answers."""
        return _json({"status": "alive"})

    @app.get("/readyz", response_model=Health, responses={503: BAD["503"]}, tags=["service"])
    def ready() -> Response:
        """Tell whether deals can be scored, or why not."""
        engine.view()
        return _json({"status": "ready"})

    @app.get("/metrics", response_class=PlainTextResponse, tags=["service"])
    def metrics() -> PlainTextResponse:
        """Give the figures of the service to Prometheus."""
        return PlainTextResponse(metrics_text(engine))


def _json(content: Content) -> Response:
    return Response(to_json(content), media_type="application/json")
