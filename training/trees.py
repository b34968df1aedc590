"""Trees of many models asked at once, after QuickScorer (Lucchese et al., SIGIR 2015).

No row walks down a tree. Leaves are numbered from left to right, one bit each; every split has a
mask of the leaves that are left when it sends a row to the right. What remains of all masks of
the splits that do so has the row's leaf as its lowest bit. So all trees of all models are a few
passes over arrays, for one row as for many, and conditions that several trees share are looked at
once. Leaf values are added in the order of the trees, in double precision: the sums are those of
LightGBM to the last bit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, NamedTuple

import lightgbm as lgb
import numpy as np
import numpy.typing as npt

from features.windows import Floats, Ints
from training.scratch import Scratch

SLAB = 128
"""Rows at once: as many as keep what is computed of them within the cache."""
MASKS = (np.uint8, np.uint16, np.uint32, np.uint64)
"""Types that have a bit for each leaf, for ever larger trees."""
Matrix = npt.NDArray[np.float32]
Masks = npt.NDArray[Any]

LEFT, RIGHT, ZERO, AMONG = range(4)
_scratch = Scratch()


class Condition(NamedTuple):
    """When a split sends a row to the left.

    Attributes
    ----------
    kind : LEFT, RIGHT or ZERO: the value is at most the threshold, where a missing value goes
        left, goes right, or counts as 0; AMONG: the category is one of the codes (a missing, a
        negative or an unknown one is not)
    """

    kind: int
    feature: int
    threshold: float
    codes: tuple[int, ...] = ()


@dataclass
class Tree:
    """A tree: values of its leaves from left to right, and its splits.

    Attributes
    ----------
    splits : conditions, each with the leaves (as bits) that lie to its left
    """

    leaves: list[float] = field(default_factory=list)
    splits: list[tuple[Condition, int]] = field(default_factory=list)


def trees_of(booster: lgb.Booster) -> Iterator[Tree]:
    """Trees of a booster.

    Raises
    ------
    NotImplementedError
        For what is not of this kind: linear leaves, zeros that are missing, over 64 leaves.
    """
    for told in booster.dump_model()["tree_info"]:
        tree = Tree()
        _gather(told["tree_structure"], tree)
        if len(tree.leaves) > 64:
            raise NotImplementedError(f"a tree of {len(tree.leaves)} leaves")
        yield tree


def _gather(node: dict[str, Any], tree: Tree) -> None:
    if "leaf_coeff" in node or node.get("missing_type") == "Zero":
        raise NotImplementedError("linear leaves, or zeros that are missing")
    if "split_feature" not in node:
        tree.leaves.append(float(node["leaf_value"]))
        return
    first = len(tree.leaves)
    _gather(node["left_child"], tree)
    tree.splits.append((_condition(node), (1 << len(tree.leaves)) - (1 << first)))
    _gather(node["right_child"], tree)


def _condition(node: dict[str, Any]) -> Condition:
    feature = int(node["split_feature"])
    if node["decision_type"] == "==":
        codes = tuple(sorted(map(int, str(node["threshold"]).split("||"))))
        return Condition(AMONG, feature, 0.0, codes)
    # A column that was never missing in training takes a missing value for 0.
    known = node["missing_type"] == "NaN"
    kind = (LEFT if node["default_left"] else RIGHT) if known else ZERO
    return Condition(kind, feature, float(_rounded_down(float(node["threshold"]))))


def _rounded_down(threshold: float) -> np.float32:
    """Largest float32 that is at most the threshold."""
    largest = float(np.finfo(np.float32).max)
    near = np.float32(np.clip(threshold, -largest, largest))
    return near if float(near) <= threshold else np.nextafter(near, np.float32(-np.inf))


@dataclass(frozen=True)
class Conditions:
    """Different conditions of a forest: those by order first, then those by category.

    Attributes
    ----------
    column : (by order,) feature, counted on through its versions of LEFT, RIGHT and ZERO
    threshold : (by order, 1)
    coded : (by category,) feature
    table : (by category x (highest code + 2),) whether each code goes left; the last never does
    place : (by category, 1) where each condition's codes begin in the table
    """

    features: int
    column: Ints
    threshold: Matrix
    coded: Ints
    table: Masks
    place: Ints

    @classmethod
    def of(cls, wanted: Sequence[Condition], features: int, kind: type[Any]) -> Conditions:
        """Lay sorted conditions out; the table holds masks of a type."""
        ordered = [each for each in wanted if each.kind != AMONG]
        among = [each for each in wanted if each.kind == AMONG]
        codes = 2 + max((each.codes[-1] for each in among), default=0)
        table = np.zeros((len(among), codes), kind)
        for row, each in zip(table, among, strict=True):
            row[list(each.codes)] = np.iinfo(kind).max
        return cls(
            features,
            np.array([each.kind * features + each.feature for each in ordered], np.int64),
            np.array([each.threshold for each in ordered], np.float32)[:, None],
            np.array([each.feature for each in among], np.int64),
            table.ravel(),
            codes * np.arange(len(among))[:, None],
        )

    def met(self, columns: Matrix) -> Masks:
        """(conditions + 1, rows) all bits where one sends a row left; the last one always does."""
        ordered, full = len(self.column), ~self.table.dtype.type(0)
        shape = ordered, columns.shape[1]
        found = _scratch.array("met", (ordered + len(self.coded) + 1, shape[1]), full.dtype)
        values = _scratch.array("values", shape, np.float32)
        # The places are right; unchecked, they are written where they are wanted.
        self._versions(columns).take(self.column, axis=0, out=values, mode="clip")
        left = np.less_equal(values, self.threshold, out=_scratch.array("left", shape, np.bool_))
        np.multiply(left, full, out=found[:ordered])
        if len(self.coded):
            codes = len(self.table) // len(self.coded)
            given = columns.take(self.coded, axis=0)
            known = (given > -1) & (given < codes - 1)
            at = np.where(known, given, codes - 1).astype(np.int64)
            found[ordered:-1] = self.table.take(at + self.place)
        found[-1] = full
        return found

    def _versions(self, columns: Matrix) -> Matrix:
        """(3 x features, rows) values of which the missing go left, go right, and are 0."""
        found = _scratch.array("versions", (3, *columns.shape), np.float32)
        found[:] = columns
        missing = np.isnan(columns)
        if missing.any():
            for version, value in zip(found, (-np.inf, np.inf, 0.0), strict=True):
                version[missing] = value
        return found.reshape(3 * self.features, -1)


@dataclass(frozen=True)
class Forest:
    """All trees of some models that read the same features.

    Attributes
    ----------
    split : (splits of a tree, trees x models) the condition; the last one where a tree has fewer
    remain : (splits of a tree, trees x models, 1) leaves that remain where it is not met
    first : (trees x models, 1) place of a tree's first leaf among the values
    values : (trees x models x leaves,) 0 in the trees that a model has fewer than others
    """

    models: int
    conditions: Conditions
    split: Ints
    remain: Masks
    first: Ints
    values: Floats

    @classmethod
    def of(cls, boosters: Sequence[lgb.Booster]) -> Forest | None:
        """Lay boosters out; None where one holds trees that are not of this kind."""
        try:
            trees = [list(trees_of(booster)) for booster in boosters]
        except NotImplementedError:
            return None
        return _laid_out(trees, boosters[0].num_feature())

    def of_rows(self, rows: Matrix) -> Floats:
        """(models, n) sums of the trees' values for (n, features) rows, however many."""
        found = np.empty((self.models, len(rows)))
        for begin in range(0, len(rows), SLAB):
            part = np.ascontiguousarray(rows[begin : begin + SLAB].T)
            found[:, begin : begin + SLAB] = self.sums(part)
        return found

    def sums(self, features: Matrix) -> Floats:
        """(models, n) sums of the trees' values for (features, n) columns of at most a slab."""
        met = self.conditions.met(features)
        shape = self.split.shape[1], met.shape[1]
        alive, other = (_scratch.array(name, shape, met.dtype) for name in ("alive", "other"))
        met.take(self.split[0], axis=0, out=alive, mode="clip")
        alive |= self.remain[0]
        for split, remain in zip(self.split[1:], self.remain[1:], strict=True):
            met.take(split, axis=0, out=other, mode="clip")
            other |= remain
            alive &= other
        np.subtract(alive, alive.dtype.type(1), out=other)
        other &= np.invert(alive, out=alive)
        leaf = _scratch.array("leaf", shape, np.int64)
        np.add(np.bitwise_count(other), self.first, out=leaf)
        values = _scratch.array("sums", shape, np.float64)
        self.values.take(leaf, out=values, mode="clip")
        values = values.reshape(-1, self.models * shape[1])
        # Of several columns each is added from top to bottom, but one alone in pairs.
        total: Floats = values.sum(axis=0) if values.shape[1] > 1 else values.cumsum()[-1]
        return total.reshape(self.models, -1)


def _laid_out(trees: Sequence[Sequence[Tree]], features: int) -> Forest:
    every = list(chain.from_iterable(trees))
    leaves = max((len(tree.leaves) for tree in every), default=1)
    kind = next(kind for kind in MASKS if np.iinfo(kind).bits >= leaves)
    wanted = sorted({condition for tree in every for condition, _ in tree.splits}, key=_order)
    place = {condition: n for n, condition in enumerate(wanted)}
    most = max((len(tree.splits) for tree in every), default=0)
    shape = (max(map(len, trees)), len(trees))
    split = np.full((max(most, 1), *shape), len(wanted))
    remain = np.full(split.shape, np.iinfo(kind).max, kind)
    values = np.zeros((*shape, leaves))
    for model, own in enumerate(trees):
        for number, tree in enumerate(own):
            values[number, model, : len(tree.leaves)] = tree.leaves
            for nth, (condition, left) in enumerate(tree.splits):
                split[nth, number, model] = place[condition]
                remain[nth, number, model] ^= kind(left)
    return Forest(
        models=len(trees),
        conditions=Conditions.of(wanted, features, kind),
        split=split.reshape(len(split), -1),
        remain=remain.reshape(len(split), -1, 1),
        first=leaves * np.arange(shape[0] * shape[1])[:, None],
        values=values.ravel(),
    )


def _order(condition: Condition) -> tuple[bool, Condition]:
    return condition.kind == AMONG, condition
