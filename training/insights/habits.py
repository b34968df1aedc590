"""What strong reps do differently: habits in the first weeks of deals, beside the results.

Only the first weeks of a deal count: later activity follows how the deal goes, and would make
every habit look like skill. What is found is association between reps, no cause.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.history import History
from features.windows import DAY, Bools, Floats, Ints
from training.insights.closed import closed_deals, first_answer_hours

EARLY_DAYS = 21
HABITS = (
    "answer_hours",
    "reply_hours",
    "touches",
    "meetings",
    "contacts",
    "late_share",
)
"""Habits: hours to the first touch, hours to reply to the buyer, touches, meetings and contacts in
the first EARLY_DAYS of a deal (means), share of activities logged more than a day late."""
LEAST_DEALS = 20
SHUFFLES = 2_000


@dataclass(frozen=True)
class Habit:
    """A habit beside the results of the reps.

    Attributes
    ----------
    strong, others : median habit of the third of the reps with the best results, and of the rest
    correlation : rank correlation between the habit and the result, -1 to 1
    p : share of random orders of the reps with a correlation as strong
    """

    name: str
    strong: float
    others: float
    correlation: float
    p: float
    reps: int


def habits_of(history: History, as_of: int) -> pd.DataFrame:
    """(owners x HABITS) usual habits of the reps by owner code, over deals closed in two years."""
    frame = closed_deals(history, as_of)
    frame = frame[frame["owner"] >= 0].reset_index(drop=True)
    deal = frame["deal"].to_numpy(np.int64)
    early = _early(history, as_of)
    for name in ("touches", "meetings", "contacts"):
        frame[name] = early[name][deal]
    frame["answer_hours"] = first_answer_hours(history, deal, as_of)
    frame["late"], frame["logged"] = early["late"][deal], early["logged"][deal]
    frame["reply"] = early["reply"][deal]
    grouped = frame.groupby("owner")
    found = grouped[["touches", "meetings", "contacts"]].mean()
    found["answer_hours"] = grouped["answer_hours"].median()
    found["reply_hours"] = grouped["reply"].median()
    found["late_share"] = grouped["late"].sum() / grouped["logged"].sum().replace(0, np.nan)
    return found[grouped.size() >= LEAST_DEALS][list(HABITS)]


def _early(history: History, as_of: int) -> dict[str, Floats]:
    """(deals,) of each habit, over the first EARLY_DAYS of every deal."""
    events = history.activities
    happened = events.values["happened"].astype(np.int64)
    inside = (happened < history.created[events.group] + EARLY_DAYS * DAY) & (events.time < as_of)
    late = events.values["recorded"] - happened > DAY
    return {
        "touches": _per_deal(history, inside & events.values["outbound"]),
        "meetings": _per_deal(history, inside & events.values["meeting"]),
        "contacts": _per_deal(history, inside & events.values["new_contact"]),
        "late": _per_deal(history, inside & late),
        "logged": _per_deal(history, inside),
        "reply": _replies(history, happened, inside),
    }


def _per_deal(history: History, mask: Bools) -> Floats:
    return np.bincount(history.activities.group[mask], minlength=history.size).astype(float)


def _replies(history: History, happened: Ints, inside: Bools) -> Floats:
    """(deals,) median hours from a word of the buyer to our next touch; NaN where none."""
    events = history.activities
    directed = inside & (events.values["inbound"] | events.values["outbound"])
    rows = pd.DataFrame(
        {
            "deal": events.group[directed],
            "at": happened[directed],
            "inbound": events.values["inbound"][directed],
        }
    ).sort_values(["deal", "at"], kind="stable")
    same = rows["deal"].eq(rows["deal"].shift())
    answered = same & ~rows["inbound"] & rows["inbound"].shift(fill_value=False)
    hours = (rows["at"] - rows["at"].shift()) / DAY * 24
    found = np.full(history.size, np.nan)
    medians = hours[answered].groupby(rows["deal"][answered]).median()
    found[medians.index.to_numpy(np.int64)] = medians.to_numpy()
    return found


def compare_habits(habits: pd.DataFrame, result: pd.Series, seed: int = 0) -> list[Habit]:
    """Set each habit beside a result of the reps (by owner code), the clearest first."""
    result = result.reindex(habits.index)
    strong = result >= result.quantile(2 / 3)
    found = []
    for name in habits.columns:
        known = habits[name].notna() & result.notna()
        if known.sum() < 6 or habits.loc[known, name].nunique() < 3:
            continue
        values = habits.loc[known, name]
        correlation, p = _rank_correlation(values, result[known], seed)
        best, rest = values[strong[known]].median(), values[~strong[known]].median()
        found.append(Habit(name, float(best), float(rest), correlation, p, int(known.sum())))
    return sorted(found, key=lambda habit: habit.p)


def _rank_correlation(a: pd.Series, b: pd.Series, seed: int) -> tuple[float, float]:
    """Spearman's rank correlation, and how often shuffled reps show one as strong."""
    x, y = (each.rank().to_numpy(float) for each in (a, b))
    x, y = x - x.mean(), y - y.mean()
    scale = float(np.sqrt((x**2).sum() * (y**2).sum()))
    rng = np.random.default_rng(seed)
    shuffled = np.array([x @ rng.permutation(y) for _ in range(SHUFFLES)])
    seen = float(x @ y)
    return seen / scale, float((1 + (np.abs(shuffled) >= abs(seen) - 1e-9).sum()) / (1 + SHUFFLES))
