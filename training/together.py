"""Many models asked about the same rows: what they share is done once, the numbers stay the same.

A close model is a dozen blends of trees and a regression whose columns are alike. One by one each
would make those columns again; here they are laid out once, a slab of rows at a time has its
columns made once, all trees are asked at once (see `trees`), and so are all regressions. Large
batches take several threads.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.beside import side_by_side
from features.windows import Floats
from training.boosted import BoostedModel
from training.flat import FlatBasis
from training.learners import BlendModel, Model
from training.logistic import LogisticModel, even, row_sums
from training.segments import SEGMENT, BySegmentModel
from training.trees import SLAB, Forest, Matrix

MANY = 2_000
"""Rows from which threads share the slabs."""
MOST_KNOWN = 8
_known: OrderedDict[tuple[tuple[int, ...], tuple[str, ...]], Together | Split] = OrderedDict()

Join = Callable[[Floats], Floats]
"""From (parts, n) log-odds of the parts to (models, n) of the models."""


@dataclass(frozen=True)
class Regressions:
    """Regressions that share a basis.

    Attributes
    ----------
    intercepts : (models, 1)
    coefficients : (models, columns), as many as the basis lays out
    """

    basis: FlatBasis
    intercepts: Floats
    coefficients: Floats

    @classmethod
    def of(cls, models: Sequence[LogisticModel], names: Sequence[str]) -> Regressions:
        """Lay them out, for rows whose columns are `names`."""
        return cls(
            FlatBasis.of(models[0].basis, names),
            np.array([[model.intercept] for model in models]),
            even(np.stack([model.coefficients for model in models])),
        )

    def linear(self, features: Matrix) -> Floats:
        """(models, n) log-odds of (features, n)."""
        found = row_sums(self.basis.slab(features), self.coefficients)
        total: Floats = self.intercepts + found
        return total


@dataclass(frozen=True)
class Together:
    """Models laid out for rows whose columns are `names`.

    Attributes
    ----------
    models : held, so that the ids by which this is known are not used again meanwhile
    boosted : trees that cannot be laid out as a forest are asked one by one
    others : models of other kinds
    join : from the answers of forest, boosted, regressions and others to those of the models
    """

    models: tuple[Model, ...]
    names: tuple[str, ...]
    forest: Forest | None
    boosted: tuple[BoostedModel, ...]
    regressions: tuple[Regressions, ...]
    others: tuple[Model, ...]
    join: Join

    @classmethod
    def of(cls, models: Sequence[Model], names: Sequence[str]) -> Together:
        """Lay models out."""
        parts = {id(part): part for model in models for part in _parts(model)}.values()
        boosted = [part for part in parts if isinstance(part, BoostedModel)]
        groups: dict[int, list[LogisticModel]] = {}
        for part in parts:
            if isinstance(part, LogisticModel):
                groups.setdefault(id(part.basis), []).append(part)
        others = [p for p in parts if not isinstance(p, BoostedModel | LogisticModel)]
        forest = Forest.of([part.booster for part in boosted]) if boosted else None
        ordered = [*boosted, *(each for group in groups.values() for each in group), *others]
        return cls(
            models=tuple(models),
            names=tuple(names),
            forest=forest,
            boosted=() if forest else tuple(boosted),
            regressions=tuple(Regressions.of(group, names) for group in groups.values()),
            others=tuple(others),
            join=_join(models, {id(part): place for place, part in enumerate(ordered)}),
        )

    def logits(self, rows: Matrix) -> Floats:
        """(n, models) log-odds of (n, features) rows."""
        found = np.empty((len(rows), len(self.models)))
        slabs = [slice(begin, begin + SLAB) for begin in range(0, len(rows), SLAB)]

        def answer(slab: slice) -> None:
            found[slab] = self._slab(rows[slab]).T

        if len(rows) < MANY:
            for slab in slabs:
                answer(slab)
        else:
            for _ in side_by_side(answer, slabs):
                pass
        return found

    def _slab(self, rows: Matrix) -> Floats:
        """(models, n) log-odds of as many rows as the cache holds."""
        features = np.ascontiguousarray(rows.T)
        found = [self.forest.sums(features)] if self.forest else []
        found += [model.raw(rows)[None] for model in self.boosted]
        found += [group.linear(features) for group in self.regressions]
        if self.others:
            frame = pd.DataFrame(rows, columns=list(self.names))
            found += [model.logits(frame)[None] for model in self.others]
        return self.join(np.concatenate(found))


@dataclass(frozen=True)
class Split:
    """Models of which some differ by segment: each segment's rows go to those that answer there.

    Attributes
    ----------
    place : of the column that names the segment
    whole, own : models of the rows of no segment with its own, and of the segments that have
    """

    models: tuple[Model, ...]
    names: tuple[str, ...]
    place: int
    whole: Together
    own: Mapping[int, Together]

    @classmethod
    def of(cls, models: Sequence[Model], names: Sequence[str]) -> Split:
        """Lay out what each segment is asked of."""
        apart = [model for model in models if isinstance(model, BySegmentModel)]
        own = {
            code: Together.of([_answering(model, code) for model in models], names)
            for code in {code: None for model in apart for code in model.own}
        }
        whole = Together.of([_answering(model, None) for model in models], names)
        return cls(tuple(models), tuple(names), list(names).index(SEGMENT), whole, own)

    def logits(self, rows: Matrix) -> Floats:
        """(n, models) log-odds of (n, features) rows."""
        found = np.empty((len(rows), len(self.models)))
        left = np.ones(len(rows), bool)
        for code, own in self.own.items():
            here = rows[:, self.place] == code
            found[here] = own.logits(rows[here])
            left &= ~here
        found[left] = self.whole.logits(rows[left])
        return found


def _answering(model: Model, code: int | None) -> Model:
    """Give what answers for a segment, or for none that has its own."""
    if not isinstance(model, BySegmentModel):
        return model
    return model.whole if code is None else model.of(code)


def together(models: Sequence[Model], names: Sequence[str]) -> Together | Split:
    """Give models as one; laid out once for those that are in use."""
    key = (tuple(map(id, models)), tuple(names))
    found = _known.get(key)
    if found is None:
        split = any(isinstance(model, BySegmentModel) for model in models)
        found = _known[key] = (Split if split else Together).of(models, names)
        while len(_known) > MOST_KNOWN:
            _known.popitem(last=False)
    return found


def _parts(model: Model) -> Iterator[Model]:
    if isinstance(model, BlendModel):
        for part in model.parts:
            yield from _parts(part)
    else:
        yield model


def _join(models: Sequence[Model], place: dict[int, int]) -> Join:
    """Say how the answers of parts, each at its place, become those of models.

    Blends of one shape are added up side by side, each in the order of its parts.
    """
    blends = [model for model in models if isinstance(model, BlendModel)]
    if not blends:
        at = np.array([place[id(model)] for model in models])
        return lambda known: known.take(at, axis=0)
    if len(blends) == len(models) and len({len(blend.parts) for blend in blends}) == 1:
        joins = [
            (np.array(weights)[:, None], _join(parts, place))
            for weights, parts in zip(
                zip(*(blend.weights for blend in blends), strict=True),
                zip(*(blend.parts for blend in blends), strict=True),
                strict=True,
            )
        ]

        def added(known: Floats) -> Floats:
            first, *others = (weight * join(known) for weight, join in joins)
            total: Floats = sum(others, start=first)
            return total

        return added
    apart = [_join([model], place) for model in models]
    return lambda known: np.concatenate([join(known) for join in apart])
