"""Deals sent whole: their features beside those of a store, without indexing the store anew.

A guest's own facts come from a small history of its own. What is told of its source, owner or
account comes from the store's indexes, which stay as they are: a guest without closings changes
no win rate, and to counts of open deals, ended stays and activities its own are added (and those
of the deal whose place it takes are taken away). Every sum is one of whole numbers, so the values
are those of a history indexed with the guests in it, to the last bit.

`received` gives None where that would not hold: a guest (or the deal whose place it takes) that
has been closed, or that brings an owner, a stage or a source the store has never seen. Then index
everything together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import partial
from typing import Any, TypeVar

import numpy as np

from features.account import account_codes
from features.arrivals import Arriving, arrived
from features.at import At
from features.catalogue import CATALOGUE
from features.custom import custom_features
from features.facts import as_texts
from features.few import Few, GroupOf, OpenBy
from features.history import History
from features.parts import part_of
from features.size import AMOUNT_CLASSES, amount_class
from features.stages import of_stages, stage_stays, stays_by_class
from features.team import owner_load, team_of_owner
from features.vocabulary import Vocabulary
from features.windows import Column, Floats, Ints, from_fixed

T = TypeVar("T")

OF_STORE = (
    "record:",
    "visits",
    "stays:won",
    "stage_records",
    "won:",
    "teams",
    "hired",
    "positions:",
)
"""Indexes that no guest changes: they hold closings, or tables that keep no history."""
OF_BOTH: dict[str, Callable[[At], Any]] = {
    "stays": lambda at: of_stages(at, "stays", stage_stays),
    "stays:class": lambda at: of_stages(at, "stays:class", stays_by_class),
    "owner_load": owner_load,
}
"""Indexes of counts to which guests add theirs, and what builds them.

What follows an `@` in a name tells under which names of stages it was built.
"""
OPEN_BY: dict[str, GroupOf] = {
    "owner_open": lambda at: at.owner,
    "team_open": lambda at: team_of_owner(at)[0][at.owner],
    "account_open": lambda at: account_codes(at)[0][at.deal],
    "open_amounts": lambda at: amount_class(at.amount),
}
"""Indexes of open deals, to which guests add themselves, and by what these are told apart."""


@dataclass(frozen=True)
class Counted:
    """Sums over what several indexes found: those of `more` less those of `less`."""

    more: tuple[Any, ...]
    less: tuple[Any, ...]

    def count(self) -> Floats:
        """(n,) number of facts."""
        return self._sum(lambda found: found.count())

    def total(self, column: str) -> Floats:
        """(n,) sum of a column."""
        return from_fixed(self._sum(lambda found: found.fixed(column)))

    def _sum(self, ask: Callable[[Any], Column]) -> Column:
        found = ask(self.more[0])
        for each in self.more[1:]:
            found = found + ask(each)
        for each in self.less:
            found = found - ask(each)
        return found


@dataclass(frozen=True)
class Joint:
    """One index of the store, of the guests and of the deals whose place they take."""

    more: tuple[Any, ...]
    less: tuple[Any, ...]

    def asked(self, asked: Any) -> Counted:
        """Ask each of them the same questions."""
        return Counted(
            tuple(index.asked(asked) for index in self.more),
            tuple(index.asked(asked) for index in self.less),
        )

    def counts(self, instants: Ints) -> Floats:
        """(instants, classes) of a census."""
        found = sum(index.counts(instants) for index in self.more)
        return np.asarray(found - sum(index.counts(instants) for index in self.less))


@dataclass(frozen=True)
class GuestHistory(History):
    """History of deals sent whole.

    It answers every question as a history does; its deals are the guests alone.

    Attributes
    ----------
    store, replaced : the store among whose deals they stand, and those of it that they replace
    sent : what is told of each deal, by column
    """

    store: History = field(kw_only=True)
    replaced: History = field(kw_only=True)
    sent: Mapping[str, Sequence[Any]] = field(kw_only=True)

    @property
    def whole(self) -> History:
        """The store, among whose deals they stand."""
        return self.store

    def told(self, column: str, deals: Ints) -> Any:
        """(n,) array of what was sent of some deals; None where nothing was of that name."""
        known = self.sent.get(column)
        return None if known is None else as_texts([known[deal] for deal in deals.tolist()])

    def has(self, need: str) -> bool:
        """Tell whether the store has values: a guest without activities has none, no fewer."""
        return self.store.has(need)


def received(store: History, new: Arriving) -> GuestHistory | None:
    """Receive deals with their history and activities; None: index everything together.

    Parameters
    ----------
    store : indexed history of all deals
    new : the guests (accounts, contacts, owners and stages are the store's); one whose identifier
        is in the store replaces that deal
    """
    alone = arrived(store, new)
    if alone is None:
        return None
    codes = [store.position_of.get(deal_id, -1) for deal_id in alone.deal_ids]
    replaced = part_of(store, np.array([code for code in codes if code >= 0], np.int64))
    if len(replaced.closings.time):
        return None
    parts = {part.name: getattr(alone, part.name) for part in fields(alone)}
    return GuestHistory(**parts, store=store, replaced=replaced, sent=new.deals)


def guests_at(
    history: GuestHistory, vocabulary: Vocabulary, deal: Ints, time: Ints, names: Iterable[str]
) -> At:
    """Give guests as questions in hand, of which any of these features can be computed."""
    _prepare(history.store, vocabulary, tuple(names))
    return _GuestAt(history, vocabulary, deal, time, store=history.store, guests=history)


def _prepare(store: History, vocabulary: Vocabulary, names: tuple[str, ...]) -> None:
    """Build the indexes of the store that the features need; once."""

    def build() -> bool:
        features, zero = CATALOGUE | custom_features(vocabulary), np.zeros(1, np.int64)
        at = At(store, vocabulary, zero, zero)
        with np.errstate(divide="ignore", invalid="ignore"):
            for name in names:
                features[name].compute(at)
        return True

    store.index(f"prepared:{vocabulary.key}{vocabulary.suffix}:{hash(names)}", build)


@dataclass(frozen=True)
class _AmongAt(At):
    """Deals that are no others' than the store's: closings and owners are asked of it."""

    store: History = field(kw_only=True)

    def index(self, name: str, build: Callable[[], T]) -> T:
        """Take the store's index where the deals change nothing in it."""
        if name.startswith(OF_STORE):
            found: T = self.store.indexes[name]
            return found
        return self.history.index(name, build)


@dataclass(frozen=True)
class _GuestAt(_AmongAt):
    """The guests as snapshots: their own facts, and the store's statistics."""

    guests: GuestHistory = field(kw_only=True)

    def index(self, name: str, build: Callable[[], T]) -> T:
        """Join the store's index of counts with the guests', less those that they replace."""
        base = name.partition("@")[0]
        replaced = self.guests.replaced
        if base in OPEN_BY:
            own: Any = self._open_by(self.guests, base)
            less = (self._open_by(replaced, base),) if replaced.size else ()
        elif base in OF_BOTH:
            own, zero = self.history.index(name, build), np.zeros(1, np.int64)
            less = (OF_BOTH[base](self._of(replaced, zero, zero)),) if replaced.size else ()
        else:
            return super().index(name, build)
        joint: T = Joint((self.store.indexes[name], own), less)  # type: ignore[assignment]
        return joint

    def _of(self, history: History, deal: Ints, time: Ints) -> At:
        return _AmongAt(history, self.vocabulary, deal, time, store=self.store)

    def _open_by(self, history: History, base: str) -> OpenBy:
        few = history.index("few", lambda: Few(history.size, partial(self._of, history)))
        return OpenBy(few, OPEN_BY[base], AMOUNT_CLASSES)
