"""One peer, run in an environment of its own: reads rows, fits, writes probabilities.

It imports nothing of the project, for the peers pin other versions of what the project uses:

    python experiments/peers_run.py TOOL FOLDER --minutes 10 [--unaware]

FOLDER holds `train.parquet` (features, `label`, `deal`, `time`), `survival.parquet` (features,
`event`, `duration`), `test.parquet` (features) and `rows.json` (names of the features, and of
those that are codes). With `--unaware` the tool is not told which rows are of one deal, nor which
came first, and validates as it does by itself.
"""

from __future__ import annotations

import argparse
import importlib
import json
import resource
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

FOLDS = 5
LATE = 0.2
"""Share of the deals, those begun last, on which a tool without folds by deal validates."""
HORIZON = 90


@dataclass(frozen=True)
class Given:
    """What a tool is given."""

    folder: Path
    features: list[str]
    categorical: list[str]
    minutes: float
    aware: bool

    def table(self, name: str) -> pd.DataFrame:
        """Rows of a file; codes as whole numbers, missing ones -1."""
        rows = pd.read_parquet(self.folder / f"{name}.parquet")
        codes = {code: rows[code].fillna(-1).astype(int) for code in self.categorical}
        return rows.assign(**codes)

    def late(self, rows: pd.DataFrame) -> npt.NDArray[np.bool_]:
        """(n,) rows of the deals that were begun last."""
        first = rows.groupby("deal")["time"].min()
        late = first[first >= first.quantile(1 - LATE)].index
        return np.asarray(rows["deal"].isin(late))


Fit = Callable[[Given], "npt.NDArray[np.float64]"]


def _logistic(given: Given) -> Any:
    """L2 logistic regression; its strength by folds of deals, or as it comes."""
    linear = importlib.import_module("sklearn.linear_model")
    rows, asked = given.table("train"), given.table("test")
    pipeline = importlib.import_module("sklearn.pipeline").make_pipeline
    pre = importlib.import_module("sklearn.preprocessing")
    impute = importlib.import_module("sklearn.impute").SimpleImputer
    compose = importlib.import_module("sklearn.compose").make_column_transformer
    numeric = [name for name in given.features if name not in given.categorical]
    columns = compose(
        (pipeline(impute(strategy="median", add_indicator=True), pre.StandardScaler()), numeric),
        (pre.OneHotEncoder(handle_unknown="ignore", min_frequency=30), given.categorical),
    )
    x = columns.fit_transform(rows[given.features])
    if given.aware:
        folds = importlib.import_module("sklearn.model_selection").GroupKFold(FOLDS)
        splits = list(folds.split(x, groups=rows["deal"]))
        model = linear.LogisticRegressionCV(
            Cs=np.logspace(-4, -1, 4), cv=splits, scoring="neg_log_loss", max_iter=100,
            l1_ratios=(0.0,), use_legacy_attributes=False,
        )  # fmt: skip
    else:
        model = linear.LogisticRegression(max_iter=300)
    model.fit(x, rows["label"])
    return model.predict_proba(columns.transform(asked[given.features]))[:, 1]


def _lightgbm(given: Given) -> Any:
    """LightGBM as it comes; aware of deals it stops early on the last ones."""
    lightgbm = importlib.import_module("lightgbm")
    rows, asked = given.table("train"), given.table("test")
    if not given.aware:
        model = lightgbm.LGBMClassifier(verbose=-1)
        model.fit(rows[given.features], rows["label"], categorical_feature=given.categorical)
    else:
        late = given.late(rows)
        model = lightgbm.LGBMClassifier(verbose=-1, n_estimators=2000)
        model.fit(
            rows.loc[~late, given.features], rows.loc[~late, "label"],
            eval_set=[(rows.loc[late, given.features], rows.loc[late, "label"])],
            categorical_feature=given.categorical,
            callbacks=[lightgbm.early_stopping(50, verbose=False)],
        )  # fmt: skip
    return model.predict_proba(asked[given.features])[:, 1]


def _catboost(given: Given) -> Any:
    """CatBoost as it comes; aware of deals it stops early on the last ones."""
    catboost = importlib.import_module("catboost")
    rows, asked = given.table("train"), given.table("test")
    model = catboost.CatBoostClassifier(
        verbose=0, allow_writing_files=False, cat_features=given.categorical
    )
    if given.aware:
        late = given.late(rows)
        held = (rows.loc[late, given.features], rows.loc[late, "label"])
        model.fit(rows.loc[~late, given.features], rows.loc[~late, "label"], eval_set=held)
    else:
        model.fit(rows[given.features], rows["label"])
    return model.predict_proba(asked[given.features])[:, 1]


def _flaml(given: Given) -> Any:
    """FLAML's AutoML on log-loss; aware of deals it validates on folds of deals."""
    automl = importlib.import_module("flaml").AutoML()
    rows, asked = given.table("train"), given.table("test")
    told: dict[str, Any] = {}
    if given.aware:
        told = {
            "split_type": "group", "groups": rows["deal"].to_numpy(),
            "eval_method": "cv", "n_splits": FOLDS,
        }  # fmt: skip
    automl.fit(
        rows[given.features], rows["label"].astype(int), task="classification",
        metric="log_loss", time_budget=60 * given.minutes, n_jobs=-1, seed=0, verbose=0, **told,
    )  # fmt: skip
    return automl.predict_proba(asked[given.features])[:, 1]


def _autogluon(given: Given) -> Any:
    """AutoGluon's tabular predictor on log-loss; aware of deals it bags over folds of deals."""
    tabular = importlib.import_module("autogluon.tabular")
    rows, asked = given.table("train"), given.table("test")
    columns = [*given.features, "label"]
    told: dict[str, Any] = {}
    if given.aware:
        rows = rows.assign(fold=pd.util.hash_array(rows["deal"].to_numpy()) % FOLDS)
        columns, told = [*columns, "fold"], {"groups": "fold"}
    with tempfile.TemporaryDirectory() as folder:
        predictor = tabular.TabularPredictor(
            label="label", problem_type="binary", eval_metric="log_loss", path=folder,
            verbosity=1, **told,
        )  # fmt: skip
        predictor.fit(rows[columns], time_limit=60 * given.minutes)
        return predictor.predict_proba(asked[given.features])[1].to_numpy(float)


def _survival_boost(given: Given) -> Any:
    """SurvivalBoost of `hazardous`: competing risks, censored rows too; it takes no groups."""
    hazardous = importlib.import_module("hazardous")
    rows, asked = given.table("survival"), given.table("test")
    model = hazardous.SurvivalBoost(show_progressbar=False, random_state=0)
    model.fit(rows[given.features], rows[["event", "duration"]])
    found = model.predict_cumulative_incidence(asked[given.features], times=[float(HORIZON)])
    return np.asarray(found)[:, 1, 0]


TOOLS: dict[str, Fit] = {
    "logistic": _logistic,
    "lightgbm": _lightgbm,
    "catboost": _catboost,
    "hazardous": _survival_boost,
    "flaml": _flaml,
    "autogluon": _autogluon,
}


def main() -> None:
    """Fit one tool and write `TOOL.npy` and `TOOL.json` into the folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tool", choices=TOOLS)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--unaware", action="store_true")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    head = json.loads((options.folder / "rows.json").read_text(encoding="utf-8"))
    given = Given(
        options.folder, head["features"], head["categorical"], options.minutes, not options.unaware
    )
    begin = time.perf_counter()
    found = np.asarray(TOOLS[options.tool](given), float)
    seconds = time.perf_counter() - begin
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    busy = sum(each.ru_utime + each.ru_stime for each in used)
    name = options.tool + ("_unaware" if options.unaware else "")
    np.save(options.folder / f"{name}.npy", found)
    text = json.dumps({"seconds": seconds, "busy": busy})
    (options.folder / f"{name}.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
