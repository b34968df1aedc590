"""The few rules that separate good leads: a shallow tree over what is fixed at creation.

Learned on older deals, checked on younger ones: the win rate of the leads that the rules choose
against the others, out of time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from features.dimensions import BANDS
from features.history import WON, History
from features.windows import DAY, Bools, Floats, Ints
from training.insights.shrinkage import Estimate, shrunk_rate

CATEGORIES = (
    ("deals", "source"),
    ("deals", "deal_type"),
    ("deals", "pipeline"),
    ("accounts", "industry"),
    ("accounts", "region"),
)
NUMBERS = (("accounts", "employees"), ("accounts", "annual_revenue"))
MOST_VALUES = 25
DEPTH = 3
TOP = 1 / 3
LEAST_LEADS = 200
"""Leads whose end is known, below which no rule is learned."""
CHECKED = 0.3
"""Share of the leads, the youngest, on which the rules are checked."""


@dataclass(frozen=True)
class Condition:
    """One test of a lead: `column` is, is not, at least or below `value`."""

    column: str
    test: str
    value: str | float

    def __str__(self) -> str:
        """Words such as `source is referral`."""
        value = self.value if isinstance(self.value, str) else f"{self.value:,.0f}"
        return f"{self.column} {self.test} {value}"


@dataclass(frozen=True)
class Rule:
    """Conditions that all hold, with the leads they choose where learned and where checked."""

    conditions: tuple[Condition, ...]
    leads: int
    win_rate: float
    checked_leads: int
    checked_win_rate: float

    def __str__(self) -> str:
        """Conditions joined by `and`."""
        return " and ".join(map(str, self.conditions)) or "every lead"


@dataclass(frozen=True)
class Definition:
    """What a good lead is.

    Attributes
    ----------
    rules : any of them makes a good lead, the best first; they do not overlap
    horizon_days : a lead counts as won if it was won within so many days of its creation
    share : part of the checked leads that the rules choose
    good, others : win rate of the checked leads chosen, and of the others, with intervals
    learned, checked : leads of each part
    since : microseconds; leads created from then on were kept for the check
    """

    rules: tuple[Rule, ...]
    horizon_days: int
    share: float
    good: Estimate
    others: Estimate
    learned: int
    checked: int
    since: int


def good_lead(history: History, as_of: int) -> Definition | None:
    """Learn and check the definition of a good lead; None where leads are too few.

    The outcome of a lead is known once its creation lies the horizon (the time in which four
    fifths of the wins came) before the instant: fast and slow deals count alike.
    """
    horizon = _horizon(history, as_of)
    if horizon is None:
        return None
    known = np.flatnonzero(history.known_from + horizon * DAY <= as_of)
    if len(known) < LEAST_LEADS:
        return None
    since = int(np.quantile(history.created[known], 1 - CHECKED))
    old = history.created[known] + horizon * DAY <= since
    young = history.created[known] >= since
    won = won_within(history, known, horizon, as_of)
    matrix, names = _matrix(history, known)
    if min(old.sum(), young.sum()) < LEAST_LEADS // 4 or len({*won[old]}) < 2 or not names:
        return None
    return _definition(matrix, names, won, old, young, horizon, since)


def _horizon(history: History, as_of: int) -> int | None:
    closings = history.closings
    won = (closings.values["outcome"] == WON) & (closings.time < as_of)
    if won.sum() < LEAST_LEADS // 10:
        return None
    taken = (closings.values["happened"][won] - history.created[closings.group[won]]) / DAY
    return max(int(np.ceil(np.quantile(taken, 0.8) / 7)) * 7, 7)


def won_within(history: History, deal: Ints, days: int, as_of: int) -> Bools:
    """(n,) whether each deal was won within so many days of its creation, as known at `as_of`."""
    closings = history.closings
    won = (closings.values["outcome"] == WON) & (closings.time < as_of)
    taken = closings.values["happened"] - history.created[closings.group]
    early = won & (taken < days * DAY)
    found = np.zeros(history.size, bool)
    found[closings.group[early]] = True
    return found[deal]


def _matrix(history: History, deal: Ints) -> tuple[Floats, list[Condition]]:
    """(leads, tests) one column a category's value, one a number; and what each says when high."""
    columns, names = [], []
    for table, column in CATEGORIES:
        if not history.has(f"{table}.{column}"):
            continue
        codes = history.encoded(table, column)
        counts = np.bincount(codes.code[codes.code >= 0], minlength=codes.size)
        for code in np.argsort(-counts)[:MOST_VALUES]:
            columns.append((codes.code[deal] == code).astype(float))
            names.append(Condition(column, "is", codes.names[code]))
    for table, column in NUMBERS:
        if history.has(f"{table}.{column}"):
            numbers = history.numbers(table, column)[deal]
            band = np.searchsorted(BANDS[column], numbers, side="right")
            columns.append(np.where(np.isnan(numbers), 0.0, band))
            names.append(Condition(column, "at least", 0.0))
    matrix = np.column_stack(columns) if columns else np.zeros((len(deal), 0))
    return matrix, names


@dataclass(frozen=True)
class _Split:
    """Leads of a tree: leaf and end of each, and which of them teach or check."""

    leaf: Ints
    won: Bools
    old: Bools
    young: Bools

    def rule(self, conditions: tuple[Condition, ...], leaves: list[int]) -> Rule:
        inside = np.isin(self.leaf, leaves)
        old, young = self.won[self.old & inside], self.won[self.young & inside]
        checked = float(young.mean()) if len(young) else np.nan
        return Rule(_merged(conditions), len(old), float(old.mean()), len(young), checked)


def _definition(
    matrix: Floats,
    names: list[Condition],
    won: Bools,
    old: Bools,
    young: Bools,
    horizon: int,
    since: int,
) -> Definition:
    from sklearn.tree import DecisionTreeClassifier

    least = max(30, int(0.04 * old.sum()))
    learner = DecisionTreeClassifier(max_depth=DEPTH, min_samples_leaf=least, random_state=0)
    learner.fit(matrix[old], won[old])
    split = _Split(learner.apply(matrix), won, old, young)
    chosen = _best_leaves(split)
    rules = [split.rule(*found) for found in _paths(learner.tree_, names, chosen)]
    good = np.isin(split.leaf, chosen)
    base = float((won[young].sum() + 1) / (young.sum() + 2))
    return Definition(
        tuple(sorted(rules, key=lambda rule: -rule.win_rate)),
        horizon,
        float(good[young].mean()),
        _rate(won[young & good], base),
        _rate(won[young & ~good], base),
        int(old.sum()),
        int(young.sum()),
        since,
    )


def _best_leaves(split: _Split) -> list[int]:
    """Leaves with the highest win rates, until they hold TOP of the leads."""
    leaf, won = split.leaf[split.old], split.won[split.old]
    rates = {int(k): won[leaf == k].mean() for k in np.unique(leaf)}
    chosen: list[int] = []
    for k in sorted(rates, key=lambda k: -rates[k]):
        if np.isin(leaf, chosen).mean() < TOP:
            chosen.append(k)
    return chosen


def _rate(won: Bools, base: float) -> Estimate:
    return shrunk_rate(np.array([float(won.sum())]), np.array([float(len(won))]), base, 2.0)


def _paths(
    tree: Any,
    names: list[Condition],
    chosen: list[int],
    node: int = 0,
    so_far: tuple[Condition, ...] = (),
) -> Iterator[tuple[tuple[Condition, ...], list[int]]]:
    """Conditions and leaves of the highest nodes all of whose leaves are chosen."""
    leaves = _leaves(tree, node)
    if set(leaves) <= set(chosen):
        yield so_far, leaves
    elif len(leaves) > 1:
        below, above = _sides(names[tree.feature[node]], float(tree.threshold[node]))
        yield from _paths(tree, names, chosen, tree.children_left[node], (*so_far, below))
        yield from _paths(tree, names, chosen, tree.children_right[node], (*so_far, above))


def _leaves(tree: Any, node: int) -> list[int]:
    left, right = int(tree.children_left[node]), int(tree.children_right[node])
    return [int(node)] if left < 0 else [*_leaves(tree, left), *_leaves(tree, right)]


def _sides(name: Condition, threshold: float) -> tuple[Condition, Condition]:
    if name.test == "is":
        return Condition(name.column, "is not", name.value), name
    # The tree splits on the index of the band: the edge above it is what people read.
    edge = BANDS[name.column][int(np.floor(threshold))]
    return Condition(name.column, "below", edge), Condition(name.column, "at least", edge)


def _merged(conditions: tuple[Condition, ...]) -> tuple[Condition, ...]:
    """Leave out what another condition already says: `is not` beside `is`, the wider bound."""
    fixed = {c.column for c in conditions if c.test == "is"}
    kept = [c for c in conditions if not (c.test == "is not" and c.column in fixed)]
    found = pd.DataFrame([vars(c) for c in kept], columns=["column", "test", "value"])
    drop: set[int] = set()
    for (_, test), part in found.groupby(["column", "test"]):
        if test in ("at least", "below") and len(part) > 1:
            numbers = part["value"].astype(float)
            best = numbers.idxmax() if test == "at least" else numbers.idxmin()
            drop |= set(part.index) - {best}
    return tuple(c for k, c in enumerate(kept) if k not in drop)
