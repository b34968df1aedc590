"""Reasons: what speaks for a deal and against it, in short true sentences with the numbers.

The numbers are those of `explanation`: base and groups add up to the log-odds of the served
p_won_90. The base is the usual open deal, so a group tells how this deal differs from it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from features.windows import Ints
from training.bundle import Bundle
from training.explanation import DAYS, parts_of, points_each, usual_groups
from training.learners import expit
from training.scoring import FACTS, Scored
from training.sentences import Facts, days_text, reads_as, sentence
from training.themes import CURVE

TOP = 3
LEAST = 0.05
"""Contributions below this, in log-odds, are not worth a sentence."""


@dataclass(frozen=True)
class Reason:
    """One reason: its theme, its part of the log-odds, and the sentence for people.

    Attributes
    ----------
    points : the same part on the scale of probabilities: how much of p_won_90 less the usual
        deal's it makes up, in [-1, 1]
    """

    theme: str
    contribution: float
    text: str
    points: float = 0.0


@dataclass(frozen=True)
class Explanation:
    """Why one deal has the p_won_90 that is served.

    Attributes
    ----------
    usual : P(won within 90 days) of the usual open deal, log-odds `base`
    groups : by theme, and `curve`: part of the log-odds; base + all of them = log-odds of
        p_won_90
    points : the same on the scale of probabilities: usual + all of them = p_won_90
    """

    deal_id: str
    p_won_90: float
    usual: float
    base: float
    groups: Mapping[str, float]
    points: Mapping[str, float]
    reasons: Sequence[Reason]


def explain(
    bundle: Bundle,
    scored: Scored,
    rows: Ints | None = None,
    usual: Mapping[str, float] | None = None,
) -> list[Explanation]:
    """Explain rows of `scored`, by default all.

    Parameters
    ----------
    usual : `usual_groups` of all open deals; by default of those in `scored`
    """
    usual = usual_groups(bundle, scored) if usual is None else usual
    rows = np.arange(len(scored.frame)) if rows is None else rows
    if not len(rows):
        return []
    curves = scored.incidence
    curves = replace(curves, won=curves.won[rows], lost=curves.lost[rows])
    parts = parts_of(bundle, scored.features.iloc[rows], curves).against(usual)
    served, start = curves.won_by(DAYS)[:, 0], expit(parts.base)
    each = points_each(start, served)
    ids = scored.columns["deal_id"][rows]
    told = facts_of(bundle, scored, rows)
    groups = [dict(zip(parts.themes, part, strict=True)) for part in parts.added.tolist()]
    return [
        Explanation(
            deal_id, float(p), float(p0), float(base), group,
            {theme: part * worth for theme, part in group.items()},
            _worth_telling(group, worth, facts),
        )
        for deal_id, p, p0, base, group, worth, facts in zip(
            ids, served, start, parts.base, groups, each, told, strict=True
        )
    ]  # fmt: skip


def reasons(bundle: Bundle, scored: Scored) -> list[list[Reason]]:
    """Reasons of each scored deal, the strongest for and against, at most TOP of each."""
    return [list(found.reasons) for found in explain(bundle, scored)]


def reason_texts(bundle: Bundle, scored: Scored) -> list[str]:
    """(n,) reasons of each deal in one text, strongest first, each with its sign."""
    return [
        "; ".join(f"{'+' if r.contribution > 0 else '-'} {r.text}" for r in found)
        for found in reasons(bundle, scored)
    ]


def facts_of(bundle: Bundle, scored: Scored, rows: Ints) -> list[dict[str, Any]]:
    """What sentences about deals are made of, with how long deals won from their stage waited."""
    waits: Mapping[str, float] = bundle.card.get("usual_waits", {})
    custom = custom_values(bundle, scored.features.iloc[rows])
    shown = (scored.columns[name][rows].tolist() for name in ("stage", "owner_id", "amount"))
    return [
        {
            **dict(zip(FACTS, told, strict=True)),
            "stage": stage,
            "custom": own,
            "usual_wait": waits.get(stage, np.nan),
            "owner_id": owner,
            "amount": amount,
        }
        for told, own, stage, owner, amount in zip(
            scored.told[rows].tolist(), custom, *shown, strict=True
        )
    ]


def custom_values(bundle: Bundle, features: pd.DataFrame) -> list[dict[str, str]]:
    """(n,) the firm's own columns that the model reads: known values in words, by name."""
    found: list[dict[str, str]] = [{} for _ in range(len(features))]
    for column in (name for name in bundle.features if "." in name):
        label = column.split(".", 1)[1].replace("_", " ")
        names = bundle.vocabulary.categories.get(column)
        for values, value in zip(found, features[column], strict=True):
            if pd.notna(value):
                values[label] = _in_words(
                    float(value), names, date=column in bundle.vocabulary.dates
                )
    return found


def _in_words(value: float, names: Sequence[str] | None, *, date: bool) -> str:
    if names is not None:
        return f"“{names[int(value)]}”"
    if date:
        return f"{days_text(-value)} ago" if value < 0 else f"in {days_text(value)}"
    return f"{value:,.6g}"


def _worth_telling(groups: Mapping[str, float], worth: float, facts: Facts) -> list[Reason]:
    """Choose the strongest for and against that read as what they are."""
    ranked = sorted(groups.items(), key=lambda item: -abs(item[1]))
    told = [
        (theme, part)
        for theme, part in ranked
        if abs(part) >= LEAST and theme != CURVE and reads_as(theme, facts, up=part > 0)
    ]
    chosen = [item for item in told if item[1] > 0][:TOP]
    chosen += [item for item in told if item[1] < 0][:TOP]
    return [
        Reason(theme, part, sentence(theme, facts, part > 0), part * worth)
        for theme, part in sorted(chosen, key=lambda item: -abs(item[1]))
    ]
