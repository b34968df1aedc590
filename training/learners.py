"""Learners: from features and targets in [0, 1] to a probability, one strategy a class.

A target may be a fraction: the share of a still open deal that another model expects to be won.
All learners answer on the logit scale so that they can be averaged and explained there.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from features.windows import Bools, Floats, Ints

LOWEST = 1e-5
"""Predictions are kept this far from 0 and 1."""


def logit(p: Floats) -> Floats:
    """Log-odds of probabilities, kept off the ends."""
    inside = np.clip(p, LOWEST, 1 - LOWEST)
    out: Floats = np.log(inside) - np.log1p(-inside)
    return out


def expit(x: Floats) -> Floats:
    """Probability of log-odds."""
    out: Floats = 1.0 / (1.0 + np.exp(-np.clip(x, -30.0, 30.0)))
    return out


class Model(ABC):
    """What a learner has learned: one binary probability."""

    kind: str

    @abstractmethod
    def logits(self, features: pd.DataFrame) -> Floats:
        """(n,) log-odds."""

    @abstractmethod
    def contributions(self, features: pd.DataFrame) -> Floats:
        """(n, features + 1) additive parts of the log-odds; the last column is the constant."""

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """Everything needed to answer again, as plain types."""

    def parts_of(self, features: pd.DataFrame) -> Floats:
        """(n, parts) log-odds of each model that is averaged; of this one alone if none are."""
        return self.logits(features)[:, None]

    def weighed(self, weight: float) -> Model:  # noqa: ARG002
        """The same with this weight of the first part of an average; itself if it is none."""
        return self


class Learner(ABC):
    """A way to learn one binary probability from rows.

    Attributes
    ----------
    drifts : whether the close model learns beside it how far its level is not that of today
    """

    drifts: ClassVar[bool] = True

    @abstractmethod
    def prepare(self, features: pd.DataFrame, thin: Bools, deal: Ints | None = None) -> Any:
        """Do once for all targets what depends on the features alone.

        Parameters
        ----------
        thin : marks rows that are about independent: enough for a learner of few parameters
        deal : (n,) deal of each row, for a learner that judges itself on deals it has not seen
        """

    @abstractmethod
    def fit(self, prepared: Any, target: Floats, rows: Bools, start: Model | None = None) -> Model:
        """Learn from the rows marked; target is (n,) in [0, 1] there.

        `start` is a model of a neighbouring target, which an iterative learner may begin from.
        """

    @abstractmethod
    def answers(self, prepared: Any, model: Model) -> Floats:
        """(n,) log-odds of the model on the prepared rows, without making their columns again."""


@dataclass(frozen=True)
class BlendModel(Model):
    """Weighted mean of log-odds."""

    parts: Sequence[Model]
    weights: Sequence[float]
    kind = "blend"

    def logits(self, features: pd.DataFrame) -> Floats:
        """(n,) log-odds."""
        return self.joined([model.logits(features) for model in self.parts])

    def joined(self, answers: Sequence[Floats]) -> Floats:
        """(n,) weighted sum of the parts' log-odds, or (n, columns) of what makes them up."""
        first, *others = (w * part for w, part in zip(self.weights, answers, strict=True))
        return sum(others, start=first)

    def contributions(self, features: pd.DataFrame) -> Floats:
        """(n, features + 1) weighted sum of the parts' contributions."""
        return self.joined([model.contributions(features) for model in self.parts])

    def parts_of(self, features: pd.DataFrame) -> Floats:
        """(n, parts) log-odds of each part."""
        return np.stack([model.logits(features) for model in self.parts], axis=1)

    def weighed(self, weight: float) -> BlendModel:
        """The same two parts with this weight of the first."""
        return BlendModel(self.parts, (weight, 1 - weight))

    def to_json(self) -> dict[str, Any]:
        """Parts and weights."""
        return {"parts": [m.to_json() for m in self.parts], "weights": list(self.weights)}


@dataclass(frozen=True)
class Blend(Learner):
    """Fit several learners on the same target and average their log-odds."""

    learners: Sequence[Learner]
    weights: Sequence[float]

    def prepare(self, features: pd.DataFrame, thin: Bools, deal: Ints | None = None) -> list[Any]:
        """Prepare each."""
        return [learner.prepare(features, thin, deal) for learner in self.learners]

    def fit(
        self, prepared: list[Any], target: Floats, rows: Bools, start: Model | None = None
    ) -> BlendModel:
        """Fit each."""
        starts = start.parts if isinstance(start, BlendModel) else [None] * len(self.learners)
        parts = [
            learner.fit(part, target, rows, first)
            for learner, part, first in zip(self.learners, prepared, starts, strict=True)
        ]
        return BlendModel(parts, self.weights)

    def answers(self, prepared: list[Any], model: Model) -> Floats:
        """(n,) mean of the parts' log-odds."""
        if not isinstance(model, BlendModel):
            raise TypeError(f"expected a blend, got {type(model).__name__}")
        parts = [
            weight * learner.answers(part, of)
            for learner, part, of, weight in zip(
                self.learners, prepared, model.parts, model.weights, strict=True
            )
        ]
        total: Floats = np.sum(parts, axis=0)
        return total


@dataclass(frozen=True)
class Groups:
    """Columns that are summed by their group.

    Attributes
    ----------
    names : (groups,) in alphabetical order
    order : (columns,) places of the columns, group by group
    starts : (groups,) where each group begins there
    """

    names: tuple[str, ...]
    order: Ints
    starts: Ints

    @classmethod
    def of(cls, labels: Sequence[str]) -> Groups:
        """Group columns by their (columns,) labels."""
        names, code = np.unique(np.array(labels, object), return_inverse=True)
        order = np.argsort(code, kind="stable")
        starts = np.searchsorted(code[order], np.arange(len(names)))
        return cls(tuple(names.tolist()), order, starts)

    def sums(self, columns: Floats) -> Floats:
        """(n, groups) sums of (n, columns)."""
        found: Floats = np.add.reduceat(columns.take(self.order, axis=1), self.starts, axis=1)
        return found


@lru_cache(maxsize=32)
def places(names: tuple[str, ...], wanted: tuple[str, ...]) -> Ints:
    """(wanted,) places of names among others."""
    return np.array([names.index(name) for name in wanted], np.int64)
