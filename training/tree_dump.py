"""Trees of a LightGBM booster as leaves from left to right and the conditions of their splits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import lightgbm as lgb
import numpy as np

LEFT, RIGHT, ZERO, AMONG = range(4)
MOST_LEAVES = 64
"""Leaves of a tree, of which each needs a bit."""


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
        if len(tree.leaves) > MOST_LEAVES:
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


def order(condition: Condition) -> tuple[bool, Condition]:
    """Key that sorts conditions by order before those by category."""
    return condition.kind == AMONG, condition
