"""The daily list: open deals in the order in which they are worth working, with reasons."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import compress
from typing import Any

import numpy as np
import pandas as pd

from features.history import History
from features.windows import DAY, Bools, Floats, Ints
from serving.names import find_ids
from training.bundle import Bundle
from training.reasons import Reason, explain
from training.scoring import Objects, Scored, Times, as_frame, objects

NAT = np.iinfo(np.int64).min
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
    for owner, name in _names(history, "owners").items():
        names[owner].append(name)
    return names


def team_names(history: History) -> dict[str, list[str]]:
    """Teams that the owners table names."""
    return {team: [team] for team in history.tables.owners["team"].dropna().unique()}


def described(scored: Scored, history: History) -> pd.DataFrame:
    """Give `described_columns` as a table."""
    return as_frame(described_columns(scored, history))


def described_columns(scored: Scored, history: History) -> dict[str, Any]:
    """Add to the scores what a person calls things by, the expected close date, and flags.

    New columns: `name` (of the deal; its identifier where it has none), `account_id`, `account`
    and `owner` (names, or identifiers), `pipeline`, `source`, `expected_close_date`, `flags`
    (lists of words).
    """
    code, time = scored.snapshots.deal, scored.snapshots.time
    told, called = scored.columns["deal_id"], history.told("name", code)
    promised = history.changes["expected_close_date"].last("value", code, time)
    of_deals = {n: history.told(n, code) for n in ("account_id", "pipeline", "source")}
    names = told if called is None else called
    return {
        **scored.columns,
        "name": objects([i if pd.isna(n) else str(n) for n, i in zip(names, told, strict=True)]),
        "account_id": of_deals["account_id"],
        "account": _called(of_deals["account_id"], _names(history, "accounts")),
        "owner": _called(scored.columns["owner_id"], _names(history, "owners")),
        "pipeline": of_deals["pipeline"],
        "source": of_deals["source"],
        "expected_close_date": _times(promised),
        "flags": _flags(scored, promised + DAY <= time, history),
    }


def _times(at: Floats) -> Times:
    """(n,) times of microseconds; NaT where NaN."""
    return np.where(np.isnan(at), NAT, at).astype(np.int64).view("M8[us]")


def _flags(scored: Scored, overdue: Bools, history: History) -> Objects:
    """Words for what a rep should mend: stale (or only silent), overdue, one contact alone."""
    columns = scored.columns
    quiet = ~(columns["days_since_activity"] <= SILENT_DAYS) & ~columns["stale"]
    marks = {
        "no amount": columns["amount_missing"],
        "stale": columns["stale"],
        "silent": quiet if history.has("activities.type") else quiet & False,
        "overdue": overdue,
        "single contact": scored.fact("contacts_90d_count") == 1,
    }
    found = np.empty(len(overdue), object)
    for row, marked in enumerate(zip(*marks.values(), strict=True)):
        found[row] = list(compress(marks, marked))
    return found


def _names(history: History, table: str) -> dict[str, str]:
    """What owners or accounts are called, by identifier."""
    key, whole = f"{table.removesuffix('s')}_id", history.whole
    return whole.index(f"names:{table}", lambda: _known(whole.tables[table], key, "name"))


def _known(table: pd.DataFrame, key: str, column: str) -> dict[str, str]:
    """Name by identifier, where the table has such a column and it holds one."""
    if column not in table:
        return {}
    told: dict[str, str] = {}
    names = table[column].astype("str").to_numpy(object)
    for name, called in zip(table[key].to_numpy(object), names, strict=True):
        told.setdefault(name, called)
    return {name: called for name, called in told.items() if isinstance(called, str)}


def _called(ids: Any, names: dict[str, str]) -> Any:
    """(n,) names, or identifiers where there is none."""
    return objects([names.get(each, each) for each in ids])


def reasons_of(bundle: Bundle, scored: Scored, rows: Ints) -> list[list[Reason]]:
    """Reasons of some rows of `scored`, the same however many are asked for at once."""
    return [list(found.reasons) for found in explain(bundle, scored, rows)]


def with_reasons(frame: pd.DataFrame, found: list[list[Reason]]) -> pd.DataFrame:
    """Add the sentences for and against, the strongest first, as columns of lists."""
    told = for_and_against(found).items()
    return frame.assign(**{n: pd.Series(each, frame.index, object) for n, each in told})


def for_and_against(found: list[list[Reason]]) -> dict[str, list[list[str]]]:
    """Sentences for and against each deal, the strongest first."""
    return {
        "reasons_for": [[r.text for r in each if r.contribution > 0] for each in found],
        "reasons_against": [[r.text for r in each if r.contribution <= 0] for each in found],
    }


def take(scored: Scored, rows: Ints) -> Scored:
    """Keep some of the scored deals."""
    curves = scored.incidence
    return Scored(
        scored.snapshots.take(rows),
        scored.features.iloc[rows].reset_index(drop=True),
        replace(curves, won=curves.won[rows], lost=curves.lost[rows]),
        scored.expected_amount[rows],
        {name: column[rows] for name, column in scored.columns.items()},
        scored.told[rows],
    )
