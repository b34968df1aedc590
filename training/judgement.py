"""Judgement beside the model: what people commit to, read as it was said, never overwritten.

Two sources are read alike. The CRM's forecast category is a custom property of deal_history
(`forecast_category` in the settings names it, `commit_words` and `best_case_words` its values): a
committed deal is due in the period of its expected close date, or in the running one where that
date has passed or is missing. And *statements*, a frame of what was said elsewhere, such as the
feedback that the service keeps: columns at (time), value, deal_id, owner_id, period and kind,
missing where they do not apply; rows of `kind` other than `commit` are left out. Of what one
person said of one deal or period, the last word before as-of counts.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

from features.fiscal import Period, boundaries, period_name
from features.history import History
from features.snapshots import open_deals
from features.windows import Column, Ints
from training.scoring import current_owner

STATEMENT = ("at", "kind", "value", "deal_id", "owner_id", "period")
"""Columns of statements that are read."""
COMMIT = "commit"
BEST_CASE = "best case"


def statements(
    rows: pd.DataFrame | Sequence[dict[str, object]] | None, as_of: int
) -> pd.DataFrame:
    """Commits stated before as-of, the last word of each deal or of each owner and period.

    Parameters
    ----------
    rows : a frame, or records, with the columns of STATEMENT that there are

    Returns
    -------
    Columns deal_id, owner_id, period (texts, empty where missing) and amount (NaN where none was
    named).
    """
    frame = pd.DataFrame([] if rows is None else rows).reindex(columns=list(STATEMENT))
    at = pd.to_datetime(frame["at"], utc=True, format="ISO8601")
    said = frame["kind"].isna() | (frame["kind"] == COMMIT)
    known = at < pd.Timestamp(as_of, unit="us", tz="UTC")
    frame = frame.assign(at=at)[said & known].sort_values("at", kind="stable")
    names = ["deal_id", "owner_id", "period"]
    frame[names] = frame[names].astype("str").fillna("")
    frame["amount"] = pd.to_numeric(frame["value"], errors="coerce").astype(float)
    whose = frame["owner_id"].where(frame["deal_id"] == "", "")
    kept = ~frame.assign(whose=whose).duplicated(["deal_id", "whose", "period"], keep="last")
    return frame.loc[kept, [*names, "amount"]].reset_index(drop=True)


def judged_deals(
    history: History,
    as_of: int,
    kind: Period = "quarter",
    said: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Rows by open deal of which somebody committed to something, or sees a best case.

    Columns deal_id, owner_id, judgement (`commit`, `best case`), period (in which it is due),
    amount (CRM's, or as stated), by (`crm`, `statement`). A statement about a deal takes the place
    of its category here; the history keeps both.
    """
    snapshots = open_deals(history, as_of)
    due = history.changes["expected_close_date"].last("value", snapshots.deal, snapshots.time)
    first = boundaries(as_of, kind, 1, history.settings.fiscal_year_start_month)[0]
    when = np.where(due >= first, due, first).astype(np.int64)
    frame = pd.DataFrame(
        {
            "deal_id": np.array(history.deal_ids, object)[snapshots.deal],
            "owner_id": current_owner(history, snapshots).fillna("").to_numpy(object),
            "judgement": _categories(history, snapshots.deal, snapshots.time),
            "period": _period_names(when, kind, history.settings.fiscal_year_start_month),
            "amount": history.changes["amount"].last("value", snapshots.deal, snapshots.time),
            "by": "crm",
        }
    )
    return _with_statements(frame, statements(said, as_of))


def _with_statements(frame: pd.DataFrame, said: pd.DataFrame) -> pd.DataFrame:
    """Let the last statement about an open deal say commit, period and amount."""
    of_deals = said[said["deal_id"] != ""].drop_duplicates("deal_id", keep="last")
    stated = of_deals.set_index("deal_id").reindex(frame["deal_id"]).reset_index(drop=True)
    has = stated["period"].notna()
    named = has & (stated["period"] != "")
    frame = frame.assign(
        judgement=frame["judgement"].where(~has, COMMIT),
        period=frame["period"].where(~named, stated["period"]),
        amount=stated["amount"].where(has & stated["amount"].notna(), frame["amount"]),
        by=frame["by"].where(~has, "statement"),
    )
    return frame[frame["judgement"] != ""].reset_index(drop=True)


def _categories(history: History, deal: Ints, time: Ints) -> Column:
    """(n,) `commit`, `best case` or nothing, by the category known as of each instant."""
    settings = history.settings
    name = settings.forecast_category
    if name not in history.changes or name not in history.labels:
        return np.full(len(deal), "", object)
    label = np.nan_to_num(history.changes[name].last("label", deal, time), nan=-1).astype(int)
    meaning = {_plain(word): BEST_CASE for word in settings.best_case_words}
    meaning |= {_plain(word): COMMIT for word in settings.commit_words}
    words = [meaning.get(_plain(text), "") for text in history.labels[name]]
    return np.asarray(np.array([*words, ""], object)[label])


def _plain(word: str) -> str:
    return re.sub(r"[\W_]+", " ", word).strip().casefold()


def _period_names(at: Ints, kind: Period, start_month: int) -> Column:
    """(n,) name of the period of each instant; each is worked out once."""
    month = at.astype("datetime64[us]").astype("datetime64[M]")
    months, place = np.unique(month, return_inverse=True)
    begins = months.astype("datetime64[us]").astype(np.int64)
    edges = [int(boundaries(int(b), kind, 1, start_month)[0]) for b in begins]
    names = np.array([period_name(b, kind, start_month) for b in edges], object)
    return np.asarray(names[place]) if len(names) else np.zeros(0, object)
