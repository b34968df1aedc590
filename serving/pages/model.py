"""Model: which one answers and why, how well it did on deals it had not seen, and how it ages."""

from __future__ import annotations

from typing import Any

import pandas as pd

from serving.pages.asked import Asked
from serving.pages.charts import chart, series
from serving.pages.kept import day_of, kept
from serving.pages.tables import Column, Table, shown
from serving.view import View, to_time
from training.insights.drift import drift
from training.insights.stored import Stored, newest_backtest
from training.tracking import Tracker

MOST_FEATURES = 12
Row = dict[str, Any]
FIGURES = (
    Column("horizon", "days"),
    Column("deals", "count"),
    Column("won_share", "share"),
    Column("log_loss", "decimal4"),
    Column("table_log_loss", "decimal4"),
    Column("auc", "decimal"),
    Column("table_auc", "decimal"),
    Column("observed_expected", "decimal"),
)
CONTENDERS = (
    Column("horizon", "days"),
    Column("name", title="col.contender"),
    Column("deals", "count"),
    Column("log_loss", "decimal4"),
    Column("log_loss_skill", "share"),
    Column("auc", "decimal"),
    Column(
        "observed_expected", "decimal", low="observed_expected_low", high="observed_expected_high"
    ),
    Column("calibration_error", "decimal4"),
)
DRIFT = (
    Column("feature"),
    Column("meaning"),
    Column("then", "figures"),
    Column("now", "figures", title="col.now_median"),
    Column("shift", "decimal", title="col.shift"),
    Column("verdict", "word", title="col.drift"),
)
PIPELINES = (
    Column("pipeline"),
    Column("deals", "count", title="col.closed"),
    Column("model_of", "word", title="col.model_of"),
    Column("gain", "decimal4", low="gain_low", high="gain_high", title="col.own_gain"),
    Column("reason", title="col.model_of_why"),
)
VERSIONS = (
    Column("version", title="col.model_version"),
    Column("champion", "word"),
    Column("tier", "word"),
    Column("cut", "day", title="col.learned_until"),
    Column("registered", "instant"),
    Column("gain", "decimal4"),
)
CURVE = (
    Column("predicted", "chance"),
    Column("observed", "chance", low="low", high="high"),
    Column("share", "share", title="col.rows_share"),
)


def model(view: View, asked: Asked) -> Row:
    """Give the card, the figures out of time, the stored backtest, the drift and the versions."""
    bundle, day = view.bundle, day_of(view)
    card = bundle.card
    workspace = asked.workspace
    stored = kept(view, "backtest", lambda: newest_backtest(workspace)) if workspace else None
    moved = kept(view, "drift", lambda: drift(bundle, view.history, day))
    rows = moved if asked.whole else moved.head(MOST_FEATURES)
    tables = {
        "figures": Table("figures", FIGURES, _figures(card)),
        "contenders": Table("contenders", CONTENDERS, _contenders(stored)),
        "calibration": Table("calibration", CURVE, _curve(stored)),
        "pipelines": Table("pipelines", PIPELINES, pipeline_rows(card)),
        "drift": Table("drift", DRIFT, shown(rows), len(moved)),
        "versions": Table("versions", VERSIONS, _versions(asked)),
    }
    return {
        "tables": tables,
        "card": card,
        "tier": bundle.tier,
        "version": bundle.version,
        "cut": to_time(bundle.cut),
        "age_days": (view.as_of - bundle.cut) / 86_400e6,
        "features": len(bundle.features),
        "gain": (card.get("validation") or {}).get("gain"),
        "distrusted": card.get("distrusted", {}),
        "stored": stored,
        "plot": _calibration(asked, stored),
        "drifted": int((moved["verdict"] == "large").sum()) if len(moved) else None,
    }


def _figures(card: Any) -> list[Row]:
    """Out-of-time figures by horizon, as they were measured when the model was trained."""
    figures = (card.get("validation") or {}).get("figures", {})
    return [{"horizon": float(days), **found} for days, found in figures.items()]


def pipeline_rows(card: Any) -> list[Row]:
    """Which model answers for each pipeline, where there are several.

    The gain of a model of its own, and what lies within two standard errors of it.
    """
    rows = []
    for tried in card.get("pipelines") or []:
        found = tried["gain"] or {}
        gain, error = found.get("mean"), 2 * found.get("standard_error", 0.0)
        low, high = (None, None) if gain is None else (gain - error, gain + error)
        whose = "own" if tried["served"] else "all"
        told = {"model_of": whose, "gain": gain, "gain_low": low, "gain_high": high}
        rows.append({**tried, **told})
    return rows if len(rows) > 1 else []


def _contenders(stored: Stored | None) -> list[Row]:
    if stored is None:
        return []
    frame = stored.contenders
    rows = shown(frame[frame["horizon"] == stored.horizon])
    for row in rows:
        row["horizon"] = float(row["horizon"]) or None
    return sorted(rows, key=lambda row: row["log_loss"])


def _curve(stored: Stored | None) -> list[Row]:
    if stored is None:
        return []
    curve = stored.curve
    return shown(pd.DataFrame({name: getattr(curve, name) for name in vars(curve)}))


def _calibration(asked: Asked, stored: Stored | None) -> str | None:
    """Observed against predicted, with the band in which a perfect model would lie."""
    if stored is None or not len(stored.curve.predicted):
        return None
    t, curve = asked.words, stored.curve
    top = min(
        float(max(curve.predicted.max(), curve.observed.max(), curve.high.max())) * 1.05, 1.0
    )
    parts = [
        series("band", t("model.perfect"), [], "grey", low=curve.low, high=curve.high),
        series("line", t("model.observed"), curve.observed.tolist(), "won"),
    ]
    return chart(
        curve.predicted.tolist(), parts, linear=True, diagonal=True, format=".0%", xformat=".0%",
        range=[0, top], xrange=[0, top], xtitle=t("model.predicted"), ytitle=t("model.came"),
    )  # fmt: skip


def _versions(asked: Asked) -> list[Row]:
    """Registered models, the newest first."""
    if asked.workspace is None:
        return []
    rows = []
    for each in Tracker(asked.workspace).versions():
        told = {"version": each.version, "tier": each.tier, "registered": to_time(each.registered)}
        cut = None if each.cut is None else to_time(each.cut)
        champion = "yes" if each.champion else "no"
        rows.append({**told, "cut": cut, "champion": champion, "gain": each.gain})
    return rows
