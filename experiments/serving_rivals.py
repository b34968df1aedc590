"""The rivals of the service: a bare FastAPI route, and what `mlflow models serve` loads.

Both answer ready-made features by the same bundle with the same call, and nothing else.
"""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd
from fastapi import FastAPI
from pydantic import BaseModel

from features.windows import Floats
from training.bundle import Bundle, load_bundle
from training.scoring import HORIZONS

BUNDLE = "SERVING_RIVALS_BUNDLE"


def chances(bundle: Bundle, features: pd.DataFrame) -> pd.DataFrame:
    """Columns p_won_30 ... p_lost of rows of features."""
    incidence = bundle.close.incidence(features.astype("float32"))
    found: dict[str, Floats] = {}
    for side, by in (("won", incidence.won_by), ("lost", incidence.lost_by)):
        curve = by(HORIZONS)
        found |= {f"p_{side}_{h}": curve[:, k] for k, h in enumerate(HORIZONS)}
        found[f"p_{side}"] = (incidence.won if side == "won" else incidence.lost)[:, -1]
    return pd.DataFrame(found)


class Asked(BaseModel):
    """Rows of features."""

    columns: list[str]
    data: list[list[float | None]]


class Row(BaseModel):
    """Probabilities of one row."""

    p_won_30: float
    p_won_60: float
    p_won_90: float
    p_won_180: float
    p_won: float
    p_lost_30: float
    p_lost_60: float
    p_lost_90: float
    p_lost_180: float
    p_lost: float


class Answer(BaseModel):
    """A row for each row."""

    rows: list[Row]


def make_bare() -> FastAPI:
    """Make the bare route; uvicorn calls this."""
    bundle = load_bundle(Path(os.environ[BUNDLE]))
    app = FastAPI()

    @app.get("/ping")
    def ping() -> str:
        return "pong"

    @app.post("/invocations")
    async def predict(asked: Asked) -> Answer:
        features = pd.DataFrame(asked.data, columns=asked.columns, dtype="float32")
        rows = chances(bundle, features).to_dict("records")
        return Answer(rows=[Row.model_validate(row) for row in rows])

    return app


class Loaded:
    """A bundle as MLflow asks it."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle

    def predict(self, features: pd.DataFrame) -> pd.DataFrame:
        """Answer."""
        return chances(self.bundle, features)


def _load_pyfunc(path: str) -> Loaded:
    """MLflow calls this."""
    return Loaded(load_bundle(Path(path)))


MLMODEL = """flavors:
  python_function:
    data: bundle
    env: {}
    loader_module: experiments.serving_rivals
    python_version: 3.11.0
"""


def write_mlflow_model(folder: Path) -> Path:
    """Write what `mlflow models serve` reads, around a bundle that is in `folder` already."""
    (folder / "MLmodel").write_text(MLMODEL, encoding="utf-8")
    return folder
