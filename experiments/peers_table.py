"""What the peers answered beside dealcast, as lines of a page (`experiments.peers`)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from experiments.peers_run import HORIZON
from features.windows import Floats, Ints
from training.metrics import auc, log_loss, paired

WEEKS = 12
"""Weeks of test snapshots after the origin."""
NAMES = {
    "logistic": "logistic regression",
    "lightgbm": "LightGBM",
    "catboost": "CatBoost",
    "hazardous": "SurvivalBoost (hazardous)",
    "flaml": "FLAML",
    "autogluon": "AutoGluon",
}
SEARCHING = ("flaml", "autogluon")
"""Tools that use the minutes they are given."""
WITHOUT_GROUPS = ("hazardous",)
"""Tools that take no groups: they run once."""


@dataclass(frozen=True)
class Split:
    """An origin of a demo CRM with dealcast's own answer.

    Attributes
    ----------
    labels, ours : (n,) of the test rows: won within 90 days, and dealcast's probability of it
    seconds, busy : of dealcast's whole training, and of the processor
    """

    deals: int
    origin: int
    taught: int
    deal: Ints
    labels: Floats
    ours: Floats
    seconds: float
    busy: float


@dataclass(frozen=True)
class Answer:
    """Probabilities of one run of a peer, and what they cost."""

    tool: str
    aware: bool
    p: Floats
    seconds: float
    busy: float


def lines_of(
    split: Split, answers: list[Answer], absent: list[str], minutes: dict[bool, float]
) -> list[str]:
    """Text of the section."""
    searched = " and ".join(
        NAMES[tool] for tool in SEARCHING if any(tool == each.tool for each in answers)
    )
    loss = float(log_loss(split.labels, split.ours).mean())
    rate = float(log_loss(split.labels, np.full(len(split.labels), split.labels.mean())).mean())
    lines = [
        "`python -m experiments.peers --python peers-env/bin/python --write` wrote this section;",
        "the head of the script says how to make the peers' environment.",
        "",
        f"A demo CRM of {split.deals:,} deals, asked at one origin: {split.taught:,} weekly "
        f"snapshots watched for {HORIZON} days teach the peers; dealcast learns from all open "
        f"deals by itself. The {len(split.labels):,} snapshots of the {WEEKS} weeks after "
        "test: won within 90 days or not. All read the same features. "
        f"{searched or 'Searches'} had {minutes[True]:g} minutes each"
        + (f" ({minutes[False]:g} where not told)" if minutes[True] != minutes[False] else "")
        + ". `told`: the tool validates on folds of deals or on the deals that began last; `not "
        "told`: as it does by itself, on rows of deals it trains on. +- is one standard error of "
        "the paired difference over deals. dealcast's seconds are those of its whole `train`, "
        "features, folds and calibration included; the peers found the features computed. "
        f"Log-loss of the test rows' own base rate: {rate:.4f}.",
        "",
        "| | validation | log-loss | worse than dealcast by | AUC | seconds | processor seconds |",
        "|---|---|---|---|---|---|---|",
        f"| **dealcast** | out of time | {loss:.4f} | | {auc(split.labels, split.ours):.3f} "
        f"| {split.seconds:.0f} | {split.busy:.0f} |",
        *(_line(split, answer) for answer in answers),
    ]
    lines += [*_starved(answers, minutes), *_slowed(answers)]
    if absent:
        lines += ["", f"No answer (not installed, failed or stopped): {', '.join(absent)}."]
    return lines


def _starved(answers: list[Answer], minutes: dict[bool, float]) -> list[str]:
    """Say which searches a busy machine kept from the processor: theirs was no fair race."""
    told = [
        f"{NAMES[each.tool]} ({'told' if each.aware else 'not told'}) had {each.busy:.0f} "
        f"processor seconds in {minutes[each.aware]:g} minutes"
        for each in answers
        if each.tool in SEARCHING and each.busy < 60 * minutes[each.aware] / 2
    ]
    if not told:
        return []
    return [
        "",
        f"Other work held the machine: {'; '.join(told)}. That is no fair race for a search; it "
        "should be run again on a quiet machine.",
    ]


def _slowed(answers: list[Answer]) -> list[str]:
    """Name the others that waited for a busy machine: their seconds tell of that."""
    waited = [
        NAMES[each.tool]
        for each in answers
        if each.tool not in SEARCHING and each.seconds > 2 * each.busy
    ]
    if not waited:
        return []
    return ["", f"Other work ran beside {', '.join(waited)}: read the processor seconds."]


def _line(split: Split, answer: Answer) -> str:
    loss = log_loss(split.labels, answer.p)
    worse = paired(split.deal, loss - log_loss(split.labels, split.ours))
    told = (
        "none taken" if answer.tool in WITHOUT_GROUPS else "told" if answer.aware else "not told"
    )
    return (
        f"| {NAMES[answer.tool]} | {told} | {loss.mean():.4f} "
        f"| {worse.mean:+.4f} +- {worse.standard_error:.4f} | {auc(split.labels, answer.p):.3f} "
        f"| {answer.seconds:.0f} | {answer.busy:.0f} |"
    )
