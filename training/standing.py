"""Where a period stands as of an instant, deal by deal and to the cent.

The forecast of a period is what is booked, what each open deal is expected to bring, and the
deals not yet created. Cents are whole numbers here, so that whatever is made of them adds up.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.fiscal import Period, boundaries, period_name
from features.history import OPEN, WON, History
from features.snapshots import Snapshots
from features.windows import Bools, Floats, Ints
from training.amount import closing_amounts
from training.booked import standing_wins
from training.bundle import Bundle
from training.forecast import PATHS
from training.lines import expected_by_period
from training.outlook import Outlook, make_outlook
from training.scoring import Scored, current_owner
from training.targets import months_of

UNKNOWN, STILL_OPEN, BOOKED, LOST, ELSEWHERE = "not yet", "open", "won", "lost", "won elsewhere"
"""States of a deal: `won` is within the period, `won elsewhere` before or after it."""
USUAL_PERIODS = 3
"""Periods that a forecast shows by default: as many are simulated, so that figures agree."""
MOST_PERIODS = 24


class PeriodError(ValueError):
    """A period that cannot be forecast; the message says which can."""


@dataclass(frozen=True)
class Span:
    """A period: its kind, name, first instant and that after its last (microseconds)."""

    kind: Period
    name: str
    begin: int
    end: int

    @classmethod
    def holding(cls, at: int, kind: Period, start_month: int = 1) -> Span:
        """Give the period that holds an instant."""
        begin, end = boundaries(at, kind, 1, start_month)
        return cls(kind, period_name(int(begin), kind, start_month), int(begin), int(end))

    @classmethod
    def named(cls, name: str, start_month: int = 1) -> Span:
        """Give the period of a name such as `2025-01` or `2025-Q1`.

        Raises
        ------
        PeriodError
            For any other text.
        """
        if not re.fullmatch(r"(19|20)\d\d-(0[1-9]|1[0-2]|Q[1-4])", name):
            raise PeriodError(
                f"{name!r} is no period; write a month such as 2025-01, a quarter such as "
                "2025-Q1, or month or quarter for the running one"
            )
        kind: Period = "quarter" if "Q" in name else "month"
        month = months_of(name, start_month)[0] if kind == "quarter" else name
        at = pd.Timestamp(f"{month}-01").as_unit("us").asm8.astype("int64")
        return cls.holding(int(at), kind, start_month)


@dataclass(frozen=True)
class Standing:
    """A period as of an instant.

    Attributes
    ----------
    deals : a row a deal of the history, by its code: state, cents (what the period expects of
        it, or has booked), expected (amount if won), amount (of the CRM), due (microseconds),
        owner
    new : cents expected of deals not yet created, by owner
    unit : `revenue` or `wins`
    """

    as_of: int
    deals: pd.DataFrame
    new: pd.Series
    unit: str

    @property
    def total(self) -> int:
        """Cents of the whole."""
        return int(self.deals["cents"].sum() + self.new.sum())


def stand(
    bundle: Bundle, history: History, as_of: int, span: Span, *, paths: int = PATHS, seed: int = 0
) -> Standing:
    """Take stock of a period as of an instant; a period that is over is booked or nothing.

    Raises
    ------
    PeriodError
        If the period begins more than MOST_PERIODS periods after `as_of`.
    """
    deals = _facts(history, as_of, span)
    priced = bundle.amount.wins > 0
    unit = "revenue" if priced else "wins"
    booked = _booked(history, as_of, span, priced=priced)
    if as_of >= span.end:
        cents = apportion(booked, round(100 * booked.sum()))
        return Standing(as_of, deals.assign(cents=cents, expected=np.nan), _nobody(), unit)
    k = _place(as_of, span, history.settings.fiscal_year_start_month)
    outlook = make_outlook(
        *(bundle, history, as_of),
        period=span.kind,
        periods=max(k + 1, USUAL_PERIODS),
        by=("owner",),
        paths=paths,
        seed=seed,
    )
    opened = _of_open(outlook.scored, history.size, expected_by_period(outlook)[:, k])
    each = booked + np.nan_to_num(opened)
    cents = apportion(each, round(100 * each.sum()))
    new = _new(outlook, span, int(cents.sum()))
    expected = _of_open(outlook.scored, history.size, outlook.deals.amount)
    return Standing(as_of, deals.assign(cents=cents, expected=expected), new, unit)


def _new(outlook: Outlook, span: Span, cents: int) -> pd.Series:
    """Cents by owner that the forecast has beyond those of known deals."""
    rows = outlook.frame[outlook.frame["period"] == span.name]
    whole = round(100 * float(rows.loc[rows["scope"] == "total", "mean"].iloc[0]))
    new = rows[rows["scope"] == "owner"].set_index("scope_id")["new"]
    if not len(new):
        return pd.Series({"": whole - cents})
    return pd.Series(apportion(new.to_numpy(float), whole - cents), new.index)


def _nobody() -> pd.Series:
    return pd.Series(dtype=np.int64, index=pd.Index([], dtype="str"))


def _place(as_of: int, span: Span, start_month: int) -> int:
    """How many periods the asked one comes after that of `as_of`."""
    edges = boundaries(as_of, span.kind, MOST_PERIODS, start_month)
    found = np.flatnonzero(edges[:-1] == span.begin)
    if not len(found):
        last = period_name(int(edges[-2]), span.kind, start_month)
        raise PeriodError(
            f"{span.name} cannot be forecast as of {pd.Timestamp(as_of, unit='us'):%Y-%m-%d}; "
            f"the latest {span.kind} that can is {last}"
        )
    return int(found[0])


def _of_open(scored: Scored, size: int, values: Floats) -> Floats:
    """(deals of the history,) values of the open deals; NaN for all others."""
    found = np.full(size, np.nan)
    found[scored.snapshots.deal] = values
    return found


def _wins_of(history: History, as_of: int, span: Span) -> Bools:
    """(closings,) wins of the period that hold at as-of."""
    happened = history.closings.values["happened"]
    inside = (happened >= span.begin) & (happened < min(span.end, as_of))
    return standing_wins(history, as_of) & inside


def _booked(history: History, as_of: int, span: Span, *, priced: bool) -> Floats:
    """(deals,) what each deal has brought in the period; the amount is that known at as-of."""
    closings = history.closings
    wins = np.flatnonzero(_wins_of(history, as_of, span))
    amounts = np.nan_to_num(closing_amounts(history)[wins]) if priced else np.ones(len(wins))
    return np.bincount(closings.group[wins], amounts, minlength=history.size).astype(float)


def _facts(history: History, as_of: int, span: Span) -> pd.DataFrame:
    """State, amount, expected close date and owner of every deal, as known at as-of."""
    deal, time = np.arange(history.size), np.full(history.size, as_of, np.int64)
    outcome = history.stages.last("outcome", deal, time)
    inside = np.isin(deal, history.closings.group[_wins_of(history, as_of, span)])
    state = np.select(
        [history.known_from >= as_of, ~(outcome > OPEN), outcome != WON, inside],
        [UNKNOWN, STILL_OPEN, LOST, BOOKED],
        ELSEWHERE,
    )
    return pd.DataFrame(
        {
            "state": state.astype(object),
            "amount": history.changes["amount"].last("value", deal, time),
            "due": history.changes["expected_close_date"].last("value", deal, time),
            "owner": current_owner(history, Snapshots(deal, time)).fillna("").to_numpy(object),
        }
    )


def apportion(values: Floats, cents: int) -> Ints:
    """(n,) whole cents of values (n >= 1) that sum to `cents`, each off by as little as may be.

    Largest remainders (Hamilton's method): a cent for those that were rounded down the most.

    >>> apportion(np.array([0.004, 0.004, 1.0]), 101).tolist()
    [1, 0, 100]
    """
    exact = 100.0 * np.asarray(values, float)
    whole = np.floor(exact + 1e-6).astype(np.int64)
    missing = int(cents - whole.sum())
    if not len(whole) or not missing:
        return whole
    order = np.argsort(whole - exact, kind="stable")
    each, extra = divmod(missing, len(whole))
    whole += each
    whole[order[:extra]] += 1
    return whole
