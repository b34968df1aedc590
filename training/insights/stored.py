"""The newest stored backtest of a workspace: its contenders, and the curve of what it answered."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from training.reliability import Answers, Curve, reliability_curve

FOLDER = "backtests"
CONTENDERS, DIFFERENCES, ROWS = "contenders.csv", "differences.csv", "predictions.parquet"
FORECASTS, SUMMARY = "forecast-", "summary.csv"


@dataclass(frozen=True)
class Stored:
    """A backtest as it was written.

    Attributes
    ----------
    day : its as-of
    contenders : a row a horizon and contender (`training.backtest_figures.summary`)
    differences : a row a horizon and other contender, paired
    horizon : days of the curve; `curve` is that of the served contender, with its band
    """

    day: str
    contenders: pd.DataFrame
    differences: pd.DataFrame
    horizon: int
    curve: Curve


def newest_backtest(workspace: Path) -> Stored | None:
    """Read the newest whole backtest under `backtests/`; None where there is none."""
    folders = sorted((workspace / FOLDER).glob("*"), key=lambda folder: folder.name)
    for folder in reversed(folders):
        if all((folder / name).is_file() for name in (CONTENDERS, DIFFERENCES, ROWS)):
            return _read(folder)
    return None


def newest_forecast(workspace: Path) -> tuple[str, pd.DataFrame] | None:
    """Read how past forecasts did: the day, and a row a kind of period and contender.

    Columns: kind (month, quarter), name, n (instants), wape, bias, and of ours coverage; means
    over the instants of the newest forecast backtest, the closest first.
    """
    found = sorted((workspace / FOLDER).glob(f"{FORECASTS}*/{SUMMARY}"), key=str)
    if not found:
        return None
    rows = pd.read_csv(found[-1])
    figures = [name for name in ("wape", "bias", "coverage") if name in rows]
    weighted = rows[figures].mul(rows["n"], axis=0).assign(n=rows["n"])
    known = rows[figures].notna().mul(rows["n"], axis=0)
    keys = [rows["kind"], rows["name"]]
    sums, counts = weighted.groupby(keys).sum(), known.groupby(keys).sum()
    means = sums[figures] / counts[figures].replace(0, np.nan)
    told = means.assign(n=sums["n"].astype(int)).reset_index().sort_values(["kind", "wape"])
    return found[-1].parent.name.removeprefix(FORECASTS), told


def _read(folder: Path) -> Stored:
    contenders = pd.read_csv(folder / CONTENDERS)
    served = str(contenders["name"].iloc[0])
    horizons = contenders["horizon"].unique().tolist()
    horizon = 90 if 90 in horizons else int(horizons[0])
    answers = _answers(pd.read_parquet(folder / ROWS), served, horizon)
    differences = pd.read_csv(folder / DIFFERENCES)
    return Stored(folder.name, contenders, differences, horizon, reliability_curve(answers))


def _answers(rows: pd.DataFrame, served: str, horizon: int) -> Answers:
    p, labels = rows[f"p_{horizon or 'ever'} | {served}"], rows[f"label_{horizon}"]
    known = (p.notna() & labels.notna()).to_numpy(bool)
    time = rows["time"].dt.as_unit("us").astype("int64").to_numpy()
    deal = pd.factorize(rows["deal_id"])[0].astype(np.int64)
    days = horizon or 365
    return Answers.of(
        p[known].to_numpy(), labels[known].to_numpy(), deal[known], time[known], days
    )
