"""The model card: what a model is, how good it was, what it looks at and where it stops, in words.

After Mitchell et al. (2019), "Model cards for model reporting", for readers who lead a sales team.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from training.close import CloseModel, Panel
from training.fallback import preferred
from training.incidence import KNOTS
from training.learners import Groups

if TYPE_CHECKING:
    from training.bundle import Bundle

MOST_ROWS = 1_500
INFLUENCE_KNOT = KNOTS.index(90)
TIERS = {
    "table": "a table of stage by age, shrunk where deals are few",
    "logistic": "a ridge logistic regression",
    "blend": "the average of a logistic regression and a few careful trees",
    "full": "the average of boosted trees (LightGBM) and a logistic regression",
}
Section = tuple[str, list[str]]


def influence(close: CloseModel, panel: Panel, families: Mapping[str, str]) -> dict[str, float]:
    """Share of each family of features in what moves the chance to win within 90 days.

    Mean absolute contribution to the log-odds over the newest rows, of all families 1.
    """
    newest = np.argsort(-panel.snapshots.time, kind="stable")[: 4 * MOST_ROWS : 4]
    if not len(newest):
        return {}
    parts = close.won[INFLUENCE_KNOT].contributions(panel.features.iloc[newest])
    by_family = Groups.of([families.get(name, name) for name in panel.features.columns])
    moved = by_family.sums(parts[:, :-1])
    size = pd.Series(np.abs(moved - moved.mean(axis=0)).mean(axis=0), by_family.names)
    total = float(size.sum())
    ranked = size.sort_values(ascending=False)
    return {str(name): float(value) / total for name, value in ranked.items() if total > 0}


def card_of(bundle: Bundle) -> list[Section]:
    """Sections of the card: a title and its lines."""
    return [
        ("What it is", _what(bundle)),
        ("What it learned from", _data(bundle)),
        ("How good it was on deals it had not seen", _quality(bundle)),
        ("What it looks at", _looks(bundle)),
        ("Where it stops", _limits(bundle)),
        ("How it was made", _made(bundle)),
    ]


def card_markdown(bundle: Bundle) -> str:
    """Card as Markdown."""
    title = f"# Model card: version {bundle.version or 'not registered'}"
    parts = [
        f"## {name}\n\n" + "\n".join(f"- {line}" for line in lines)
        for name, lines in card_of(bundle)
    ]
    return "\n\n".join([title, *parts]) + "\n"


def _day(cut: int) -> str:
    return f"{pd.Timestamp(cut, unit='us', tz='UTC'):%Y-%m-%d}"


def _what(bundle: Bundle) -> list[str]:
    return [
        "Says for each open deal how likely it is won, and lost, by any date: "
        f"{TIERS[bundle.tier]} (tier {bundle.tier}).",
        f"Why this tier: {bundle.card['reason']}.",
        *pipeline_lines(bundle.card),
    ]


def pipeline_lines(card: Mapping[str, Any]) -> list[str]:
    """Which model answers for each pipeline and why; nothing where there is one pipeline."""
    by_reason: dict[str, list[str]] = {}
    for each in card.get("pipelines") or []:
        by_reason.setdefault(each["reason"], []).append(each["pipeline"])
    return [f"Answers for {', '.join(names)}: {reason}." for reason, names in by_reason.items()]


def _data(bundle: Bundle) -> list[str]:
    card = bundle.card
    return [
        f"Everything known before {_day(bundle.cut)}, and nothing later: {card['deals']:,} deals, "
        f"{card['won_deals']:,} won, {card['lost_deals']:,} lost, {card['open_deals']:,} open.",
        f"Each deal as it stood week by week: {card['snapshots']:,} snapshots, "
        f"{card['features']:,} features.",
    ]


def _quality(bundle: Bundle) -> list[str]:
    validation = bundle.card.get("validation")
    if not validation:
        return ["It could not be tested on a later time: the history is too short, or too small."]
    lines = [_at_horizon(int(h), found) for h, found in validation["figures"].items()]
    gain = validation["gain"]
    return [
        *lines,
        f"Log-loss against the stage x age table: better by {gain['mean']:.4f} +- "
        f"{gain['standard_error']:.4f} nats a snapshot, over {gain['deals']:,} deals.",
        *_intervals(bundle),
    ]


def _intervals(bundle: Bundle) -> list[str]:
    """How wide forecasts are drawn, and towards what; nothing where no past could say."""
    terms = bundle.card.get("forecast") or {}
    if not terms or terms.get("origins") == 0:
        return []
    told = (
        f"revenue forecasts replayed as of {terms['origins']:.0f} past instants"
        if "origins" in terms
        else "the backtest of the forecast"
    )
    lines = [
        f"By {told}, intervals of the forecast are drawn {terms['widening']:.2f} times as wide as "
        "chance and shocks alone would make them."
    ]
    if said := preferred(terms):
        lines.append(said)
    return lines


def _at_horizon(days: int, found: Mapping[str, float]) -> str:
    ratio = found["observed_expected"]
    return (
        f"Won within {days} days, {found['deals']:,.0f} deals: for 100 wins that it expected "
        f"{100 * ratio:.0f} came; of a deal that was won and one that was not, it ranked the won "
        f"one higher {found['auc']:.0%} of the time (stage and age alone: "
        f"{found['table_auc']:.0%})."
    )


def _looks(bundle: Bundle) -> list[str]:
    if bundle.tier == "table":
        return ["Stage and age of the deal, nothing else."]
    found = bundle.card.get("influence") or {}
    return [f"{name}: {share:.0%} of what moves its answers" for name, share in found.items()] or [
        "This bundle was made before influence was measured."
    ]


def _limits(bundle: Bundle) -> list[str]:
    card = bundle.card
    lines = [
        f'"Ever" means within {card["longest_horizon_days"]:.0f} days: the history supports no '
        "longer view.",
        "It tells what usually goes with winning, not what causes it.",
    ]
    if not card.get("won_with_amount", 1):
        lines.append("No won deal has an amount: revenue cannot be forecast, wins are.")
    if not card.get("lost_deals", 1):
        lines.append("No deal was ever marked lost: chances to lose mean nothing here.")
    lines += [
        f"It does not read {column}: it is filled in when deals close ({seen})."
        for column, seen in card.get("distrusted", {}).items()
    ]
    return lines


def _made(bundle: Bundle) -> list[str]:
    card: Mapping[str, Any] = bundle.card
    recipe = card.get("recipe") or {}
    tuned = (
        "tuned: " + ", ".join(f"{k} {v}" for k, v in recipe["trees"].items())
        if (recipe.get("trees"))
        else "default parameters"
    )
    age = f"data version {card.get('data_version', 'unknown')}"
    return [
        f"{age}, code {card.get('code_version', 'unknown')}, catalogue {bundle.fingerprint}, "
        f"{tuned}.",
        "Train it again at the latest after 92 days: `dealcast train`.",
    ]
