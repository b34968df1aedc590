"""What reps say beside the facts: the forecast category of a deal, changed as it moves.

A rep judges by what the export holds (stage, expected close date) and by temper: some are bold,
and a commit is not always taken back when its date moves out. It is written from the finished
tables with a generator of its own, so that everything else stays as it was; and it knows nothing
of a deal that the tables do not tell, so that no model learns hidden truth from it.
"""

import numpy as np
import pandas as pd

from data.demo import lexicon

PROPERTY = "forecast_category"
CATEGORIES = ("pipeline", "best_case", "commit")
BOLDNESS, BOLDNESS_SD, LUCK_SD = 0.10, 0.12, 0.15
BEST_CASE, COMMIT = 0.55, 0.85
CLING = 0.5
"""Chance that a commit stands although its date has moved out of the quarter."""
OCCASIONS = ("stage", "expected_close_date")


def with_judgement(tables: dict[str, pd.DataFrame], seed: int) -> dict[str, pd.DataFrame]:
    """Add the rows of `forecast_category` to deal_history; all other rows stay as they are."""
    history = tables["deal_history"]
    looks = _looks(history, tables["stages"])
    said = _said(looks, tables, np.random.default_rng([seed, 0xF5]))
    fresh = (said.groupby(looks["deal_id"]).shift() != said).to_numpy()
    rows = looks.loc[fresh, ["deal_id", "changed_at", "recorded_at"]].assign(
        property=PROPERTY, value=np.array(CATEGORIES)[said[fresh].to_numpy()]
    )
    both = pd.concat([history, rows[history.columns.tolist()].astype(history.dtypes)])
    both = both.sort_values("deal_id", kind="stable", ignore_index=True)
    return tables | {"deal_history": both}


def _looks(history: pd.DataFrame, stages: pd.DataFrame) -> pd.DataFrame:
    """Instants at which a rep looks at an open deal: progress (0 to 1) and date as they are then.

    The last row of an instant holds all that was changed at it.
    """
    is_open = ~history["value"].isin([lexicon.WON, lexicon.LOST])
    rows = history[history["property"].isin(OCCASIONS) & is_open]
    rows = rows.sort_values(["deal_id", "changed_at"], kind="stable")
    position = stages[stages["outcome"] == "open"].groupby("stage")["position"].max()
    is_stage = rows["property"] == "stage"
    progress = rows["value"].where(is_stage).map(position / position.max())
    due = pd.to_datetime(rows["value"].where(~is_stage), utc=True, format="%Y-%m-%d")
    known = rows.assign(progress=progress, due=due)
    known[["progress", "due"]] = known.groupby("deal_id")[["progress", "due"]].ffill()
    return known.drop_duplicates(["deal_id", "changed_at"], keep="last")


def _said(
    looks: pd.DataFrame, tables: dict[str, pd.DataFrame], rng: np.random.Generator
) -> "pd.Series[int]":
    """Place in CATEGORIES of what is said at each look."""
    owners, deals = tables["owners"]["owner_id"], tables["deals"]
    bold = pd.Series(rng.normal(BOLDNESS, BOLDNESS_SD, len(owners)), index=owners)
    mood = deals["owner_id"].map(bold).to_numpy() + rng.normal(0, LUCK_SD, len(deals))
    hope = looks["progress"] + looks["deal_id"].map(pd.Series(mood, index=deals["deal_id"]))
    quarter_end = looks["changed_at"].dt.tz_localize(None).dt.to_period("Q").dt.end_time
    soon = (looks["due"] <= quarter_end.dt.tz_localize("UTC")).to_numpy()
    sure = hope >= COMMIT
    before = (sure & soon).groupby(looks["deal_id"]).cummax().to_numpy()
    commit = sure & (soon | (before & (rng.random(len(looks)) < CLING)))
    return (hope >= BEST_CASE).astype(int).where(~commit, 2)
