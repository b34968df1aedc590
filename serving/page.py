"""The page: today's list and the months ahead, rendered on the server; it works offline."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
from fastapi import FastAPI, Query, Request
from fastapi.responses import HTMLResponse, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.staticfiles import StaticFiles

from serving.answers import currency, records
from serving.engine import Engine, NotReadyError
from serving.figures import add_figures
from serving.names import UnknownNameError, plain
from serving.plot import plot_script
from serving.ranking import listed, rank
from serving.view import View

HERE = Path(__file__).parent
MONTHS = 3
MOST_ON_A_PAGE = 200
SHOWN = ("period", "booked", "open", "new", "mean", "p10", "p50", "p90")

Owner = Annotated[str, Query(max_length=1_000)]
Top = Annotated[int, Query(ge=1, le=MOST_ON_A_PAGE)]
PageNumber = Annotated[int, Query(ge=1, le=1_000_000)]


def add_page(app: FastAPI, engine: Engine) -> None:
    """Add the page at /, and what it loads at /static."""
    templates = make_templates()

    @app.api_route("/", methods=["GET", "HEAD"], include_in_schema=False)
    def page(owner: Owner = "", team: Owner = "", top: Top = 25, page: PageNumber = 1) -> Response:
        try:
            view = engine.view()
            content = {**frame_of(view, engine.clock()), **body_of(view, owner, team, top, page)}
        except NotReadyError as error:
            return _html(templates, "empty.html", 503, detail=str(error))
        except UnknownNameError as error:
            content = {**frame_of(view, engine.clock()), "unknown": error}
            return _html(templates, "unknown.html", 404, **content)
        return _html(templates, "page.html", 200, **content)

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


def _html(templates: Environment, name: str, status: int, **content: Any) -> HTMLResponse:
    return HTMLResponse(templates.get_template(name).render(**content), status)


def frame_of(view: View, now: pd.Timestamp) -> dict[str, Any]:
    """Give what stands around every page: the instant, the model, the data, what must be said."""
    card = view.bundle.card
    return {
        "as_of": view.instant.tz_convert(view.history.settings.timezone),
        "tier": view.bundle.tier,
        "version": view.bundle.version,
        "reason": card.get("reason", ""),
        "last_fact": view.last_fact,
        "age": _age(view, now),
        "notes": view.notes,
        "currency": currency(view.history),
    }


def _age(view: View, now: pd.Timestamp) -> str:
    """Say how old the newest fact is, in words."""
    if view.last_fact is None:
        return "no data"
    hours = (now - view.last_fact) / pd.Timedelta(hours=1)
    if hours < 1:
        return "less than an hour old"
    count, unit = (int(hours), "hour") if hours < 48 else (int(hours // 24), "day")
    return f"{count:,} {unit}{'' if count == 1 else 's'} old"


def body_of(view: View, owner: str, team: str, top: int, page: int) -> dict[str, Any]:
    """Give the list of an owner or a team, one page of it, and the forecast of the firm."""
    rows = listed(view.scored, view.history, owner=owner, team=team)
    pages = max(1, -(-len(rows) // top))
    page = min(page, pages)
    skip = (page - 1) * top
    frame = rank(
        view.bundle,
        view.scored,
        view.history,
        owner=owner,
        team=team,
        top=top,
        skip=skip,
        explain=view.reasons,
    )
    chosen = view.deals.iloc[rows]
    return {
        "deals": frame.to_dict("records"),
        "count": len(rows),
        "expected": float(np.nansum(chosen["expected_revenue_90"])),
        "expected_wins": float(chosen["p_won_90"].sum()),
        "owners": owners_of(view),
        "owner": owner,
        "team": team,
        "top": top,
        "page": page,
        "pages": pages,
        "first": skip + 1,
        "last": skip + len(frame),
        **forecast_of(view),
    }


def owners_of(view: View) -> list[dict[str, Any]]:
    """Owners of open deals with how many each has, by name."""
    counts = view.deals["owner_id"].value_counts()
    names = dict(zip(view.deals["owner_id"], view.deals["owner"], strict=True))
    found = [{"id": owner, "name": names[owner], "deals": n} for owner, n in counts.items()]
    return sorted(found, key=lambda each: plain(each["name"]))


def forecast_of(view: View) -> dict[str, Any]:
    """Give the months ahead: rows for the table, and the same as JSON for the plot."""
    outlook = view.outlook("month", MONTHS, ())
    rows = records(outlook.frame.loc[outlook.frame["scope"] == "total", list(SHOWN)])
    plot = {"rows": rows, "unit": outlook.unit, "currency": currency(view.history)}
    return {
        "forecast": rows,
        "unit": outlook.unit,
        "plot": json.dumps(plot, ensure_ascii=False, allow_nan=False),
        "without_amount": outlook.without_amount,
        "stale": outlook.stale,
        "open_deals": outlook.open_deals,
    }
