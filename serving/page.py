"""The routes of the dashboard: each asks a function of `serving.pages` and renders its answer."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import anyio.to_thread
from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.staticfiles import StaticFiles

from serving import feedback
from serving.access import caller_of
from serving.endpoints import Service
from serving.engine import NotReadyError, StoreAwayError
from serving.figures import add_figures
from serving.pages.asked import Asked, OutOfSightError, deal_address
from serving.pages.data import data
from serving.pages.deal import UnknownDealError, deal
from serving.pages.forecast import forecast
from serving.pages.frame import NAVIGATION, frame_of
from serving.pages.kept import PreparingError
from serving.pages.model import model
from serving.pages.pipeline import pipeline
from serving.pages.sources import sources
from serving.pages.tables import to_csv
from serving.pages.talk import said
from serving.pages.team import DeniedError, team
from serving.pages.today import today
from serving.pages.words import LANGUAGES, preferred, words_of
from serving.plot import plot_script
from serving.sessions import csrf_token
from serving.view import View

HERE = Path(__file__).parent
LANGUAGE_COOKIE = "language"
YEAR_SECONDS = 365 * 86_400
Page = Callable[[View, Asked], dict[str, Any]]
PAGES: dict[str, Page] = {
    "today": today,
    "forecast": forecast,
    "pipeline": pipeline,
    "team": team,
    "sources": sources,
    "data": data,
    "model": model,
}
ADDRESSES = dict(NAVIGATION)
CSV = "text/csv; charset=utf-8"
log = logging.getLogger("dealcast.serving")


@dataclass(frozen=True)
class Site:
    """The dashboard of a service."""

    service: Service
    templates: Environment

    def answer(self, name: str, request: Request, page: Page) -> Response:
        """Render a page, or the state it is in: not ready, unknown, failed."""

        def made(view: View, asked: Asked) -> Response:
            content = {**frame_of(name, asked, view), **page(view, asked)}
            return self._html(asked, f"{name}.html", 200, content)

        return self._tried(name, request, made)

    def file(self, name: str, request: Request, page: Page) -> Response:
        """Give a table of a page as CSV, by the same filters, with every row."""

        def made(view: View, asked: Asked) -> Response:
            table = page(view, replace(asked, whole=True))["tables"].get(asked.text("table"))
            if table is None:
                return self._state(asked, name, "unknown", 404, detail=asked.text("table"))
            file = f"dealcast-{name}-{table.name}.csv"
            headers = {"Content-Disposition": f'attachment; filename="{file}"'}
            return Response(to_csv(table), headers=headers, media_type=CSV)

        return self._tried(name, request, made)

    def _tried(
        self, name: str, request: Request, make: Callable[[View, Asked], Response]
    ) -> Response:
        asked = asked_of(request, self.service)
        try:
            view = self.service.engine.view()
            asked = replace(asked, sight=self.service.sight(request, view))
            asked.check_owner()
            return make(view, asked)
        except NotReadyError as error:
            state = "away" if isinstance(error, StoreAwayError) else "starting"
            return self._state(asked, name, state, 503, detail=str(error))
        except (UnknownDealError, OutOfSightError) as error:
            return self._state(asked, name, "unknown", 404, detail=str(error))
        except DeniedError:
            return self._state(asked, name, "denied", 403)
        except PreparingError:
            return self._state(asked, name, "loading", 200)
        except Exception:
            log.exception("page %s failed", name)
            return self._state(asked, name, "failed", 500)

    def _state(
        self, asked: Asked, name: str, state: str, status: int, detail: str = ""
    ) -> Response:
        content = {**frame_of(name, asked, None), "state": state, "detail": detail}
        return self._html(asked, "state.html", status, content)

    def _html(
        self, asked: Asked, template: str, status: int, content: Mapping[str, Any]
    ) -> HTMLResponse:
        response = HTMLResponse(self.templates.get_template(template).render(**content), status)
        if asked.text("lang") in LANGUAGES:
            response.set_cookie(
                LANGUAGE_COOKIE, asked.text("lang"), YEAR_SECONDS, samesite="lax", httponly=True
            )
        return response


def asked_of(request: Request, service: Service) -> Asked:
    """Read what is asked out of a request."""
    headers, params = request.headers, dict(request.query_params)
    language = preferred(
        params.get("lang", ""),
        request.cookies.get(LANGUAGE_COOKIE, ""),
        headers.get("accept-language", ""),
    )
    token = csrf_token(request)
    return Asked(
        request.url.path,
        params,
        service.engine.clock(),
        words_of(language),
        records=service.records,
        scores=service.engine.scores,
        workspace=service.engine.workspace,
        caller=caller_of(request).by if token else "",
        csrf_token=token,
    )


def add_page(app: FastAPI, service: Service) -> None:
    """Add the pages, their files, and what they load at /static."""
    site = Site(service, make_templates())
    for name, page in PAGES.items():
        _add(app, site, name, page)
    _add_deal(app, site)
    _add_static(app)


def _add(app: FastAPI, site: Site, name: str, page: Page) -> None:
    def show(request: Request) -> Response:
        return site.answer(name, request, page)

    def give(request: Request) -> Response:
        return site.file(name, request, page)

    path = ADDRESSES[name]
    file = "/today.csv" if path == "/" else f"{path}.csv"
    methods = ["GET", "HEAD"]
    app.add_api_route(path, show, methods=methods, include_in_schema=False)
    app.add_api_route(file, give, methods=methods, include_in_schema=False)


def _add_deal(app: FastAPI, site: Site) -> None:
    @app.post("/deals/{deal_id:path}/feedback", include_in_schema=False)
    async def say(deal_id: str, request: Request) -> Response:
        form = dict(parse_qsl((await request.body()).decode("utf-8", "replace")))
        kept = await anyio.to_thread.run_sync(_keep, site.service, request, deal_id, form)
        told = "kept" if kept else "wrong"
        return RedirectResponse(f"{deal_address(deal_id)}?{told}=1#feedback", 303)

    @app.get("/deals/{deal_id:path}.csv", include_in_schema=False)
    def give(deal_id: str, request: Request) -> Response:
        return site.file("deal", request, lambda view, asked: deal(view, asked, deal_id))

    @app.get("/deals/{deal_id:path}", include_in_schema=False)
    def show(deal_id: str, request: Request) -> Response:
        return site.answer("deal", request, lambda view, asked: deal(view, asked, deal_id))


def _keep(service: Service, request: Request, deal_id: str, form: dict[str, str]) -> bool:
    """Keep what a form says of a deal; whether it made sense."""
    view = service.engine.view()
    try:
        asked = said(deal_id, form)
    except ValueError:
        return False
    by, now = feedback.By.of(request), service.engine.clock()
    feedback.kept(view, asked, service.records, by, now, service.sight(request, view))
    return True


def _add_static(app: FastAPI) -> None:
    @app.get("/static/plotly.js", include_in_schema=False)
    def plotly(request: Request) -> Response:
        packed = "gzip" in request.headers.get("accept-encoding", "")
        script = plot_script(packed=packed)
        headers = {"Cache-Control": "public, max-age=604800", "Vary": "Accept-Encoding"}
        if packed:
            headers["Content-Encoding"] = "gzip"
        return Response(script, headers=headers, media_type="text/javascript")

    app.mount("/static", StaticFiles(directory=HERE / "static"), name="static")


def make_templates() -> Environment:
    """Make the templates: everything put into them is escaped, anything missing is an error."""
    templates = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    add_figures(templates)
    return templates
