"""Plots of a backtest, as plotly figures that a page shows with the script inlined once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from training.backtest_findings import Findings
from training.origins import within

INK, ACCENT, MUTED, BAND = "#1f2933", "#0b6e99", "#9aa5b1", "rgba(154,165,177,0.35)"
PALETTE = (
    *(ACCENT, "#6b7280", "#b45309", "#7c3aed", "#16a34a", "#be123c", "#eab308", "#111827"),
    "#f472b6",
)
Figure = Any


def plots(found: Findings) -> dict[str, Figure]:
    """Figures by the name of their place in the page."""
    return {
        **{f"reliability_{h}": reliability(found, h) for h in found.horizons},
        "gain": gain(found),
        "age": auc_by_age(found),
        "time": over_time(found),
        "skill": skill_over_time(found),
    }


def _figure(title_x: str, title_y: str, height: int = 360, **layout: Any) -> Figure:
    import plotly.graph_objects as go

    figure = go.Figure()
    figure.update_layout(
        template="plotly_white",
        height=height,
        margin={"l": 60, "r": 16, "t": 12, "b": 50},
        font={"family": "system-ui, sans-serif", "size": 13, "color": INK},
        legend={"orientation": "h", "y": -0.22, "yanchor": "top", "x": 0},
        xaxis_title=title_x,
        yaxis_title=title_y,
        hovermode="closest",
        **layout,
    )
    return figure


def colours(found: Findings) -> Mapping[str, str]:
    """A colour for each contender, the served one first."""
    names = [found.name, *(n for n in found.gains if n != found.name)]
    return {name: PALETTE[k % len(PALETTE)] for k, name in enumerate(names)}


def reliability(found: Findings, horizon: int) -> Figure:
    """Observed against predicted, with the band in which a perfect model's curve would lie."""
    curve = found.curves[horizon]
    figure = _figure(f"predicted: won {within(horizon)}", "observed share", showlegend=True)
    figure.add_scatter(
        x=[*curve.predicted, *curve.predicted[::-1]],
        y=[*curve.high, *curve.low[::-1]],
        fill="toself", fillcolor=BAND, line={"width": 0}, hoverinfo="skip",
        name="a perfect model, 90 of 100 times",
    )  # fmt: skip
    figure.add_scatter(
        x=curve.predicted, y=curve.observed, mode="lines", line={"color": ACCENT, "width": 2.5},
        name=found.name, hovertemplate="said %{x:.0%}, came %{y:.0%}<extra></extra>",
    )  # fmt: skip
    top = float(max(np.max(curve.predicted, initial=0.1), np.max(curve.high, initial=0.1), 0.1))
    figure.add_scatter(
        x=[0, top], y=[0, top], mode="lines", hoverinfo="skip", showlegend=False,
        line={"color": MUTED, "dash": "dash", "width": 1},
    )  # fmt: skip
    axis = {"tickformat": ".0%", "range": [0, min(top * 1.03, 1.0)]}
    figure.update_layout(xaxis=axis, yaxis=axis)
    return figure


def gain(found: Findings) -> Figure:
    """Share of the wins in the best-scored share of the deals."""
    figure = _figure("share of open deals, best first", f"share of wins {within(found.main)}", 500)
    for name, colour in colours(found).items():
        share = found.gains[name]
        figure.add_scatter(
            x=np.linspace(0, 1, len(share)), y=share, mode="lines", name=name,
            line={"color": colour, "width": 3 if name == found.name else 1.5},
            hovertemplate="best %{x:.0%}: %{y:.0%} of the wins<extra>" + name + "</extra>",
        )  # fmt: skip
    figure.add_scatter(
        x=[0, 1], y=[0, 1], mode="lines", name="by chance", hoverinfo="skip",
        line={"color": MUTED, "dash": "dot", "width": 1},
    )  # fmt: skip
    axis = {"tickformat": ".0%", "range": [0, 1.01]}
    figure.update_layout(xaxis=axis, yaxis=axis)
    return figure


def auc_by_age(found: Findings) -> Figure:
    """AUC among deals of an age open on the same day."""
    figure = _figure("", f"AUC, won {within(found.main)}", 500)
    for name, colour in colours(found).items():
        rows = found.ages[found.ages["name"] == name]
        figure.add_scatter(
            x=rows["age"], y=rows["auc"], mode="lines+markers", name=name,
            line={"color": colour, "width": 3 if name == found.name else 1.5},
            hovertemplate="%{x}: %{y:.3f}<extra>" + name + "</extra>",
        )  # fmt: skip
    figure.add_hline(y=0.5, line={"color": MUTED, "dash": "dot", "width": 1})
    return figure


def _months(frame: pd.DataFrame) -> pd.Series:
    return pd.to_datetime(frame["origin"], unit="us", utc=True).dt.strftime("%Y-%m-%d")


def over_time(found: Findings) -> Figure:
    """Observed over expected wins of each origin's month, with 95 % intervals by deals."""
    figure = _figure("origin (asked about the four weeks after it)", "observed / expected", 360)
    for horizon, colour in zip(found.horizons, PALETTE, strict=False):
        frame = found.over_time[horizon]
        ratio = frame["observed_expected"]
        figure.add_scatter(
            x=_months(frame), y=ratio, mode="lines+markers", name=f"won {within(horizon)}",
            line={"color": colour}, visible=None if horizon == found.main else "legendonly",
            error_y={
                "type": "data", "array": frame["observed_expected_high"] - ratio,
                "arrayminus": ratio - frame["observed_expected_low"], "thickness": 1,
            },
            hovertemplate="%{x}: %{y:.2f}<extra></extra>",
        )  # fmt: skip
    figure.add_hline(y=1, line={"color": MUTED, "dash": "dash", "width": 1})
    figure.update_layout(yaxis_rangemode="tozero", xaxis_type="category")
    return figure


def skill_over_time(found: Findings) -> Figure:
    """Log-loss skill of each origin's month."""
    figure = _figure("origin", "log-loss less than the table's", 360)
    for horizon, colour in zip(found.horizons, PALETTE, strict=False):
        frame = found.over_time[horizon]
        figure.add_scatter(
            x=_months(frame), y=frame["log_loss_skill"], mode="lines+markers",
            name=f"won {within(horizon)}", line={"color": colour},
            visible=None if horizon == found.main else "legendonly",
            hovertemplate="%{x}: %{y:.1%}<extra></extra>",
        )  # fmt: skip
    figure.add_hline(y=0, line={"color": MUTED, "dash": "dash", "width": 1})
    figure.update_layout(yaxis_tickformat=".1%", xaxis_type="category")
    return figure
