"""The replayed forecast as a page that a leader can read: offline, every figure also as CSV."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from data.whole import write_whole
from training.backtest_plots import ACCENT, BAND, INK, MUTED
from training.fallback import FALL_BACK
from training.revenue_figures import NAME, OURS, Revenue, floor, rivals_of
from training.revenue_terms import BLEND, NEW_DEALS
from training.tracking import Tracker

HERE = Path(__file__).parent / "templates"
PAGE = "forecast_backtest.html"
FEW_WINS = 30
"""Wins a quarter below which the floor is the first thing to say."""

Shown = dict[str, Any]


def said(found: Revenue) -> list[str]:
    """What it means, in sentences."""
    lines = []
    for kind, words in (("quarter", "the running quarter"), ("month", "the months ahead")):
        rows = found.summary[(found.summary["kind"] == kind) & (found.summary["name"] == NAME)]
        if not len(rows):
            continue
        error, above = (_weighted(rows, c) for c in ("wape", "wape_over_floor"))
        line = (
            f"For {words} the forecast was off by {error:.0%} of what came, {above:.1f} times "
            "what chance alone leaves to somebody who knows every rate."
        )
        best = found.best(kind)
        if best != NAME:
            line += f" {best} was closer: look at it beside the forecast."
        lines.append(line)
    ours = found.summary[found.summary["name"] == NAME]
    lines.append(f"Of what came, {_weighted(ours, 'coverage'):.0%} fell into the 80 % interval.")
    return lines + _of_terms(found) + _of_little_data(found)


def _weighted(rows: pd.DataFrame, column: str) -> float:
    """Mean of a figure, each question weighing as often as it was asked."""
    return float(np.average(rows[column].to_numpy(float), weights=rows["n"].to_numpy(float)))


def _of_terms(found: Revenue) -> list[str]:
    """What is on, what is off and why; a blend is tried for comparison alone."""
    if not len(found.terms):
        return []
    on = found.terms["on"].astype(bool)
    blend, few = (found.terms["term"].str.startswith(name) for name in (BLEND, FALL_BACK))
    towards = found.terms.loc[on & few, "term"].str.removeprefix(FALL_BACK).tolist()
    lines = [
        f"With so few wins {rival} was closer by over one standard error: deals not yet created "
        "are drawn towards it, as far as few quarters can tell."
        for rival in towards
    ]
    if used := found.terms.loc[on & ~blend & ~few, "term"].tolist():
        lines.append(f"On, for it helped on this history: {', '.join(used)}.")
    new = found.terms["term"] == NEW_DEALS
    if (new & ~on).any():
        lines.append(
            "Deals not yet created did not help by over one standard error; they stay, for months "
            "ahead cannot do without them."
        )
    if off := found.terms.loc[~on & ~new, "term"].tolist():
        lines.append(f"Off, for it did not help by over one standard error: {', '.join(off)}.")
    made = found.terms["term"].isin([f"{BLEND}{rival}" for rival in towards])
    if close := found.terms.loc[on & blend & ~made, "term"].tolist():
        lines.append(
            f"A {' and a '.join(close)} would have come closer on this history. It is not made: "
            "on firms whose truth is known no weight of it did (docs/forecast.md)."
        )
    return lines


def _of_little_data(found: Revenue) -> list[str]:
    """What is possible with so few wins, and what did best with them."""
    quarters = found.rows[found.rows["kind"] == "quarter"].drop_duplicates("period")
    wins = float(quarters["wins"].mean()) if len(quarters) else float("nan")
    if not wins < FEW_WINS:
        return []
    least = floor(wins, found.variation)
    return [
        f"A quarter has {wins:.0f} wins: chance alone moves its total by {least:.0%} on average, "
        "whatever the method. Read the interval, not the mean."
    ]


def _share(value: float, form: str = ".1%") -> str:
    """A share in percent, or a dash where one quarter alone cannot tell it."""
    return format(value, form) if np.isfinite(value) else "-"


def say_summary(found: Revenue, kind: str) -> Shown:
    """Table of the questions of a kind: a row a forecaster, WAPE (bias) by question."""
    rows = found.summary[found.summary["kind"] == kind]
    by = "day" if kind == "quarter" else "lead"
    asked = sorted(rows[by].unique())
    heads = [f"day {k}" if kind == "quarter" else f"month +{k}" for k in asked]
    names = list(dict.fromkeys(rows["name"]))
    cells = rows.set_index(["name", by])
    body = [
        [
            name,
            *(
                f"{cells.loc[(name, k), 'wape']:.0%} ({cells.loc[(name, k), 'bias']:+.0%})"
                for k in asked
            ),
        ]
        for name in names
    ]
    ours = [cells.loc[(NAME, k)] for k in asked]
    body += [
        ["wins in the period", *(f"{row['wins']:.0f}" for row in ours)],
        [f"{NAME}: WAPE over the floor", *(f"{row['wape_over_floor']:.2f}" for row in ours)],
        [f"{NAME}: coverage of 80 %", *(f"{row['coverage']:.0%}" for row in ours)],
        [f"{NAME}: pinball", *(f"{row['pinball']:.3f}" for row in ours)],
    ]
    return {"heads": ["", *heads], "rows": body}


def say_differences(found: Revenue) -> Shown:
    """Table of rivals: WAPE less ours, with its interval over quarters."""
    body = [
        [
            row["kind"],
            row["name"],
            _share(row["difference"], "+.1%"),
            f"{_share(row['low'], '+.1%')} to {_share(row['high'], '+.1%')}",
        ]
        for row in found.differences.to_dict("records")
    ]
    return {"heads": ["asked", "rival", "WAPE less ours", "90 % interval"], "rows": body}


def say_terms(found: Revenue) -> Shown:
    """Table of what was tried on top."""
    body = [
        [
            row["term"],
            row["measure"],
            _share(row["before"]),
            _share(row["after"]),
            _share(row["standard_error"]),
            _verdict(row["term"], helped=row["on"]),
            row["learned"],
        ]
        for row in found.terms.to_dict("records")
    ]
    heads = ["term", "measure", "without", "with", "standard error", "verdict", "learned"]
    return {"heads": heads, "rows": body}


def _verdict(term: str, *, helped: bool) -> str:
    """What becomes of a term; a blend is shown for comparison alone (docs/forecast.md)."""
    if term.startswith(BLEND):
        return "closer, not made" if helped else "off"
    return "on" if helped else "off"


def over_time(found: Revenue, kind: str) -> Any:
    """Forecast as it was made, its band, and what came, period by period."""
    import plotly.graph_objects as go

    rows = found.rows[(found.rows["kind"] == kind) & (found.rows["lead"] == 0)]
    rows = rows[rows["day"] == rows["day"].min()] if kind == "quarter" else rows
    figure = go.Figure()
    figure.update_layout(
        template="plotly_white",
        height=380,
        margin={"l": 70, "r": 16, "t": 12, "b": 40},
        font={"family": "system-ui, sans-serif", "size": 13, "color": INK},
        legend={"orientation": "h", "y": -0.15, "yanchor": "top", "x": 0},
        yaxis_title=found.unit,
        yaxis_rangemode="tozero",
    )
    period = rows["period"]
    band = {"mode": "lines", "line": {"width": 0}}
    figure.add_scatter(x=period, y=rows["q90"], showlegend=False, hoverinfo="skip", **band)
    figure.add_scatter(
        x=period, y=rows["q10"], fill="tonexty", fillcolor=BAND, name="80 % interval", **band
    )
    figure.add_scatter(
        x=period, y=rows[OURS], name="forecast as made on its first day",
        mode="lines+markers", line={"color": ACCENT, "dash": "dot"},
    )  # fmt: skip
    figure.add_scatter(
        x=period, y=rows["actual"], name="what came",
        mode="lines+markers", line={"color": INK, "width": 3},
    )  # fmt: skip
    for name in rivals_of(rows)[:1]:
        figure.add_scatter(x=period, y=rows[name], name=name, mode="lines", line={"color": MUTED})
    return figure


def render(found: Revenue) -> str:
    """HTML of the report, everything inlined."""
    from plotly.offline import get_plotlyjs

    templates = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined
    )
    kinds = [kind for kind in ("quarter", "month") if (found.rows["kind"] == kind).any()]
    figures = {
        kind: over_time(found, kind).to_html(
            full_html=False,
            include_plotlyjs=False,
            default_width="100%",
            config={"displayModeBar": False, "responsive": True},
        )
        for kind in kinds
    }
    at = found.rows["as_of"]
    return templates.get_template(PAGE).render(
        plotly=get_plotlyjs(),
        plots=figures,
        said=said(found),
        summaries={kind: say_summary(found, kind) for kind in kinds},
        differences=say_differences(found),
        terms=say_terms(found),
        unit=found.unit,
        instants=at.nunique(),
        first=f"{at.min():%Y-%m-%d}",
        last=f"{at.max():%Y-%m-%d}",
        as_of=f"{pd.Timestamp(found.as_of, unit='us', tz='UTC'):%Y-%m-%d}",
        name=NAME,
    )


def write_revenue(found: Revenue, folder: Path) -> dict[str, Path]:
    """Write the page and the tables as CSV, each whole or not at all; paths by file name."""
    texts = {
        PAGE: render(found),
        "forecasts.csv": found.rows.to_csv(index=False),
        "summary.csv": found.summary.to_csv(index=False),
        "differences.csv": found.differences.to_csv(index=False),
        "terms.csv": found.terms.to_csv(index=False),
    }
    return {name: write_whole(text, folder / name) for name, text in texts.items()}


def log_revenue(tracker: Tracker, found: Revenue, files: Mapping[str, Path]) -> str:
    """Log the figures of every forecaster and the report to the tracker; gives the run's id."""
    metrics: dict[str, float] = {}
    for row in found.summary.to_dict("records"):
        question = f"day{row['day']}" if row["kind"] == "quarter" else f"month{row['lead']}"
        name = "_".join("".join(c if c.isalnum() else " " for c in str(row["name"])).split())
        for figure in ("wape", "bias", "pinball", "coverage", "wape_over_floor"):
            if np.isfinite(row[figure]):
                metrics[f"{name}.{figure}_{question}"] = float(row[figure])
    params = {"as_of_microseconds": found.as_of, "unit": found.unit, "rows": len(found.rows)}
    instants = found.rows["as_of"].nunique()
    return tracker.record(
        f"forecast backtest of {instants} instants", params=params, metrics=metrics, files=files
    )
