"""Account: the company, our past with it, and its fit to the companies that buy."""

from __future__ import annotations

import numpy as np

from features.at import At, once
from features.catalogue import Compute, Feature, feature, register
from features.custom import category
from features.dimensions import PROFILE, account_codes
from features.groups import GroupAt, base_rate, grouped_by, record_of
from features.spans import Spans
from features.windows import Floats

ACCOUNT = ("deals.account_id",)
FIT = "The ideal customer profile, learned from who has bought."


def with_account(at: At) -> GroupAt:
    """Closings of the account of each snapshot."""
    return record_of(at, "account")


@feature(
    "account",
    "count",
    "deals won with the account before",
    needs=ACCOUNT,
    why="Customers buy again.",
)
def account_won_count(at: At) -> Floats:
    """Closings known before the instant."""
    return with_account(at).won


@feature("account", "count", "deals lost with the account before", needs=ACCOUNT)
def account_lost_count(at: At) -> Floats:
    """Closings known before the instant."""
    return with_account(at).closed - with_account(at).won


@feature(
    "account",
    "rate",
    "win rate with the account less the firm's, shrunk by 20 deals",
    needs=ACCOUNT,
)
def account_win_rate_lift(at: At) -> Floats:
    """0 for an account without closings."""
    return with_account(at).win_rate - base_rate(at)


@feature("account", "count", "other open deals with the account", needs=ACCOUNT)
def account_open_beside_count(at: At) -> Floats:
    """Open at the instant, this deal left out; 0 without an account."""
    codes, accounts = account_codes(at)

    def build() -> Spans:
        deal, begin, end, _ = at.history.while_open()
        return Spans.of(codes[deal], begin, end, groups=accounts + 1)

    grouped = grouped_by(at, "account")
    open_then = at.index("account_open", build).asked(grouped.asked).count()
    return np.maximum(grouped.spread(open_then) - 1, 0)


def _code(column: str) -> Compute:
    return lambda at: category(at, "accounts", column)


def _log(column: str) -> Compute:
    def compute(at: At) -> Floats:
        values = at.history.numbers("accounts", column)[at.deal]
        return np.log1p(np.where(values >= 0, values, np.nan))

    return compute


@once
def fit_of(at: At, column: str) -> Floats:
    """(n,) log-odds of the win rate of a column's band against the firm's."""
    return _log_odds(record_of(at, column).win_rate) - _base_odds(at)


@once
def _base_odds(at: At) -> Floats:
    return _log_odds(base_rate(at))


def _fit(column: str) -> Compute:
    return lambda at: fit_of(at, column)


def _log_odds(rate: Floats) -> Floats:
    found: Floats = np.log(rate / (1 - rate))
    return found


OF_PROFILE = tuple(f"accounts.{column}" for column in PROFILE)


@feature(
    "account",
    "log odds",
    "fit to the ideal customer profile",
    needs=ACCOUNT,
    why=FIT,
    reads=OF_PROFILE,
)
@once
def icp_fit(at: At) -> Floats:
    """Sum of the log-odds of its industry, region, employees and revenue."""
    return sum((fit_of(at, column) for column in PROFILE), np.zeros(1))


FIT_LIMITS = (-0.5, -0.15, 0.15, 0.5)


@feature(
    "account",
    "band 0-4",
    "fit to the ideal customer profile in words: 0 poor, 1 weak, 2 usual, 3 good, 4 ideal",
    needs=ACCOUNT,
    why=FIT,
    for_models=False,
    reads=OF_PROFILE,
)
def icp_band(at: At) -> Floats:
    """Bands of `icp_fit`, parted at odds of 60, 86, 116 and 165 % of the firm's."""
    return np.searchsorted(FIT_LIMITS, icp_fit(at), side="right").astype(float)


def _register() -> None:
    for column in ("industry", "region"):
        needs, text = (f"accounts.{column}",), f"{column} of the account"
        code = Feature(f"{column}_code", "account", "code", text, _code(column), needs, FIT, True)
        register(code)
    for column in ("employees", "annual_revenue"):
        needs, text = (f"accounts.{column}",), f"{column.replace('_', ' ')} of the account"
        register(Feature(f"log_{column}", "account", "log", text, _log(column), needs, FIT))
    for column in PROFILE:
        needs = (f"accounts.{column}",)
        text = f"win rate of its {column.replace('_', ' ')} band against the firm's"
        register(Feature(f"{column}_fit", "account", "log odds", text, _fit(column), needs, FIT))


_register()
