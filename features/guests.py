"""Deals sent whole: their features beside those of a store, without indexing the store anew.

A guest's own facts come from a small history of its own. What is told of its source, owner or
account comes from the store's indexes, which stay as they are: a guest without closings changes
no win rate, nor does one that was closed as the store has it and reopened; and to counts of open
deals, ended stays and activities its own are added (and those of the deal whose place it takes are
taken away). Every sum is one of whole numbers, so the values are those of a history indexed with
the guests in it, to the last bit.

`received` gives None where that would not hold: a guest (or the deal whose place it takes) whose
closing the store does not have like that, or that brings an owner, a stage or a source the store
has never seen. Then index everything together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import partial
from typing import Any, TypeVar

import numpy as np

from features.arrivals import Arriving, arrived
from features.at import At
from features.catalogue import CATALOGUE
from features.custom import custom_features
from features.few import OWN, SHARED, Counts, Few
from features.history import History
from features.parts import ACCOUNT, part_of
from features.stages import of_stages, stage_stays
from features.vocabulary import ATTRIBUTES, Vocabulary
from features.windows import Column, Floats, Ints, Timeline, from_fixed

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
        """(instants, classes) of a census, the first of them; of the others as many classes."""
        census, *others = self.more
        found: Floats = census.counts(instants)
        classes = found.shape[1]
        for index in others:
            found = found + index.counts(instants, classes)
        for index in self.less:
            found = found - index.counts(instants, classes)
        return found


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

    @property
    def counted(self) -> tuple[History, ...]:
        """Histories whose facts are counted apart: the guests, then any deals they replace."""
        return (self, self.replaced) if self.replaced.size else (self,)

    def told(self, column: str, deals: Ints) -> Any:
        """(n,) what was sent of some deals, as objects; None where nothing had that name."""
        known = self.sent.get(column)
        return None if known is None else np.array(known, object)[deals]

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
    closings = len(alone.closings.time) + len(replaced.closings.time)
    if closings and not all(_closed_alike(store, alone, *each) for each in enumerate(codes)):
        return None
    parts = {part.name: getattr(alone, part.name) for part in fields(alone)}
    return GuestHistory(**parts, store=store, replaced=replaced, sent=new.deals)


def _closed_alike(store: History, alone: History, deal: int, code: int) -> bool:
    """Whether statistics of closings hold of a deal that arrives what they hold of the store's.

    They read what was known when it closed for the last time, and what is fixed at creation.
    """
    if code < 0:
        return not len(alone.closings.only(np.array([deal])).time)
    mine, theirs = _behind_closings(alone, deal), _behind_closings(store, code)
    if not mine and not theirs:
        return True
    same = (
        alone.encoded(*column).code[deal] == store.encoded(*column).code[code]
        for column in (*ATTRIBUTES, ACCOUNT)
    )
    equal = partial(np.array_equal, equal_nan=True)
    return len(mine) == len(theirs) and all(same) and all(map(equal, mine, theirs))


def _behind_closings(history: History, deal: int) -> list[Column]:
    """All that was known of a deal when it last closed; nothing where it never did."""
    which = np.array([deal])
    closed = history.closings.only(which).time
    if not len(closed):
        return []
    found: list[Column] = [history.created[which]]
    for facts, names in (
        (history.stages, ("stage", "outcome", "happened")),
        *((history.changes[name], ("value", "happened")) for name in ("amount", "owner_id")),
        (history.activities, ()),
    ):
        own = facts.only(which)
        known = own.time <= closed[-1]
        found += [own.time[known], *(own.values[name][known] for name in names)]
    return found


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
        base, guests = name.partition("@")[0], self.guests
        if base in OWN:
            found: Any = Counts(self._few(guests), OWN[base])
        elif base in SHARED:
            own, *less = (Counts(self._few(whose), SHARED[base]) for whose in guests.counted)
            found = Joint((self.store.indexes[name], own), tuple(less))
        elif base == "stays":
            stays, *others = (self._stays(whose) for whose in guests.counted)
            found = Joint((self.store.indexes[name], stays), tuple(others))
        else:
            found = super().index(name, build)
        answer: T = found
        return answer

    def _few(self, history: History) -> Few:
        at = partial(_AmongAt, history, self.vocabulary, store=self.store)
        return history.index("few", lambda: Few(history, at))

    def _stays(self, history: History) -> Timeline:
        return of_stages(self._few(history).alone(), "stays", stage_stays)
