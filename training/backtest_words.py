"""What a backtest found, in sentences that a sales leader can read."""

from __future__ import annotations

import pandas as pd

from training.backtest_figures import REFERENCE
from training.backtest_findings import Findings
from training.origins import within


def said(found: Findings) -> list[str]:
    """What the figures say, in sentences."""
    row = found.row(found.main)
    return [
        line
        for line in (
            _said_gain(found, row),
            _said_calibration(found, row),
            _said_list(found),
            _said_segments(found),
            _said_stability(found),
        )
        if line
    ]


def _said_gain(found: Findings, row: pd.Series) -> str:
    against = found.differences
    against = against[(against["horizon"] == found.main) & (against["other"] == REFERENCE)]
    if not len(against):
        return ""
    gain = against.iloc[0]
    word = "takes away" if row["log_loss_skill"] > 0 else "adds"
    return (
        f"Asked who is won {within(found.main)}, the {found.name} {word} "
        f"{abs(row['log_loss_skill']):.1%} of the log-loss of the stage x age table "
        f"({row['log_loss']:.4f} nats); it is the better one in {gain['better']:.1%} of "
        f"resamplings of the {gain['deals']:,.0f} deals."
    )


def _said_calibration(found: Findings, row: pd.Series) -> str:
    error, perfect = row["calibration_error"], row["calibration_error_of_a_perfect_model"]
    word = (
        "no more than a perfect model would show by chance"
        if error <= perfect
        else "more than the chance of the draw would show a perfect model"
    )
    return (
        f"For every 100 wins that it expected {within(found.main)}, "
        f"{100 * row['observed_expected']:.0f} came (95 % interval "
        f"{100 * row['observed_expected_low']:.0f} to {100 * row['observed_expected_high']:.0f}). "
        f"Its probabilities are off by {100 * error:.1f} points on average: {word} "
        f"({100 * perfect:.1f})."
    )


def _said_list(found: Findings) -> str:
    mine = found.lists[found.lists["name"] == found.name]
    if not len(mine):
        return ""
    row = mine.iloc[0]
    money = (
        f" and, ordered by money, {row['revenue_captured']:.0%} of the revenue"
        if row["revenue_captured"] == row["revenue_captured"]
        else ""
    )
    return (
        f"The top tenth of each rep's list ({row['listed']:.0%} of the deals) held "
        f"{row['wins_captured']:.0%} of the wins {within(found.main)}{money}; "
        f"{row['precision']:.0%} of its deals were won, against {row['won_share']:.0%} of all."
    )


def _said_segments(found: Findings) -> str:
    table = found.segments[found.main]
    if not len(table):
        return ""
    off = table[table["verdict"] == "off"]
    if not len(off):
        return (
            f"In none of the {len(table)} segments (stage, age, pipeline, source) is the number "
            "of wins further from what was expected than chance explains."
        )
    names = ", ".join(
        f"{r['dimension']} {r['value']} ({r['observed_expected']:.2f})"
        for r in off.to_dict("records")
    )
    return f"Observed over expected wins is off beyond chance in {names}."


def _said_stability(found: Findings) -> str:
    if not len(found.stability):
        return ""
    mine = found.stability[found.stability["name"] == found.name]
    if not len(mine):
        return ""
    row = mine.iloc[0]
    return (
        f"A day on which nothing happens to a deal moves its probability by "
        f"{100 * row['mean']:.1f} points on average (95 of 100 deals by less than "
        f"{100 * row['p95']:.1f})."
    )
