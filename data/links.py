"""What only several rows or tables together can break: closings, stages, references."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from data.checks import Frames
from data.contract import CLOSED_STAGES
from data.findings import Findings
from data.rules import FEW_DEALS
from data.tables import Tables

OF_DEALS = ("deal_history", "activities")


@dataclass(frozen=True)
class Links:
    """A source's frames beside the tables that are already known, for questions across both."""

    frames: Frames
    known: Tables

    def both(self, table: str) -> pd.DataFrame:
        """Rows already known, then those of the source."""
        if self.known[table].empty:
            return self.frames[table]
        return pd.concat([self.known[table], self.frames[table]], ignore_index=True)

    def stage_rows(self) -> pd.DataFrame:
        """Return changes of stage, known and new: deal_id, stage, changed_at."""
        rows = self.both("deal_history")
        rows = rows.loc[rows["property"] == "stage", ["deal_id", "value", "changed_at"]]
        return rows.rename(columns={"value": "stage"}).dropna()

    def listed_stages(self) -> set[str]:
        """Stages that `stages` lists; empty without such a table."""
        return set(self.both("stages")["stage"].dropna())

    def closed_stages(self) -> set[str]:
        """Stages in which a deal is won or lost."""
        stages = self.both("stages")
        ended = stages["outcome"].isin(["won", "lost"])
        return set(CLOSED_STAGES) | set(stages.loc[ended, "stage"])


def lookup(keys: pd.Series, index: pd.Series, values: pd.Series) -> pd.Series:
    """Value of every key by its first place in the index; missing where it is not there."""
    at = pc.index_in(_arrow(keys), value_set=_arrow(index)).fill_null(-1).to_numpy()
    found = values.reset_index(drop=True).reindex(at)
    return found.set_axis(keys.index)


def within(keys: pd.Series, index: pd.Series) -> pd.Series:
    """Where a key is one of many; `Series.isin` takes the many one by one through Python."""
    found = pc.is_in(_arrow(keys), value_set=_arrow(index), skip_nulls=True)
    return pd.Series(found.to_numpy(zero_copy_only=False), keys.index)


def _arrow(keys: pd.Series) -> pa.Array:
    return pa.array(keys, pa.large_string(), from_pandas=True)


def check_links(links: Links, findings: Findings) -> None:
    """Check closings and stages of deals; rows of a rejected deal are left out, not judged."""
    deals = links.frames["deals"]
    findings.reject("deals", "closed_before_created", "closed_at", _closed_too_early(deals))
    findings.reject("deals", "closed_but_when", "closed_at", _closed_but_when(links, findings))
    lone = lone_stages(links)
    findings.reject("deals", "lone_stage", "stage", deals["stage"].isin(lone))
    history = links.frames["deal_history"]
    slip = (history["property"] == "stage") & history["value"].isin(lone)
    findings.reject("deal_history", "lone_stage", "value", slip)
    for name in OF_DEALS:
        _check_deals_of(name, links, findings)


def _check_deals_of(name: str, links: Links, findings: Findings) -> None:
    deals, deal_ids = links.frames["deals"]["deal_id"], links.frames[name]["deal_id"]
    bad = findings.bad("deals")
    rejected = deals[bad & ~within(deals, deals[~bad])]
    of_rejected = within(deal_ids, rejected)
    known = within(deal_ids, links.both("deals")["deal_id"])
    findings.reject(name, "unknown_deal", "deal_id", deal_ids.notna() & ~known)
    findings.leave_out(name, of_rejected)


def same_precision(left: pd.Series, right: pd.Series) -> tuple[pd.Series, pd.Series]:
    """Both times, or their days where one of the two carries no time of day."""
    days = left.dt.floor("D"), right.dt.floor("D")
    dated = (left == days[0]) | (right == days[1])
    return left.where(~dated, days[0]), right.where(~dated, days[1])


def _closed_too_early(deals: pd.DataFrame) -> pd.Series:
    closed, created = same_precision(deals["closed_at"], deals["created_at"])
    return closed < created


def _closed_but_when(links: Links, findings: Findings) -> pd.Series:
    """Where a deal is won or lost, but neither `closed_at` nor the history tells the time."""
    deals = links.frames["deals"]
    told = findings.raw.tables["deals"].frame.get("closed_at", deals["closed_at"]).notna()
    rows = links.stage_rows()
    closings = rows.loc[rows["stage"].isin(links.closed_stages()), "deal_id"]
    closed = deals["is_won"].notna() | deals["stage"].isin(links.closed_stages())
    return closed & ~told & ~within(deals["deal_id"], closings)


def stage_uses(links: Links) -> pd.DataFrame:
    """Every row that names a stage, in deals and history: deal_id, stage."""
    deals = links.both("deals")[["deal_id", "stage"]]
    uses = pd.concat([deals, links.stage_rows()[["deal_id", "stage"]]], ignore_index=True)
    return uses[uses["stage"].notna() & ~uses["stage"].isin(CLOSED_STAGES)]


def lone_stages(links: Links) -> list[str]:
    """Stages that are probably slips.

    With a `stages` table: not in it and used by one deal alone. Without: standing in one row
    alone, where there are FEW_DEALS deals at least.
    """
    uses = stage_uses(links)
    if listed := links.listed_stages():
        users = uses[~uses["stage"].isin(listed)].groupby("stage")["deal_id"].nunique()
        return list(users.index[users == 1])
    if len(links.both("deals")) < FEW_DEALS:
        return []
    rows = uses["stage"].value_counts()
    return list(rows.index[rows == 1])
