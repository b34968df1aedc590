"""Trees of many models asked at once, after QuickScorer (Lucchese et al., SIGIR 2015).

No row walks down a tree. Leaves are numbered from left to right, one bit each; every split has a
mask of the leaves that are left when it sends a row to the right. What remains of all masks of
the splits that do so has the row's leaf as its lowest bit. Conditions that several trees share are
looked at once. All rows of a slab are treated alike, so that compiled code takes many of them in
one instruction. Leaf values are added in the order of the trees, in double precision: the sums are
those of LightGBM to the last bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, NamedTuple

import lightgbm as lgb
import numpy as np
import numpy.typing as npt
from numba import njit

from features.windows import Bools, Floats, Ints
from training.scratch import Scratch
from training.tree_dump import AMONG, LEFT, ZERO, Condition, Tree, order, trees_of

SLAB = 128
"""Rows at once: as many as keep what is computed of them within the cache."""
MASKS = (np.uint8, np.uint16, np.uint32, np.uint64)
"""Types that have a bit for each leaf, for ever larger trees."""
Matrix = npt.NDArray[np.float32]
Masks = npt.NDArray[Any]

_DE_BRUIJN = np.uint64(0x03F79D71B4CB0A89)
_PLACES = np.zeros(64, np.int64)
"""Place of a number's only bit, by the top six bits of it times a de Bruijn sequence (Leiserson,
Prokop and Randall 1998, "Using de Bruijn sequences to index a 1 in a computer word")."""
_PLACES[[(int(_DE_BRUIJN) << bit) % 2**64 >> 58 for bit in range(64)]] = np.arange(64)
_scratch = Scratch()


class Ordered(NamedTuple):
    """Different conditions by order.

    Attributes
    ----------
    feature, threshold : (conditions,)
    missing : (conditions,) whether a missing value goes left
    """

    feature: Ints
    threshold: Matrix
    missing: Bools

    @classmethod
    def of(cls, wanted: Sequence[Condition]) -> Ordered:
        """Lay them out."""
        missing = [c.kind == LEFT or (c.kind == ZERO and c.threshold >= 0) for c in wanted]
        return cls(
            np.array([condition.feature for condition in wanted], np.int64),
            np.array([condition.threshold for condition in wanted], np.float32),
            np.array(missing, bool),
        )


class Among(NamedTuple):
    """Different conditions by category.

    Attributes
    ----------
    feature : (conditions,)
    left : (conditions, highest code + 1) whether each code goes left
    """

    feature: Ints
    left: Bools

    @classmethod
    def of(cls, wanted: Sequence[Condition]) -> Among:
        """Lay them out."""
        highest = max((condition.codes[-1] for condition in wanted), default=-1)
        left = np.zeros((len(wanted), highest + 1), bool)
        for row, condition in zip(left, wanted, strict=True):
            row[list(condition.codes)] = True
        return cls(np.array([condition.feature for condition in wanted], np.int64), left)


class Laid(NamedTuple):
    """Trees laid out one after another.

    Attributes
    ----------
    model : (trees,) whose each is
    first_split, first_leaf : (trees + 1,) where the splits and the leaves of each begin
    condition : (splits,) place among the conditions: those by order, then those by category
    remain : (splits,) leaves that remain where it is not met
    values : (leaves,)
    """

    model: Ints
    first_split: Ints
    first_leaf: Ints
    condition: Ints
    remain: Masks
    values: Floats


@dataclass(frozen=True)
class Forest:
    """All trees of some models that read the same features.

    Attributes
    ----------
    models, features : how many
    """

    models: int
    features: int
    ordered: Ordered
    among: Among
    trees: Laid

    @classmethod
    def of(cls, boosters: Sequence[lgb.Booster]) -> Forest | None:
        """Lay boosters out; None where one holds trees that are not of this kind."""
        try:
            trees = [list(trees_of(booster)) for booster in boosters]
        except NotImplementedError:
            return None
        splits = chain.from_iterable(tree.splits for own in trees for tree in own)
        wanted = sorted({condition for condition, _ in splits}, key=order)
        place = {condition: n for n, condition in enumerate(wanted)}
        return cls(
            len(trees),
            boosters[0].num_feature(),
            Ordered.of([condition for condition in wanted if condition.kind != AMONG]),
            Among.of([condition for condition in wanted if condition.kind == AMONG]),
            _laid_out(trees, place),
        )

    def of_rows(self, rows: Matrix) -> Floats:
        """(models, n) sums of the trees' values for (n, features) rows, however many."""
        found = np.empty((self.models, len(rows)))
        for begin in range(0, len(rows), SLAB):
            part = np.ascontiguousarray(rows[begin : begin + SLAB].T)
            found[:, begin : begin + SLAB] = self.sums(part)
        return found

    def sums(self, features: Matrix) -> Floats:
        """(models, n) sums of the trees' values for (features, n) columns of at most a slab.

        Raises
        ------
        ValueError
            For another number of features: compiled code would read what lies beyond them.
        """
        if len(features) != self.features:
            raise ValueError(f"expected {self.features} features, got {len(features)}")
        shape = len(self.ordered.feature) + len(self.among.feature), features.shape[1]
        met = _scratch.array("met", shape, self.trees.remain.dtype)
        total = np.zeros((self.models, shape[1]))
        _looked(features, self.ordered, self.among, met)
        _added_up(met, self.trees, total)
        return total


def _look(columns: Matrix, ordered: Ordered, among: Among, met: Masks) -> None:
    """Set all bits of (conditions, n) where a condition sends a row left, and none elsewhere."""
    count = columns.shape[1]
    every = ~met.dtype.type(0)
    for place in range(len(ordered.feature)):
        column = columns[ordered.feature[place]]
        threshold, missing = ordered.threshold[place], ordered.missing[place]
        for row in range(count):
            value = column[row]
            met[place, row] = every * ((value <= threshold) | (np.isnan(value) & missing))
    for place in range(len(among.feature)):
        column, left = columns[among.feature[place]], among.left[place]
        for row in range(count):
            value = column[row]
            known = -1 < value < len(left)  # a missing one is not
            met[len(ordered.feature) + place, row] = every * (known and left[int(value)])


def _add_up(met: Masks, trees: Laid, total: Floats) -> None:
    """Add the value of each row's leaf of each tree to the `total` of its model, (models, n)."""
    count = met.shape[1]
    alive = np.empty(count, met.dtype)
    for tree in range(len(trees.model)):
        splits = range(trees.first_split[tree], trees.first_split[tree + 1])
        if count == 1:  # a loop over one row would cost several times what it does
            word = ~met.dtype.type(0)
            for split in splits:
                word &= met[trees.condition[split], 0] | trees.remain[split]
            alive[0] = word
        else:
            alive[:] = ~met.dtype.type(0)
            for split in splits:
                condition, remain = trees.condition[split], trees.remain[split]
                for row in range(count):
                    alive[row] &= met[condition, row] | remain
        model, leaf = trees.model[tree], trees.first_leaf[tree]
        for row in range(count):
            bits = np.uint64(alive[row])
            lowest = bits & (~bits + np.uint64(1))
            place = _PLACES[(lowest * _DE_BRUIJN) >> np.uint64(58)]
            total[model, row] += trees.values[leaf + place]


_looked, _added_up = (njit(nogil=True)(each) for each in (_look, _add_up))


def _laid_out(models: Sequence[Sequence[Tree]], place: dict[Condition, int]) -> Laid:
    trees = list(chain.from_iterable(models))
    most = max((len(tree.leaves) for tree in trees), default=1)
    kind = next(kind for kind in MASKS if np.iinfo(kind).bits >= most)
    splits = list(chain.from_iterable(tree.splits for tree in trees))
    return Laid(
        model=np.repeat(np.arange(len(models)), [len(own) for own in models]),
        first_split=_begins([len(tree.splits) for tree in trees]),
        first_leaf=_begins([len(tree.leaves) for tree in trees]),
        condition=np.array([place[condition] for condition, _ in splits], np.int64),
        remain=np.invert(np.array([left for _, left in splits], np.uint64)).astype(kind),
        values=np.array(list(chain.from_iterable(tree.leaves for tree in trees)), float),
    )


def _begins(lengths: Sequence[int]) -> Ints:
    """(n + 1,) where each of n begins that come one after another, and where the last ends."""
    found: Ints = np.append(0, np.cumsum(lengths)).astype(np.int64)
    return found
