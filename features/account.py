"""Account: the company, our past with it, and its fit to the companies that buy."""

from __future__ import annotations

import numpy as np

from features.at import At, once
from features.catalogue import Compute, Feature, feature, register
from features.custom import category
from features.groups import GroupAt, base_rate, by_deal_attribute
from features.spans import Spans
from features.windows import Floats, Ints

ACCOUNT = ("deals.account_id",)
BANDS = {
    "employees": (10.0, 50.0, 200.0, 1_000.0, 5_000.0),
    "annual_revenue": (1e6, 1e7, 5e7, 2.5e8, 1e9),
}
FIT = "The ideal customer profile, learned from who has bought."


def account_codes(at: At) -> tuple[Ints, int]:
    """(deals,) code of the account, -1 without one, and how many accounts there are."""
    codes = at.history.encoded("deals", "account_id")
    return codes.code, max(codes.size, 1)


@once
def with_account(at: At) -> GroupAt:
    """Closings of the account of each snapshot."""
    return by_deal_attribute(at, "account", *account_codes(at))


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

    grouped = with_account(at).grouped
    open_then = at.index("account_open", build).asked(grouped.asked).count()
    return np.maximum(grouped.spread(open_then) - 1, 0)


def _code(column: str) -> Compute:
    return lambda at: category(at, "accounts", column)


def _log(column: str) -> Compute:
    def compute(at: At) -> Floats:
        values = at.history.numbers("accounts", column)[at.deal]
        return np.log1p(np.where(values >= 0, values, np.nan))

    return compute


def band_codes(at: At, column: str) -> tuple[Ints, int]:
    """(deals,) band of a company's size or name of its industry or region; -1 where missing."""
    if column not in BANDS:
        codes = at.history.encoded("accounts", column)
        return codes.code, max(codes.size, 1)

    def build() -> Ints:
        numbers = at.history.numbers("accounts", column)
        band = np.searchsorted(BANDS[column], numbers, side="right")
        return np.where(np.isnan(numbers), -1, band).astype(np.int64)

    return at.index(f"bands:{column}", build), len(BANDS[column]) + 1


@once
def fit_of(at: At, column: str) -> Floats:
    """(n,) log-odds of the win rate of a column's band against the firm's."""
    record = by_deal_attribute(at, column, *band_codes(at, column))
    return _log_odds(record.win_rate) - _base_odds(at)


@once
def _base_odds(at: At) -> Floats:
    return _log_odds(base_rate(at))


def _fit(column: str) -> Compute:
    return lambda at: fit_of(at, column)


def _log_odds(rate: Floats) -> Floats:
    found: Floats = np.log(rate / (1 - rate))
    return found


PROFILE = ("industry", "region", "employees", "annual_revenue")
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
