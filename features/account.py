"""Account: what we know of the company, our past with it, and its fit to the companies that buy."""

from __future__ import annotations

import numpy as np
import pandas as pd

from features.at import At
from features.catalogue import Compute, Feature, feature, register
from features.groups import GroupAt, base_rate, by_deal_attribute
from features.history import encode
from features.windows import NEVER, Floats, Ints, Spans

ACCOUNT = ("deals.account_id",)
BANDS = {
    "employees": (10.0, 50.0, 200.0, 1_000.0, 5_000.0),
    "annual_revenue": (1e6, 1e7, 5e7, 2.5e8, 1e9),
}
FIT = "The ideal customer profile, learned from who has bought."


def account_codes(at: At) -> tuple[Ints, int]:
    """(deals,) code of the account, -1 without one, and how many accounts there are."""

    def build() -> tuple[Ints, int]:
        codes = encode(at.history.attribute("deals", "account_id"))
        return codes.code, max(codes.size, 1)

    return at.index("accounts", build)


def _with_account(at: At) -> GroupAt:
    codes, accounts = account_codes(at)
    return by_deal_attribute(at, "account", codes, accounts)


@feature("account", "count", "deals won with the account before", needs=ACCOUNT, why="Customers buy again.")
def account_won_count(at: At) -> Floats:
    """Closings known before the instant."""
    record = _with_account(at)
    won = at.per_group(record.group, lambda g, t: record.record.closings.total("won", g, t))
    return np.nan_to_num(won)


@feature("account", "count", "deals lost with the account before", needs=ACCOUNT)
def account_lost_count(at: At) -> Floats:
    """Closings known before the instant."""
    return _with_account(at).closed() - account_won_count(at)


@feature("account", "rate", "win rate with the account less the firm's, shrunk by 20 deals", needs=ACCOUNT)
def account_win_rate_lift(at: At) -> Floats:
    """0 for an account without closings."""
    return _with_account(at).win_rate() - base_rate(at)


@feature("account", "count", "other open deals with the account", needs=ACCOUNT)
def account_open_beside_count(at: At) -> Floats:
    """Open at the instant, this deal left out."""
    codes, accounts = account_codes(at)

    def build() -> Spans:
        begin, closings = at.history.known_from, at.history.closings
        closing = closings.next_index(np.arange(at.history.size), begin)
        closed = np.where(closing >= 0, closings.time[closing] if len(closings.time) else 0, NEVER)
        return Spans.of(codes, begin, closed, groups=accounts)

    beside = at.per_group(codes[at.deal], at.index("account_open", build).count)
    return np.maximum(np.nan_to_num(beside) - 1, 0)


def _code(column: str) -> Compute:
    def compute(at: At) -> Floats:
        values = at.history.attribute("accounts", column)
        return at.vocabulary.codes(f"accounts.{column}", values)[at.deal]

    return compute


def _log(column: str) -> Compute:
    def compute(at: At) -> Floats:
        values = at.history.attribute("accounts", column).to_numpy(float)[at.deal]
        return np.log1p(np.where(values >= 0, values, np.nan))

    return compute


def band_codes(at: At, column: str) -> tuple[Ints, int]:
    """(deals,) band of a company's size or name of its industry or region; -1 where missing."""

    def build() -> tuple[Ints, int]:
        values = at.history.attribute("accounts", column)
        if column not in BANDS:
            codes = encode(values)
            return codes.code, max(codes.size, 1)
        numbers = pd.to_numeric(values, errors="coerce").to_numpy(float)
        band = np.searchsorted(BANDS[column], numbers, side="right")
        return np.where(np.isnan(numbers), -1, band).astype(np.int64), len(BANDS[column]) + 1

    return at.index(f"bands:{column}", build)


def _fit(column: str) -> Compute:
    """Log-odds of the win rate of the band against the firm's."""

    def compute(at: At) -> Floats:
        codes, bands = band_codes(at, column)
        rate, base = by_deal_attribute(at, column, codes, bands).win_rate(), base_rate(at)
        fit: Floats = np.log(rate / (1 - rate)) - np.log(base / (1 - base))
        return fit

    return compute


PROFILE = ("industry", "region", "employees", "annual_revenue")


@feature("account", "log odds", "fit to the ideal customer profile", needs=ACCOUNT, why=FIT)
def icp_fit(at: At) -> Floats:
    """Sum over industry, region, employees and revenue of each band's log-odds against the firm's."""
    present = [c for c in PROFILE if at.history.tables.present("accounts", c)]
    return np.sum([np.zeros(at.size), *(_fit(column)(at) for column in present)], axis=0)


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
