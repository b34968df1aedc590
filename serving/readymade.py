"""Predictions on ready-made features, for programs that compute the columns themselves.

The body is read and checked by hand: it is numbers alone, and pydantic would take longer over them
than the model does.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from pydantic_core import from_json, to_json

from serving.answers import head
from serving.problems import problem
from serving.replies import Content
from serving.view import View
from training.bundle import Bundle
from training.scoring import HORIZONS

MOST_ROWS = 1_000
QUICK_BYTES = 200_000
"""Bodies up to this are answered at once; a longer one would keep others waiting."""
REMEDY = "send {columns: names of features, data: a list of rows of numbers or nulls}"


def predicted(view: View, body: bytes) -> bytes:
    """Answer with the probabilities of each row, as JSON.

    Raises
    ------
    ProblemError
        400 for what is no JSON, 422 for what are no features of the model.
    """
    features = _features(view, body)
    found = chances(view.bundle, features)
    rows = [dict(zip(found, row, strict=True)) for row in zip(*found.values(), strict=True)]
    return to_json({**head(view), "rows": rows})


def chances(bundle: Bundle, features: pd.DataFrame) -> dict[str, list[float]]:
    """Columns p_won_30 ... p_lost of rows of features, as the scores have them."""
    incidence = bundle.close.incidence(features)
    found: dict[str, list[float]] = {}
    for side, by in (("won", incidence.won_by), ("lost", incidence.lost_by)):
        curve = by(HORIZONS)
        found |= {f"p_{side}_{h}": curve[:, k].tolist() for k, h in enumerate(HORIZONS)}
        ever = incidence.won if side == "won" else incidence.lost
        found[f"p_{side}"] = ever[:, -1].tolist()
    return found


def _features(view: View, body: bytes) -> pd.DataFrame:
    """(rows, features) matrix in the order of the model; what was not sent is missing."""
    columns, data = _parts(body)
    matrix = _matrix(columns, data)
    wanted = view.bundle.features
    if columns == list(wanted):
        return pd.DataFrame(matrix, columns=_names(tuple(wanted)), copy=False)
    if unknown := [name for name in columns if name not in set(wanted)]:
        raise problem(
            422,
            f"columns: {unknown[0][:50]!r} is no feature of model {view.bundle.version}",
            "send the features of the model; `dealcast features` describes them",
            field="columns",
            value=unknown[0],
        )
    return pd.DataFrame(matrix, columns=columns).reindex(columns=list(wanted))


@lru_cache(maxsize=4)
def _names(features: tuple[str, ...]) -> pd.Index:
    """Names as the index of a frame: they take longer to make than a row's frame."""
    return pd.Index(features)


def _parts(body: bytes) -> tuple[list[str], list[Any]]:
    try:
        asked: Content = from_json(body)
    except ValueError as error:
        raise problem(400, f"not JSON: {error}", "send JSON in UTF-8") from error
    good = isinstance(asked, dict) and set(asked) == {"columns", "data"}
    if not good or not all(isinstance(part, list) for part in asked.values()):
        raise problem(422, "the body is not {columns, data}", REMEDY)
    columns, data = asked["columns"], asked["data"]
    if not all(isinstance(name, str) for name in columns) or len(set(columns)) < len(columns):
        raise problem(422, "columns: not names, each once", REMEDY, field="columns")
    if not 1 <= len(data) <= MOST_ROWS:
        allowed = f"1 to {MOST_ROWS} rows"
        raise problem(422, f"data: {len(data)} rows", REMEDY, field="data", allowed=allowed)
    return columns, data


def _matrix(columns: list[str], data: list[Any]) -> Any:
    try:
        with np.errstate(over="ignore"):
            matrix = np.array(data, np.float64).astype(np.float32)
    except (TypeError, ValueError) as error:
        raise problem(422, f"data: {error}", REMEDY, field="data") from error
    if matrix.ndim != 2 or matrix.shape[1] != len(columns) or np.isinf(matrix).any():
        raise problem(
            422,
            f"data: rows of {len(columns)} finite numbers or nulls are asked for",
            REMEDY,
            field="data",
        )
    return matrix
