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

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

import numpy as np

from features.arrivals import Arriving, arrived, part_of
from features.at import At
from features.catalogue import CATALOGUE
from features.custom import custom_features
from features.history import History
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
OF_BOTH = {
    "stays": "stage_usual_stay",
    "stays:class": "stage_exit_30d_rate",
    "owner_open": "owner_open_count",
    "team_open": "team_open_count",
    "account_open": "account_open_beside_count",
    "open_amounts": "amount_rank_open",
    "owner_load": "owner_attention_share",
}
"""Indexes of counts to which guests add theirs, each with a feature that builds it.

What follows an `@` in a name tells under which names of stages it was built.
"""


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

    @classmethod
    def of(cls, more: tuple[Any, ...], less: tuple[Any, ...]) -> Any:
        """Join indexes; where an index is a tuple of several, each with its like."""
        if isinstance(more[0], tuple):
            return tuple(
                cls(tuple(part[n] for part in more), tuple(part[n] for part in less))
                for n in range(len(more[0]))
            )
        return cls(more, less)


@dataclass(frozen=True)
class GuestHistory(History):
    """History of deals sent whole: the store among whose deals they stand, and those replaced.

    It answers every question as a history does; its deals are the guests alone.
    """

    store: History = field(kw_only=True)
    replaced: History = field(kw_only=True)

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
    return GuestHistory(**parts, store=store, replaced=replaced)


def guests_at(
    history: GuestHistory, vocabulary: Vocabulary, deal: Ints, time: Ints, names: Iterable[str]
) -> At:
    """Give guests as questions in hand, of which any of these features can be computed."""
    _prepare(history, vocabulary, tuple(names))
    return _GuestAt(history, vocabulary, deal, time, guests=history)


def _prepare(history: GuestHistory, vocabulary: Vocabulary, names: tuple[str, ...]) -> None:
    """Build the indexes that the features need: of the store once, and of those replaced."""
    store, replaced, zero = history.store, history.replaced, np.zeros(1, np.int64)
    features = CATALOGUE | custom_features(vocabulary)

    def build(whose: History, wanted: Iterable[str]) -> bool:
        at = At(whose, vocabulary, zero, zero)
        with np.errstate(divide="ignore", invalid="ignore"):
            for name in wanted:
                features[name].compute(at)
        return True

    key = f"{vocabulary.key}{vocabulary.suffix}"
    store.index(f"prepared:{key}:{hash(names)}", lambda: build(store, names))
    shared = {name: index for name, index in store.indexes.items() if name.startswith(OF_STORE)}
    replaced.indexes.update(shared)
    if replaced.size:
        missing = (_base(name) for name in store.indexes if name not in replaced.indexes)
        build(replaced, [OF_BOTH[base] for base in missing if base in OF_BOTH])


def _base(index: str) -> str:
    return index.partition("@")[0]


@dataclass(frozen=True)
class _GuestAt(At):
    """The guests as snapshots: their own facts, and the store's statistics."""

    guests: GuestHistory = field(kw_only=True)

    def index(self, name: str, build: Callable[[], T]) -> T:
        """Take the store's index, join it with the guests', or build one of the guests alone."""
        store, replaced = self.guests.store.indexes, self.guests.replaced
        if name.startswith(OF_STORE):
            found: T = store[name]
            return found
        own = self.history.index(name, build)
        if _base(name) not in OF_BOTH:
            return own
        less = (replaced.indexes[name],) if replaced.size else ()
        joint: T = Joint.of((store[name], own), less)
        return joint
