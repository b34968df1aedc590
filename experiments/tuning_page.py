"""The report of a study: one HTML file that needs no network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import optuna
import plotly.graph_objects as go
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from optuna.trial import FrozenTrial, TrialState
from plotly.offline import get_plotlyjs

from data.whole import write_whole
from experiments.tuning import (
    FINISHED,
    SPACE,
    Arena,
    default_params,
    importances,
    origins_seen,
)

HERE = Path(__file__).parent / "templates"
PAGE = "tuning.html"
ACCENT, MUTED = "#0b6e99", "#9aa5b1"
ENDED = {TrialState.COMPLETE: "at the end", TrialState.PRUNED: "given up"}


def write_page(study: optuna.Study, arena: Arena, said: str, folder: Path) -> Path:
    """Write the report into a folder, whole or not at all; the path of its page."""
    templates = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined
    )
    text = templates.get_template(PAGE).render(**_content(study, arena, said))
    return write_whole(text, folder / PAGE)


def _content(study: optuna.Study, arena: Arena, said: str) -> dict[str, Any]:
    trials = study.get_trials(deepcopy=False, states=FINISHED)
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    seen = origins_seen(trials)
    return {
        "name": study.study_name,
        "plotly": get_plotlyjs(),
        "complete": len(complete),
        "pruned": len(trials) - len(complete),
        "origins": len(arena.study),
        "aside": len(arena.aside),
        "said": said,
        "parameters": _parameters(study),
        "plots": {
            "Trial by trial": _html(_history(trials)),
            "Origins a trial was asked at: those that fell behind were given up": _html(
                _seen(trials, seen)
            ),
            "What the parameters matter": _html(_importance(importances(study))),
        },
        "trials": [
            (trial.number, _loss(trial), number, ENDED[trial.state])
            for trial, number in zip(trials, seen, strict=True)
        ],
    }


def _loss(trial: FrozenTrial) -> str:
    known = trial.value
    if trial.state == TrialState.PRUNED:
        known = float(np.mean(list(trial.intermediate_values.values())))
    return "-" if known is None else f"{known:.5f}"


def _parameters(study: optuna.Study) -> list[tuple[str, ...]]:
    default, best = default_params(), study.best_params
    return [
        (name, f"{default[name]:g}", f"{best[name]:.4g}", f"{low:g}", f"{high:g}")
        for name, (_, low, high, _) in SPACE.items()
    ]


def _figure(x: str, y: str) -> go.Figure:
    figure = go.Figure()
    figure.update_layout(
        template="plotly_white", height=340, margin={"l": 70, "r": 20, "t": 10, "b": 50},
        xaxis_title=x, yaxis_title=y,
    )  # fmt: skip
    return figure


def _history(trials: list[FrozenTrial]) -> go.Figure:
    figure = _figure("trial", "log-loss, nats a snapshot")
    done = [t for t in trials if t.state == TrialState.COMPLETE]
    figure.add_scatter(
        x=[t.number for t in done], y=[t.value for t in done], mode="markers", name="trials",
        marker={"color": ACCENT, "size": 9},
    )  # fmt: skip
    figure.add_scatter(
        x=[t.number for t in done], y=np.minimum.accumulate([t.value or 0.0 for t in done]),
        mode="lines", line={"color": MUTED, "shape": "hv"}, name="best so far",
    )  # fmt: skip
    return figure


def _seen(trials: list[FrozenTrial], seen: list[int]) -> go.Figure:
    figure = _figure("trial", "origins")
    colours = [ACCENT if t.state == TrialState.COMPLETE else MUTED for t in trials]
    figure.add_bar(x=[t.number for t in trials], y=seen, marker_color=colours)
    return figure


def _importance(found: dict[str, float]) -> go.Figure:
    figure = _figure("share of what varies among the losses", "")
    names = list(found)[::-1]
    figure.add_bar(
        x=[found[name] for name in names], y=names, orientation="h", marker_color=ACCENT
    )
    if not found:
        figure.add_annotation(text="too few trials ran to the end to tell", showarrow=False)
    return figure


def _html(figure: go.Figure) -> str:
    html: str = figure.to_html(
        full_html=False, include_plotlyjs=False, config={"displaylogo": False, "responsive": True}
    )
    return html
