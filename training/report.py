"""What a training logs: parameters, metrics, and plots that show whether to trust it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from features.windows import Floats
from training.boosted import DEFAULTS
from training.bundle import Bundle
from training.calibration import calibrate, deal_weights
from training.incidence import KNOTS
from training.tracking import Tracker
from training.train import Trained
from training.validation import OutOfTime

BINS = 10
INK, ACCENT, MUTED = "#1f2933", "#0b6e99", "#9aa5b1"


def log_training(tracker: Tracker, trained: Trained, data_version: str) -> Bundle:
    """Log a run with its plots and register its bundle; gives the bundle back stamped."""
    with tempfile.TemporaryDirectory() as folder:
        plots = training_plots(trained, Path(folder))
        bundle, _ = tracker.register(
            trained.bundle,
            params=parameters(trained.bundle),
            metrics=metrics(trained),
            plots=plots,
            data_version=data_version,
        )
    return bundle


def parameters(bundle: Bundle) -> dict[str, Any]:
    """What was chosen before the data spoke, and the counts it spoke with."""
    counted = ("deals", "open_deals", "closed_deals", "won_deals", "lost_deals", "snapshots")
    chosen = {f"boosted.{name}": value for name, value in DEFAULTS.items()}
    return {
        **{name: bundle.card[name] for name in counted},
        **chosen,
        "knots": KNOTS,
        "cut_microseconds": bundle.cut,
        "fingerprint": bundle.fingerprint,
    }


def metrics(trained: Trained) -> dict[str, float]:
    """Out-of-time figures by horizon, the gain over the table and the calibration."""
    verdict = trained.verdict
    if verdict is None:
        return {}
    found = {
        f"{name}_{h}d": value
        for h, figures in verdict.figures.items()
        for name, value in figures.items()
    }
    return {
        **found,
        "gain_over_table": verdict.gain.mean,
        "gain_over_table_se": verdict.gain.standard_error,
        "calibration_slope": verdict.slope[0],
        "calibration_offset": verdict.offset[0],
    }


def training_plots(trained: Trained, folder: Path) -> dict[str, Path]:
    """PNG files by name; none where nothing could be validated."""
    if trained.out_of_time is None or trained.verdict is None:
        return {}
    horizon = max(trained.out_of_time.labels)
    slope, offset = trained.verdict.slope[0], trained.verdict.offset[0]
    p = calibrate(trained.out_of_time.model[horizon], slope, offset)
    plots = {"reliability": folder / "reliability.png", "gain": folder / "gain.png"}
    _reliability(trained.out_of_time, horizon, p, plots["reliability"])
    _gain(trained.out_of_time, horizon, p, plots["gain"])
    return plots


def _axes() -> Any:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.5, 4.5), layout="constrained")
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _reliability(found: OutOfTime, horizon: int, p: Floats, path: Path) -> None:
    """Observed share against predicted probability in ten equally filled bins."""
    labels, weights = found.labels[horizon], deal_weights(found.deal)
    figure, axes = _axes()
    edges = np.quantile(p, np.linspace(0, 1, BINS + 1))
    index = np.clip(np.searchsorted(edges, p, side="right") - 1, 0, BINS - 1)
    for b in np.unique(index):
        inside = index == b
        weight = weights[inside].sum()
        x = np.average(p[inside], weights=weights[inside])
        y = np.average(labels[inside], weights=weights[inside])
        error = 2 * np.sqrt(max(y * (1 - y), 0.01) / max(weight, 1))
        axes.errorbar(x, y, yerr=error, color=ACCENT, marker="o", capsize=2)
    axes.axline((0, 0), slope=1, color=MUTED, linestyle="--", linewidth=1)
    axes.set(
        xlim=(0, 1), ylim=(0, 1), xlabel=f"predicted probability of winning within {horizon} days",
        ylabel="share that was won", title="Reliability, out of time (bars: two standard errors)",
    )  # fmt: skip
    figure.savefig(path, dpi=110)


def _gain(found: OutOfTime, horizon: int, p: Floats, path: Path) -> None:
    """Share of the wins found in the best-scored share of the deals."""
    labels = found.labels[horizon]
    figure, axes = _axes()
    for name, scores, colour in (
        ("model", p, ACCENT),
        ("stage x age table", found.table[horizon], MUTED),
    ):
        order = np.argsort(-scores, kind="stable")
        found_share = np.cumsum(labels[order]) / max(labels.sum(), 1)
        share = np.arange(1, len(order) + 1) / len(order)
        axes.plot(share, found_share, color=colour, label=name)
    axes.axline((0, 0), slope=1, color=INK, linestyle=":", linewidth=1, label="by chance")
    axes.set(
        xlim=(0, 1), ylim=(0, 1), xlabel="share of open deals, best first",
        ylabel=f"share of the wins within {horizon} days", title="Gain, out of time",
    )  # fmt: skip
    axes.legend(frameon=False, loc="lower right")
    figure.savefig(path, dpi=110)
