"""Stage changes and closings: from the history, and from `deals` where only that tells of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from data.tables import Tables
from features.facts import LOST, OPEN, OUTCOMES, WON, encode, micros, positions, superseded
from features.order import by_group_and_time
from features.windows import NEVER, Timeline


def stage_outcomes(tables: Tables) -> dict[str, int]:
    """Outcome of every stage that ends a deal, from `stages`, the standard names, and `is_won`."""
    known = dict(OUTCOMES)
    listed = tables.stages
    known |= dict(zip(listed["stage"], listed["outcome"].str.lower().map(OUTCOMES), strict=True))
    # A stage of which the export says of every deal that it was won (or lost) ends deals.
    won = tables.deals.groupby("stage")["is_won"].agg(["min", "max", "count", "size"])
    told = won[(won["count"] == won["size"]) & (won["min"] == won["max"])]
    found = {str(stage): WON if all_won else LOST for stage, all_won in told["max"].items()}
    return found | known


@dataclass(frozen=True)
class StageRules:
    """What stages mean: the outcome of those that end a deal, and where each stands."""

    outcomes: Mapping[str, int]
    places: Mapping[str, float]

    @classmethod
    def of(cls, tables: Tables) -> StageRules:
        """Read them off the tables."""
        places = tables.stages.groupby("stage")["position"].max()
        return cls(stage_outcomes(tables), dict(zip(places.index, places, strict=True)))

    def outcome(self, stage: str) -> int:
        """Tell how a stage ends a deal; OPEN where it does not."""
        found = self.outcomes.get(stage, OPEN)
        return OPEN if np.isnan(found) else int(found)

    def place(self, stage: str) -> float:
        """Tell where a stage stands; 0 where nothing is known of it."""
        found = self.places.get(stage, 0.0)
        return 0.0 if np.isnan(found) else found


def stage_timeline(
    tables: Tables, history: pd.DataFrame, index: pd.Index, rules: StageRules
) -> tuple[tuple[str, ...], Timeline]:
    """Stage changes by deal, at the time known; values stage, outcome, happened, told."""
    changes = history.take(np.flatnonzero((history["property"] == "stage").to_numpy(bool)))
    rows = _in_order(changes.drop(columns="property").assign(told=False), rules)
    deal, happened, known = (rows[name].to_numpy() for name in ("deal", "happened", "known"))
    late = superseded(deal, happened, known, rows["outcome"].to_numpy() != OPEN)
    rows = rows[~late] if late.any() else rows
    told = _closings_told_by_deals(tables, rows, rules.outcomes, index)
    rows = _in_order(pd.concat([rows, told]), rules) if len(told) else rows
    names = encode(rows["value"])
    timeline = Timeline.of(
        rows["deal"].to_numpy(),
        rows["known"].to_numpy(),
        groups=len(index),
        stage=names.code.astype(float),
        outcome=rows["outcome"].to_numpy(float),
        happened=rows["happened"].to_numpy(float),
        told=rows["told"].to_numpy(bool),
    )
    return names.names, timeline


def _in_order(rows: pd.DataFrame, rules: StageRules) -> pd.DataFrame:
    """Stage changes with their outcomes, by deal in the order in which they became known.

    Changes of one instant (a CRM that keeps dates only) go forward through the stages, closed
    last.
    """
    code, names = pd.factorize(rows["value"])
    outcome = np.array([*map(rules.outcome, names), OPEN], int)
    place = np.array([*map(rules.place, names), 0.0], float)
    rows = rows.assign(outcome=outcome[code], place=place[code])
    keys = (rows[name].to_numpy() for name in ("deal", "known", "happened", "outcome", "place"))
    return rows.take(by_group_and_time(*keys))


def _closings_told_by_deals(
    tables: Tables, rows: pd.DataFrame, outcomes: Mapping[str, int], index: pd.Index
) -> pd.DataFrame:
    """Closings that `deals` states and the history does not hold, known at `closed_at`.

    Where the history shows the deal open after that, the closing was entered later: it counts as
    known right after the history's last word. A deal that was closed and reopened in the history
    is told closed only by a later `closed_at`: exports keep the old one.
    """
    if tables.deals["closed_at"].isna().all():
        return rows[:0]
    deals = tables.deals.reset_index(drop=True)
    closes = deals["stage"].map(outcomes).fillna(OPEN) != OPEN
    stated = (deals["is_won"].notna() | closes) & deals["closed_at"].notna()
    if not stated.any():
        return rows[:0]
    last = rows.drop_duplicates("deal", keep="last").set_index("deal").reindex(deals.index)
    at = pd.Series(micros(deals["closed_at"]), deals.index)
    closed_before = deals.index.isin(rows.loc[rows["outcome"] != OPEN, "deal"])
    untold = (last["outcome"] != OPEN) & last["outcome"].notna()
    told = stated & ~untold
    told &= ~closed_before | (at > last["happened"].fillna(-NEVER))
    won = deals["is_won"].fillna(deals["stage"].map(outcomes).eq(WON)).astype(bool)
    plain = pd.Series(np.where(won, "closed_won", "closed_lost"), deals.index, dtype="str")
    latest = last["known"].fillna(-NEVER).astype(np.int64) + 1
    return pd.DataFrame(
        {
            "deal": positions(index, deals["deal_id"]),
            "value": deals["stage"].where(closes, plain),
            "happened": at,
            "known": np.maximum(at, latest),
            "told": True,
        }
    )[told]
