"""The routes of the dashboard: each asks a function of `serving.pages` and renders its answer."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.staticfiles import StaticFiles

from serving.endpoints import SightOf, all_in_sight
from serving.engine import Engine, NotReadyError
from serving.figures import add_figures
from serving.pages.asked import Asked
from serving.pages.deal import UnknownDealError, deal
from serving.pages.forecast import forecast
from serving.pages.frame import frame_of
from serving.pages.kept import PreparingError
from serving.pages.pipeline import pipeline
from serving.pages.sources import sources
from serving.pages.tables import to_csv
from serving.pages.team import team
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
}
log = logging.getLogger("dealcast.serving")


@dataclass(frozen=True)
class Site:
    """The dashboard of an engine."""

    engine: Engine
    templates: Environment
    sight: SightOf

    def answer(self, name: str, request: Request, page: Page) -> Response:
        """Render a page, or the state it is in: not ready, unknown, failed."""
        asked = asked_of(request, self.engine)
        try:
            view = self.engine.view()
            asked = replace(asked, sight=self.sight(request, view))
            reader = {"csrf_token": csrf_token(request)}
            content = {**frame_of(name, asked, view), **reader, **page(view, asked)}
            return self._html(asked, f"{name}.html", 200, content)
        except NotReadyError as error:
            return self._state(asked, name, "starting", 503, detail=str(error))
        except UnknownDealError as error:
            return self._state(asked, name, "unknown", 404, detail=str(error))
        except PreparingError:
            return self._state(asked, name, "loading", 200)
        except Exception:
            log.exception("page %s failed", name)
            return self._state(asked, name, "failed", 500)

    def file(self, name: str, request: Request, page: Page) -> Response:
        """Give a table of a page as CSV, by the same filters, with every row."""
        asked = replace(asked_of(request, self.engine), whole=True)
        try:
            view = self.engine.view()
            asked = replace(asked, sight=self.sight(request, view))
            tables = page(view, asked)["tables"]
        except NotReadyError as error:
            return self._state(asked, name, "starting", 503, detail=str(error))
        except UnknownDealError as error:
            return self._state(asked, name, "unknown", 404, detail=str(error))
        except PreparingError:
            return self._state(asked, name, "loading", 503)
        table = tables.get(asked.text("table"))
        if table is None:
            return self._state(asked, name, "unknown", 404, detail=asked.text("table"))
        headers = {
            "Content-Disposition": f'attachment; filename="dealcast-{name}-{table.name}.csv"'
        }
        return Response(to_csv(table), headers=headers, media_type="text/csv; charset=utf-8")

    def _state(
        self, asked: Asked, name: str, state: str, status: int, detail: str = ""
    ) -> Response:
        told = {"csrf_token": "", "state": state, "detail": detail}
        content = {**frame_of(name, asked, None), **told}
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


def asked_of(request: Request, engine: Engine) -> Asked:
    """Read what is asked out of a request."""
    headers, params = request.headers, dict(request.query_params)
    language = preferred(
        params.get("lang", ""),
        request.cookies.get(LANGUAGE_COOKIE, ""),
        headers.get("accept-language", ""),
    )
    return Asked(request.url.path, params, engine.clock(), words_of(language))


def add_page(app: FastAPI, engine: Engine, sight: SightOf = all_in_sight) -> None:
    """Add the pages, their files, and what they load at /static.

    Parameters
    ----------
    sight : whose deals the reader of a page may see
    """
    site = Site(engine, make_templates(), sight)
    for name, page in PAGES.items():
        _add(app, site, name, page)
    _add_deal(app, site)
    _add_static(app)


def _add(app: FastAPI, site: Site, name: str, page: Page) -> None:
    def show(request: Request) -> Response:
        return site.answer(name, request, page)

    def give(request: Request) -> Response:
        return site.file(name, request, page)

    path = "/" if name == "today" else f"/{name}"
    methods = ["GET", "HEAD"]
    app.add_api_route(path, show, methods=methods, include_in_schema=False)
    app.add_api_route(f"/{name}.csv", give, methods=methods, include_in_schema=False)


def _add_deal(app: FastAPI, site: Site) -> None:
    @app.get("/deals/{deal_id:path}.csv", include_in_schema=False)
    def give(deal_id: str, request: Request) -> Response:
        return site.file("deal", request, lambda view, asked: deal(view, asked, deal_id))

    @app.get("/deals/{deal_id:path}", include_in_schema=False)
    def show(deal_id: str, request: Request) -> Response:
        return site.answer("deal", request, lambda view, asked: deal(view, asked, deal_id))


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
