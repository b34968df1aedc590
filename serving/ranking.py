"""The daily list: open deals in the order in which they are worth working, with reasons."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd

from features.history import History
from features.windows import DAY, Bools, Ints
from serving.names import find_ids
from training.bundle import Bundle
from training.reasons import Reason, explain
from training.scoring import Scored

SILENT_DAYS = 14
"""Days without activity after which a deal is flagged."""

Explain = Callable[[Ints], list[list[Reason]]]


def rank(
    bundle: Bundle,
    scored: Scored,
    history: History,
    *,
    owner: str | None = None,
    team: str | None = None,
    top: int = 10,
    skip: int = 0,
    reasons: Explain | None = None,
) -> pd.DataFrame:
    """List the open deals by priority, the highest first; ties in the order of their identifiers.

    Parameters
    ----------
    owner : identifier or name of an owner, in any case
    team : name of a team
    top, skip : how many deals, after leaving out how many
    reasons : gives the reasons of rows of `scored`; computed here by default

    Returns
    -------
    The columns of `described`, with `rank` (1 is first), `reasons_for` and `reasons_against`.

    Raises
    ------
    UnknownNameError
        For an owner or a team that nothing is known of; it holds the close matches.
    """
    rows = listed(scored, history, owner=owner, team=team)
    shown = rows[skip : skip + top]
    reasons = reasons or (lambda asked: reasons_of(bundle, scored, asked))
    frame = described(scored, history).iloc[shown].reset_index(drop=True)
    frame.insert(0, "rank", np.arange(skip + 1, skip + 1 + len(shown)))
    return with_reasons(frame, reasons(shown))


def listed(
    scored: Scored, history: History, *, owner: str | None = None, team: str | None = None
) -> Ints:
    """Rows of `scored` of an owner or a team, in the order of the list."""
    frame = scored.frame
    chosen = pd.Series(data=True, index=frame.index)
    if owner:
        chosen &= frame["owner_id"].isin(find_ids("owner", owner, owner_names(history)))
    if team:
        chosen &= frame["team"].isin(find_ids("team", team, team_names(history)))
    order = frame[chosen].sort_values(
        ["priority", "deal_id"], ascending=[False, True], kind="stable"
    )
    return order.index.to_numpy(np.int64)


def owner_names(history: History) -> dict[str, list[str]]:
    """All that each owner is called: the identifier and, where it is known, the name."""
    names = {owner: [owner] for owner in history.owners.names}
    for owner, name in _known(history.tables.owners, "owner_id", "name").items():
        names[owner].append(name)
    return names


def team_names(history: History) -> dict[str, list[str]]:
    """Teams that the owners table names."""
    return {team: [team] for team in history.tables.owners["team"].dropna().unique()}


def described(scored: Scored, history: History) -> pd.DataFrame:
    """Add to the scores what a person calls things by, the expected close date, and flags.

    New columns: `name` (of the deal; its identifier where it has none), `account_id`, `account`
    and `owner` (names, or identifiers), `pipeline`, `source`, `expected_close_date`, `flags`
    (lists of words).
    """
    frame, code = scored.frame, scored.snapshots.deal
    deals = history.tables.deals.iloc[code].reset_index(drop=True)
    promised = history.changes["expected_close_date"].last("value", code, scored.snapshots.time)
    owners = _known(history.tables.owners, "owner_id", "name")
    accounts = _known(history.tables.accounts, "account_id", "name")
    told = frame["deal_id"]
    overdue = promised + DAY <= scored.snapshots.time
    added: dict[str, pd.Series] = {
        "name": deals["name"].astype("str").fillna(told) if "name" in deals else told,
        "account_id": deals["account_id"],
        "account": _called(deals["account_id"], accounts),
        "owner": _called(frame["owner_id"], owners),
        "pipeline": deals["pipeline"],
        "source": deals["source"],
        "expected_close_date": pd.Series(pd.to_datetime(promised, unit="us", utc=True)),
        "flags": _flags(scored, overdue, history),
    }
    return frame.assign(**added)


def _flags(scored: Scored, overdue: Bools, history: History) -> pd.Series:
    """Words for what a rep should mend: stale (or only silent), overdue, one contact alone."""
    frame = scored.frame
    quiet = ~(frame["days_since_activity"] <= SILENT_DAYS) & ~frame["stale"]
    marks = {
        "no amount": frame["amount_missing"],
        "stale": frame["stale"],
        "silent": quiet if len(history.activities.time) else quiet & False,
        "overdue": overdue,
        "single contact": scored.facts["contacts_90d_count"] == 1,
    }
    table = np.column_stack([np.asarray(mark, bool) for mark in marks.values()])
    words = np.array(list(marks), object)
    return pd.Series([list(words[row]) for row in table], frame.index, object)


def _known(table: pd.DataFrame, key: str, column: str) -> dict[str, str]:
    """Name by identifier, where the table has such a column and it holds one."""
    if column not in table:
        return {}
    told: dict[str, str] = {}
    names = table[column].astype("str").to_numpy(object)
    for name, called in zip(table[key].to_numpy(object), names, strict=True):
        told.setdefault(name, called)
    return {name: called for name, called in told.items() if isinstance(called, str)}


def _called(ids: pd.Series, names: dict[str, str]) -> pd.Series:
    called = [names.get(each, each) for each in ids.to_numpy(object)]
    return pd.Series(called, ids.index, dtype="str")


def reasons_of(bundle: Bundle, scored: Scored, rows: Ints) -> list[list[Reason]]:
    """Reasons of some rows of `scored`, the same however many are asked for at once."""
    return [list(found.reasons) for found in explain(bundle, scored, rows)]


def with_reasons(frame: pd.DataFrame, found: list[list[Reason]]) -> pd.DataFrame:
    """Add the sentences for and against, the strongest first, as columns of lists."""
    up = [[r.text for r in each if r.contribution > 0] for each in found]
    down = [[r.text for r in each if r.contribution <= 0] for each in found]
    return frame.assign(
        reasons_for=pd.Series(up, frame.index, object),
        reasons_against=pd.Series(down, frame.index, object),
    )


def take(scored: Scored, rows: Ints) -> Scored:
    """Keep some of the scored deals."""
    curves = scored.incidence
    return Scored(
        scored.snapshots.take(rows),
        scored.features.iloc[rows].reset_index(drop=True),
        replace(curves, won=curves.won[rows], lost=curves.lost[rows]),
        scored.expected_amount[rows],
        scored.frame.iloc[rows].reset_index(drop=True),
        scored.facts.iloc[rows].reset_index(drop=True),
    )
