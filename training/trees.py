"""Trees asked about many rows at once: the numbers of LightGBM, several times as fast.

LightGBM walks one row through all trees; here one tree at a time takes a block of rows: a split
compares a column, which lies in one piece, and chooses between two columns of answers. Small
trees, as ours are, are a dozen such steps. Leaf values are added in the order of the trees, in
double precision, so the sums are LightGBM's to the last bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import lightgbm as lgb
import numpy as np
import numpy.typing as npt

from features.windows import Bools, Floats

BLOCK = 16_384
"""Rows at once: many enough that a step's own cost does not count, few enough for the cache."""
Matrix = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Split:
    """A comparison, and what follows on either side: another one or a leaf's value.

    Attributes
    ----------
    threshold : the largest float32 that LightGBM's double threshold lets go left
    codes : (highest code + 1,) whether a category goes left; None for a split by order. Missing,
        negative and higher codes go right
    missing_left : whether a missing value goes left
    """

    feature: int
    threshold: np.float32
    codes: Bools | None
    missing_left: bool
    left: Split | float
    right: Split | float


def grown(booster: lgb.Booster) -> tuple[Split | float, ...] | None:
    """Trees of a booster; None where it holds some that are not of this kind (linear leaves)."""
    try:
        found = booster.dump_model()["tree_info"]
        return tuple(_node(tree["tree_structure"]) for tree in found)
    except NotImplementedError:
        return None


def _node(found: dict[str, Any]) -> Split | float:
    if "leaf_coeff" in found or found.get("missing_type") == "Zero":
        raise NotImplementedError
    if "split_feature" not in found:
        return float(found["leaf_value"])
    sides = _node(found["left_child"]), _node(found["right_child"])
    feature = int(found["split_feature"])
    if found["decision_type"] == "==":
        left = np.array(str(found["threshold"]).split("||"), np.int64)
        codes = np.zeros(left.max() + 1, bool)
        codes[left] = True
        return Split(feature, np.float32(0.0), codes, False, *sides)
    threshold = _rounded_down(float(found["threshold"]))
    # A column that was never missing in training takes a missing value for 0.
    known = found["missing_type"] == "NaN"
    missing_left = bool(found["default_left"]) if known else bool(threshold >= 0.0)
    return Split(feature, threshold, None, missing_left, *sides)


def _rounded_down(threshold: float) -> np.float32:
    """Largest float32 that is at most the threshold."""
    largest = float(np.finfo(np.float32).max)
    near = np.float32(np.clip(threshold, -largest, largest))
    return near if float(near) <= threshold else np.nextafter(near, np.float32(-np.inf))


@dataclass(frozen=True)
class _Block:
    """Some rows, with what several splits ask of a column found once."""

    columns: Matrix
    missing: dict[int, Bools | None] = field(default_factory=dict)

    def goes_left(self, split: Split) -> Bools:
        values = self.columns[split.feature]
        missing = self._missing(split.feature)
        if split.codes is not None:
            return self._among(values, missing, split.codes)
        goes: Bools = values <= split.threshold
        if split.missing_left and missing is not None:
            goes |= missing
        return goes

    def _among(self, values: Matrix, missing: Bools | None, codes: Bools) -> Bools:
        whole = values if missing is None else np.where(missing, np.float32(-1.0), values)
        inside = (whole >= 0) & (whole < len(codes))
        return inside & codes[np.where(inside, whole, 0).astype(np.int64)]

    def _missing(self, feature: int) -> Bools | None:
        if feature not in self.missing:
            found = np.isnan(self.columns[feature])
            self.missing[feature] = found if found.any() else None
        return self.missing[feature]

    def answers(self, node: Split | float) -> Any:
        if not isinstance(node, Split):
            return node
        return np.where(self.goes_left(node), self.answers(node.left), self.answers(node.right))


def sums_of(trees: Sequence[Split | float], columns: Matrix) -> Floats:
    """(n,) sum of the trees' answers.

    Parameters
    ----------
    columns : (features, n), each feature's values in one piece
    """
    total = np.zeros(columns.shape[1])
    for begin in range(0, columns.shape[1], BLOCK):
        block = _Block(columns[:, begin : begin + BLOCK])
        part = total[begin : begin + BLOCK]
        for tree in trees:
            part += block.answers(tree)
    return total
