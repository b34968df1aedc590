"""The rivals of the service: a bare FastAPI route, and what `mlflow models serve` loads.

Both answer ready-made features by the same bundle with the same probabilities, written as a
careful user of each would write it, and do nothing else: no keys, no limits, no log, no metrics,
no problem details.

* The model (`Plain`): LightGBM is asked once a booster, on a numpy matrix, with one thread. What
  the service does instead, all trees of all models at once (`training.trees`), is ours alone. The
  columns of the regressions are made once a request by the quick form that the bundle has
  (`training.flat`), and each regression is a product.
* The bare route: FastAPI with pydantic under uvicorn, asynchronous, so that no thread is waited
  for, and without pandas.
* MLflow: what `mlflow.pyfunc.save_model(loader_module=..., data_path=..., signature=...)` writes,
  with the signature that `infer_signature` finds, by which every request is checked: MLflow's
  manual asks for one. And the same without a signature, which is quicker.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
from fastapi import FastAPI
from pydantic import BaseModel

from features.windows import Floats
from serving.readymade import NAMES, of_curves
from training.boosted import BoostedModel
from training.bundle import Bundle, load_bundle, save_bundle
from training.calibration import calibrate
from training.flat import FlatBasis
from training.incidence import Incidence, coherent
from training.learners import BlendModel, Model
from training.logistic import LogisticModel
from training.scoring import HORIZONS
from training.trees import Matrix

BUNDLE = "SERVING_RIVALS_BUNDLE"


class Plain:
    """The close model of a bundle, asked part by part."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle, self.names = bundle, list(bundle.features)
        models = [*bundle.close.won, *bundle.close.lost]
        self.blends = [
            (m.parts, m.weights) if isinstance(m, BlendModel) else ([m], [1.0]) for m in models
        ]
        bases = {
            id(part.basis): part.basis
            for parts, _ in self.blends
            for part in parts
            if isinstance(part, LogisticModel)
        }
        self.bases = {key: FlatBasis.of(basis, self.names) for key, basis in bases.items()}

    def chances(self, rows: Matrix, as_of: int) -> Floats:
        """(n, NAMES) probabilities of rows of features as of an instant (microseconds)."""
        close, columns = self.bundle.close, {k: b.columns(rows.T) for k, b in self.bases.items()}
        found = np.stack(
            [
                sum(w * self._part(part, rows, columns) for part, w in zip(*blend, strict=True))
                for blend in self.blends
            ],
            axis=1,
        )
        sides = np.split(found, [len(close.won)], axis=1)
        raw = [calibrate(sides[n], close.slope[n], close.offset[n]) for n in (0, 1)]
        curves = Incidence(*coherent(*raw), close.tail_days, close.longest)
        return of_curves(curves, self.bundle.won_days(as_of, HORIZONS))

    def _part(self, part: Model, rows: Matrix, columns: dict[int, Floats]) -> Floats:
        """(n,) log-odds of one part of a blend."""
        if isinstance(part, BoostedModel):
            return np.asarray(part.booster.predict(rows, raw_score=True, num_threads=1))
        if isinstance(part, LogisticModel):
            linear: Floats = part.intercept + columns[id(part.basis)] @ part.coefficients
            return linear
        return part.logits(pd.DataFrame(rows, columns=self.names))


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
    model = Plain(load_bundle(Path(os.environ[BUNDLE])))
    app = FastAPI()

    @app.get("/ping")
    def ping() -> str:
        return "pong"

    @app.post("/invocations")
    async def predict(asked: Asked) -> Answer:
        rows = np.array(asked.data, np.float32)
        if asked.columns != model.names:
            rows = rows[:, [asked.columns.index(name) for name in model.names]]
        found = model.chances(rows, model.bundle.cut).tolist()
        return Answer(rows=[Row(**dict(zip(NAMES, row, strict=True))) for row in found])

    return app


class Loaded:
    """A bundle as MLflow asks it."""

    def __init__(self, bundle: Bundle) -> None:
        self.model = Plain(bundle)

    def predict(self, features: pd.DataFrame) -> pd.DataFrame:
        """Answer."""
        return pd.DataFrame(
            self.model.chances(features.to_numpy(np.float32), self.model.bundle.cut), columns=NAMES
        )


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
SIGNATURE = """signature:
  inputs: '{inputs}'
  outputs: '{outputs}'
"""


def write_mlflow_model(folder: Path, bundle: Bundle, features: pd.DataFrame | None) -> Path:
    """Write what `mlflow models serve` reads.

    Parameters
    ----------
    features : an example, from which the signature tells what may be missing; None: no signature
    """
    folder.mkdir()
    save_bundle(bundle, folder / "bundle")
    text = MLMODEL
    if features is not None:
        missing = features.isna().any()
        inputs = [_column("float", name, required=not missing[name]) for name in features.columns]
        outputs = [_column("double", name, required=True) for name in NAMES]
        text += SIGNATURE.format(inputs=json.dumps(inputs), outputs=json.dumps(outputs))
    (folder / "MLmodel").write_text(text, encoding="utf-8")
    return folder


def _column(kind: str, name: str, *, required: bool) -> dict[str, object]:
    return {"type": kind, "name": name, "required": bool(required)}
