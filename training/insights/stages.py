"""The pipeline by stage: what stands there, how long, and what flowed through it of late."""

from __future__ import annotations

import numpy as np
import pandas as pd

from features.history import LOST, OPEN, WON, History
from features.vocabulary import Vocabulary
from features.windows import DAY, Bools, Floats
from training.scoring import Scored

FLOW_DAYS = 28
AGES = (1.0, 2.0)
"""Times the usual stay in a stage at which a deal there is ageing, and old."""


def stage_table(
    history: History,
    scored: Scored,
    vocabulary: Vocabulary,
    as_of: int,
    whose: Bools | None = None,
) -> pd.DataFrame:
    """One row a stage that holds or saw deals, in the order of the funnel.

    Parameters
    ----------
    scored : the open deals that count
    whose : (deals,) deals whose changes count; all by default

    Columns
    -------
    stage; deals, amount, expected : open deals, their amount and expected revenue in 90 days;
    days : median days in the stage; usual : days that deals which go on usually stay; fresh,
    ageing, old : deals within the usual stay, up to twice it, beyond; entered, advanced, back,
    won, lost : changes known in the last FLOW_DAYS
    """
    standing = _standing(scored)
    flow = _flow(history, vocabulary, as_of, whose)
    found = standing.join(flow, how="outer").fillna(
        dict.fromkeys((*standing.columns.difference(["days", "usual"]), *flow.columns), 0)
    )
    place = pd.Series(vocabulary.stage_position, dtype=float).reindex(found.index)
    ended = {history.stage_names[code] for code in _ends(history)}
    found = found.assign(place=place)[~found.index.isin(ended)]
    ordered = found.sort_values("place", kind="stable").drop(columns="place")
    counts = [name for name in ordered if name not in {"amount", "expected", "days", "usual"}]
    return ordered.astype(dict.fromkeys(counts, int)).rename_axis("stage").reset_index()


def _ends(history: History) -> set[int]:
    stages = history.stages
    return set(stages.values["stage"][stages.values["outcome"] != OPEN].astype(int).tolist())


def _standing(scored: Scored) -> pd.DataFrame:
    frame, facts = scored.frame, scored.facts
    days = facts["days_in_stage"].to_numpy(float)
    usual = np.expm1(facts["stage_usual_stay"].to_numpy(float))
    ratio = days / np.maximum(usual, 1.0)
    age = np.where(np.isnan(ratio), 0, np.searchsorted(AGES, ratio, side="left"))
    rows = pd.DataFrame(
        {
            "stage": frame["stage"].to_numpy(object),
            "deals": 1,
            "amount": np.nan_to_num(frame["amount"].to_numpy(float)),
            "expected": np.nan_to_num(frame["expected_revenue_90"].to_numpy(float)),
            "fresh": age == 0,
            "ageing": age == 1,
            "old": age == 2,
        }
    )
    grouped = rows.groupby("stage")
    medians = pd.DataFrame({"days": days, "usual": usual}).groupby(rows["stage"]).median()
    return grouped.sum().join(medians)


def _flow(
    history: History, vocabulary: Vocabulary, as_of: int, whose: Bools | None
) -> pd.DataFrame:
    """Changes of the last FLOW_DAYS by stage: into it, and out of it by where they led."""
    stages = history.stages
    recent = (stages.time >= as_of - FLOW_DAYS * DAY) & (stages.time < as_of)
    if whose is not None:
        recent &= whose[stages.group]
    to = stages.values["stage"].astype(int)
    before = stages.previous("stage")
    place = np.append(vocabulary.positions(history.stage_names), np.nan)
    outcome = stages.values["outcome"]
    open_now = recent & (outcome == OPEN)
    forward = place[to] > place[np.nan_to_num(before, nan=-1).astype(int)]
    left = recent & ~np.isnan(before) & ~(stages.previous("outcome") > OPEN)
    names = np.array(history.stage_names, object)
    source = np.nan_to_num(before, nan=0).astype(int)
    counted = {
        "entered": (to, open_now),
        "advanced": (source, left & (outcome == OPEN) & forward),
        "back": (source, left & (outcome == OPEN) & ~forward),
        "won": (source, left & (outcome == WON)),
        "lost": (source, left & (outcome == LOST)),
    }
    columns = {
        name: np.bincount(code[mask], minlength=len(names))
        for name, (code, mask) in counted.items()
    }
    return pd.DataFrame(columns, index=pd.Index(names, name="stage"))


def slipped(history: History, scored: Scored, period_end: int, as_of: int) -> pd.DataFrame:
    """Open deals that were to close by the end of the period and now are not, or are overdue.

    Parameters
    ----------
    period_end : microseconds; end of the fiscal quarter that holds `as_of`

    Columns
    -------
    row : of the scores; was : what the CRM said FLOW_DAYS ago; now : what it says; kind : overdue,
    or pushed out of the period
    """
    dates = history.changes["expected_close_date"]
    deal, time = scored.snapshots.deal, scored.snapshots.time
    now, was = dates.last("value", deal, time), dates.last("value", deal, time - FLOW_DAYS * DAY)
    overdue = now + DAY <= as_of
    pushed = (was < period_end) & (now >= period_end)
    rows = np.flatnonzero(overdue | pushed)
    return pd.DataFrame(
        {
            "row": rows,
            "was": _times(was[rows]),
            "now": _times(now[rows]),
            "kind": np.where(overdue[rows], "overdue", "pushed"),
        }
    )


def _times(micros: Floats) -> pd.Series:
    return pd.Series(pd.to_datetime(micros, unit="us", utc=True))


def promised(history: History, scored: Scored, begin: int, end: int) -> Floats:
    """(deals,) amount of each open deal whose CRM close date lies in `[begin, end)`; else 0.

    An overdue date counts as promised for now.
    """
    deal, time = scored.snapshots.deal, scored.snapshots.time
    date = history.changes["expected_close_date"].last("value", deal, time)
    at = np.maximum(date, time.astype(float))
    inside = (at >= begin) & (at < end)
    amount = np.nan_to_num(scored.frame["amount"].to_numpy(float))
    return np.where(inside, amount, 0.0)


CLOSE_OUT_CHANCE = 0.05


def to_close_out(scored: Scored) -> pd.Series:
    """Rows of the scores that look dead, the largest amount first.

    Dead: hardly ever won (below CLOSE_OUT_CHANCE), or stale with less than twice that chance.
    """
    frame = scored.frame
    dead = (frame["p_won"] < CLOSE_OUT_CHANCE) | (
        frame["stale"] & (frame["p_won"] < 2 * CLOSE_OUT_CHANCE)
    )
    ordered = frame[dead].sort_values(["amount", "deal_id"], ascending=[False, True])
    return pd.Series(ordered.index.to_numpy(np.int64))
