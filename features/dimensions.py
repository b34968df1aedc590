"""Dimensions: what deals are grouped by, so that the past of its group tells about a deal.

Each gives the group of a snapshot as it was known before the instant, and that of a closing when
it became known. Codes are numbers from 0; -1 stands for no group.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from features.at import At, as_codes, once
from features.facts import encode
from features.history import History
from features.windows import Column, Floats, Ints, first_at_or_after

SIZE_BANDS = 47
ORIGINS: dict[str, tuple[str, ...]] = {
    "source": ("source",),
    "deal_type": ("deal_type",),
    "pipeline": ("pipeline",),
    "segment": ("source", "deal_type", "pipeline"),
}
"""Ways by which deals come, and the columns that tell them apart."""
BANDS = {
    "employees": (10.0, 50.0, 200.0, 1_000.0, 5_000.0),
    "annual_revenue": (1e6, 1e7, 5e7, 2.5e8, 1e9),
}
PROFILE = ("industry", "region", "employees", "annual_revenue")
FIRM = "firm"


@dataclass(frozen=True)
class Dimension:
    """What deals are grouped by.

    Attributes
    ----------
    now : gives the group of each snapshot, (n,)
    then : gives the group of each closing, (closings,)
    groups : gives the number of groups
    """

    now: Callable[[At], Ints]
    then: Callable[[At], Ints]
    groups: Callable[[At], int]


def combined(history: History, columns: tuple[str, ...]) -> Ints:
    """(deals,) a number of the combination of attributes; 0 for a deal that has none of them."""
    code = np.zeros(history.size, np.int64)
    for column in columns:
        found = history.encoded("deals", column)
        code = code * (found.size + 1) + found.code + 1
    return code


def keys_of(history: History, columns: tuple[str, ...]) -> Ints:
    """Numbers of the combinations that there are, in order; 0, which is no group, comes first."""
    return np.unique(np.append(combined(history, columns), 0))


def origin_codes(at: At, name: str) -> tuple[Ints, int]:
    """(deals,) code of the way by which the deal came (one of ORIGINS), and how many there are."""

    def build() -> tuple[Ints, int]:
        names = keys_of(at.history, ORIGINS[name])
        place = names.searchsorted(combined(at.history, ORIGINS[name]))
        return place - 1, max(len(names) - 1, 1)

    return at.index(f"combined:{name}", build)


def account_codes(at: At) -> tuple[Ints, int]:
    """(deals,) code of the account, and how many accounts there are."""
    codes = at.history.encoded("deals", "account_id")
    return codes.code, max(codes.size, 1)


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


def closing_amount(history: History) -> Floats:
    """(closings,) amount known when a closing became known; NaN where none."""
    return history.index("closing_amount", lambda: _at_closing(history, "amount"))


def closing_owner(history: History) -> Ints:
    """(closings,) owner known when a closing became known; -1 where none."""
    return history.index("closing_owner", lambda: as_codes(_at_closing(history, "owner_id")))


def _at_closing(history: History, name: str) -> Floats:
    """(closings,) value known strictly before; where none was, that which came with the closing.

    A deal that is entered when all is over (moved in from elsewhere, with its history) becomes
    known in one instant: of it counts what held before the day on which it closed. What was set
    by the closing itself does not count: open deals could not be compared with it. Only where a
    deal closed the moment it was created there is nothing else.
    """
    closings, changes = history.closings, history.changes[name]
    deal, value = closings.group, np.append(changes.values["value"], np.nan)
    before = changes.last("value", deal, closings.time)
    # In the order of a deal's facts, those known first happened first (`facts.superseded`).
    happened = changes.values["happened"].astype(np.int64)
    until = np.maximum(closings.values["happened"].astype(np.int64), history.created[deal] + 1)
    first, along = changes.start[deal], changes.seen(deal, closings.time + 1).past
    past = first_at_or_after(first, along, happened, until)
    return np.where(np.isnan(before), value[np.where(past > first, past - 1, -1)], before)


def team_of_owner(at: At) -> tuple[Ints, int]:
    """(owners + 1,) team of each owner, -1 without one (and for no owner), and how many teams."""

    def build() -> tuple[Ints, int]:
        owners = at.history.tables.owners
        teams = encode(owners["team"])
        team = np.full(at.history.owners.size + 1, -1, np.int64)
        team[at.history.owners.code[: len(owners)]] = teams.code
        return team, max(teams.size, 1)

    return at.index("teams", build)


def size_band(amount: Floats) -> Ints:
    """(n,) band of an amount, three a factor of ten; SIZE_BANDS - 1 where there is none."""
    log = np.floor(3 * np.log10(np.where(amount > 0, amount, np.nan)))
    band = np.minimum(np.maximum(log, 0), SIZE_BANDS - 2)
    return np.where(np.isnan(log), SIZE_BANDS - 1, band).astype(np.int64)


@once
def _present_band(at: At) -> Ints:
    return size_band(at.amount)


def _fixed(codes: Callable[[At], tuple[Ints, int]]) -> Dimension:
    """Make a dimension of what is fixed for a deal, from (deals,) codes and their number."""
    return Dimension(
        lambda at: codes(at)[0][at.deal],
        lambda at: codes(at)[0][at.history.closings.group],
        lambda at: codes(at)[1],
    )


def _origin(name: str) -> Dimension:
    return _fixed(lambda at: origin_codes(at, name))


def _band(column: str) -> Dimension:
    return _fixed(lambda at: band_codes(at, column))


def paired(group: Column, other: Column, others: Column | int) -> Ints:
    """(n,) code of two groups together; -1 where either is missing."""
    return np.where((group < 0) | (other < 0), -1, group * others + other)


def _crossed(name: str, other: str) -> Dimension:
    one, two = PLAIN[name], PLAIN[other]
    return Dimension(
        lambda at: paired(one.now(at), two.now(at), two.groups(at)),
        lambda at: paired(one.then(at), two.then(at), two.groups(at)),
        lambda at: one.groups(at) * two.groups(at),
    )


PLAIN: dict[str, Dimension] = {
    # The firm first: what is shrunk to the firm's reads it there.
    FIRM: Dimension(
        lambda at: np.zeros(at.size, np.int64),
        lambda at: np.zeros(len(at.history.closings.time), np.int64),
        lambda _: 1,
    ),
    **{name: _origin(name) for name in ORIGINS},
    "account": _fixed(account_codes),
    **{column: _band(column) for column in PROFILE},
    "owner": Dimension(
        lambda at: at.owner,
        lambda at: closing_owner(at.history),
        lambda at: at.history.owners.size,
    ),
    "team": Dimension(
        lambda at: team_of_owner(at)[0][at.owner],
        lambda at: team_of_owner(at)[0][closing_owner(at.history)],
        lambda at: team_of_owner(at)[1],
    ),
    "size": Dimension(
        _present_band, lambda at: size_band(closing_amount(at.history)), lambda _: SIZE_BANDS
    ),
}
CROSSED = {
    "owner_source": ("owner", "source"),
    "owner_size": ("owner", "size"),
    "team_source": ("team", "source"),
    "team_size": ("team", "size"),
}
DIMENSIONS = PLAIN | {name: _crossed(*both) for name, both in CROSSED.items()}
PLACES = {name: place for place, name in enumerate(DIMENSIONS)}
_ONE, _OTHER = (np.array([PLACES[both[n]] for both in CROSSED.values()]) for n in (0, 1))


def groups_of_one(at: At, groups: Ints) -> Ints:
    """(dimensions,) group of a single snapshot in each; `groups` are their numbers of groups."""
    plain = np.array([dimension.now(at).item() for dimension in PLAIN.values()])
    return np.append(plain, paired(plain[_ONE], plain[_OTHER], groups[_OTHER]))
