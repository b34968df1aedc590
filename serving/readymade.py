"""Predictions on ready-made features, for programs that compute the columns themselves.

The body is read and checked by hand: it is numbers alone, and pydantic would take longer over them
than the model does.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from pydantic_core import from_json, to_json

from features.windows import Floats
from serving.answers import head
from serving.problems import problem
from serving.replies import Content
from serving.view import View
from training.bundle import Bundle
from training.incidence import Incidence
from training.scoring import HORIZONS
from training.trees import Matrix

NAMES = tuple(
    f"p_{side}{by}" for side in ("won", "lost") for by in (*(f"_{h}" for h in HORIZONS), "")
)
"""What a row is answered with: by each horizon, and ever."""
MOST_ROWS = 1_000
REMEDY = "send {columns: names of features, data: a list of rows of numbers or nulls}"


def predicted(view: View, body: bytes) -> bytes:
    """Answer with the probabilities of each row, as JSON.

    Raises
    ------
    ProblemError
        400 for what is no JSON, 422 for what are no features of the model.
    """
    rows = _matrix(view.bundle, *_parts(body, view.bundle))
    found = chances(view.bundle, rows, view.as_of)
    told = [dict(zip(NAMES, row, strict=True)) for row in found.tolist()]
    return to_json({**head(view), "rows": told})


def chances(bundle: Bundle, rows: Matrix, as_of: int) -> Floats:
    """(n, NAMES) probabilities of rows of the features of a bundle, as its scores have them.

    `as_of` (microseconds) is the instant of the rows.
    """
    curves = bundle.close.incidence_of(rows, bundle.features)
    return of_curves(curves, bundle.won_days(as_of, HORIZONS))


def of_curves(incidence: Incidence, won_days: Floats) -> Floats:
    """(n, NAMES) probabilities of curves, of which those of won are asked at days of their own."""
    parts = [incidence.won_by(won_days), incidence.won[:, -1:]]
    parts += [incidence.lost_by(HORIZONS), incidence.lost[:, -1:]]
    return np.concatenate(parts, axis=1)


def _parts(body: bytes, bundle: Bundle) -> tuple[list[str], list[Any]]:
    try:
        asked: Content = from_json(body)
    except ValueError as error:
        raise problem(400, f"not JSON: {error}", "send JSON in UTF-8") from error
    good = isinstance(asked, dict) and set(asked) == {"columns", "data"}
    if not good or not all(isinstance(part, list) for part in asked.values()):
        raise problem(422, "the body is not {columns, data}", REMEDY)
    columns, data = asked["columns"], asked["data"]
    if columns != list(bundle.features) and not _are_names(columns):
        raise problem(422, "columns: not names, each once", REMEDY, field="columns")
    if not 1 <= len(data) <= MOST_ROWS:
        allowed = f"1 to {MOST_ROWS} rows"
        raise problem(422, f"data: {len(data)} rows", REMEDY, field="data", allowed=allowed)
    return columns, data


def _are_names(columns: list[Any]) -> bool:
    return all(isinstance(name, str) for name in columns) and len({*columns}) == len(columns)


def _matrix(bundle: Bundle, columns: list[str], data: list[Any]) -> Matrix:
    """(n, features) matrix in the order of the model; what was not sent is missing."""
    try:
        with np.errstate(over="ignore"):
            sent = np.array(data, np.float64).astype(np.float32)
    except (TypeError, ValueError) as error:
        raise problem(422, f"data: {error}", REMEDY, field="data") from error
    if sent.ndim != 2 or sent.shape[1] != len(columns) or np.isinf(sent).any():
        raise problem(
            422,
            f"data: rows of {len(columns)} finite numbers or nulls are asked for",
            REMEDY,
            field="data",
        )
    if columns == list(bundle.features):
        return sent
    place = {name: n for n, name in enumerate(bundle.features)}
    if unknown := [name for name in columns if name not in place]:
        raise problem(
            422,
            f"columns: {unknown[0][:50]!r} is no feature of model {bundle.version}",
            "send the features of the model; `dealcast features` describes them",
            field="columns",
            value=unknown[0],
        )
    rows = np.full((len(sent), len(place)), np.nan, np.float32)
    rows[:, [place[name] for name in columns]] = sent
    return rows
