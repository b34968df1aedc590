"""The columns of a regression made all at once, where `Basis.columns` goes by feature.

A deal, like a slab of them, spends its time on the hundreds of small steps between the numbers: so
the same arithmetic is laid out flat, columns of one kind beside each other. The values are the
same to the last bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from features.windows import Floats, Ints
from training.basis import Basis
from training.scratch import Scratch

Float32s = npt.NDArray[np.float32]
_scratch = Scratch()


@dataclass(frozen=True)
class Ramps:
    """Columns that rise from 0 to 1 between two knots of a feature.

    Attributes
    ----------
    source : (ramps,) place of the feature
    fill : (ramps, 1) what stands for a missing value
    low, width : (ramps, 1) value where the ramp begins, and its length
    """

    source: Ints
    fill: Float32s
    low: Float32s
    width: Float32s

    @classmethod
    def of(cls, rows: Sequence[tuple[float, float, float, float]]) -> Ramps:
        """Lay out (source, fill, low, width) of each ramp."""
        table = np.array(rows, float).reshape(-1, 4).T
        parts = (column.astype(np.float32)[:, None] for column in table[1:])
        return cls(table[0].astype(np.int64), *parts)

    def columns(self, features: Float32s) -> Float32s:
        """(ramps, n) columns, not yet cut off at 0 and 1, of (features, n)."""
        found = _scratch.array("ramps", (len(self.source), features.shape[1]), np.float32)
        features.take(self.source, axis=0, out=found, mode="clip")
        np.copyto(found, self.fill, where=np.isnan(found))
        found -= self.low
        found /= self.width
        return found


@dataclass(frozen=True)
class FlatBasis:
    """A basis laid out for features in one order: ramps, gaps, codes, and features by stage.

    Attributes
    ----------
    gaps : (gaps,) places of the features whose absence has a column
    coded, code : (codes,) place of a category, (codes, 1) the code for which the column is on
    by_stage : features that each stage has a slope of its own in, from outer knot to outer knot
    stage, stages : place of the stage among the features, (stages, 1) its codes
    order : (columns,) place of each column, as laid out here, among those of the basis
    mean, scale : (columns, 1) as laid out here
    """

    ramps: Ramps
    gaps: Ints
    coded: Ints
    code: Float32s
    by_stage: Ramps
    stage: int
    stages: Float32s
    order: Ints
    mean: Float32s
    scale: Float32s

    @classmethod
    def of(cls, basis: Basis, features: Sequence[str]) -> FlatBasis:
        """Lay a basis out, for rows whose columns are `features`."""
        place = {name: n for n, name in enumerate(features)}
        ramps: list[tuple[float, float, float, float]] = []
        gaps, coded = [], []
        kinds: list[int] = []
        for name in basis.features:
            at = place[name]
            if name in basis.codes:
                coded += [(at, code) for code in basis.codes[name]]
                kinds += [2] * len(basis.codes[name])
                continue
            knots = np.array(basis.knots[name], np.float32)
            ramps += [(at, knots[0], low, high - low) for low, high in pairwise(knots)]
            gaps += [at] if name in basis.gaps else []
            kinds += [0] * (len(knots) - 1) + [1] * (name in basis.gaps)
        staged = []
        for name in basis.by_stage if basis.stages else ():
            ends = basis.knots[name]
            staged.append((place[name], ends[len(ends) // 2], ends[0], ends[-1] - ends[0]))
            kinds += [3] * len(basis.stages)
        order = np.argsort(kinds, kind="stable")
        standard = (basis.mean or np.zeros(len(order)), basis.scale or np.ones(len(order)))
        mean, scale = (np.asarray(each, np.float32)[order][:, None] for each in standard)
        table = np.array(coded, float).reshape(-1, 2)
        return cls(
            ramps=Ramps.of(ramps),
            gaps=np.array(gaps, np.int64),
            coded=table[:, 0].astype(np.int64),
            code=table[:, [1]].astype(np.float32),
            by_stage=Ramps.of(staged),
            stage=place["stage_code"] if staged else 0,
            stages=np.array(basis.stages if staged else (), np.float32)[:, None],
            order=order,
            mean=mean,
            scale=scale,
        )

    def columns(self, features: Float32s) -> Floats:
        """(n, columns) standardised matrix of (features, n)."""
        return self.slab(features)[:, : len(self.order)].copy()

    def slab(self, features: Float32s) -> Floats:
        """Give the same in memory that the next call overwrites.

        Where the number of columns is odd, one of zeros comes last.
        """
        count = features.shape[1]
        ends = np.cumsum([len(self.ramps.source), len(self.gaps), len(self.coded)]).tolist()
        found = _scratch.array("columns", (len(self.order), count), np.float32)
        with np.errstate(invalid="ignore", over="ignore"):
            np.clip(self.ramps.columns(features), 0, 1, out=found[: ends[0]])
            found[ends[0] : ends[1]] = np.isnan(features.take(self.gaps, axis=0))
            found[ends[1] : ends[2]] = features.take(self.coded, axis=0) == self.code
            if len(self.stages):
                share = np.clip(self.by_stage.columns(features), 0, 1)[:, None]
                here = features[self.stage] == self.stages
                found[ends[2] :] = np.where(here, share, 0).reshape(-1, count)
            found -= self.mean
            found /= self.scale
        width = len(self.order) + len(self.order) % 2
        ordered = _scratch.array("ordered", (count, width), np.float64)
        ordered[:, len(self.order) :] = 0.0
        ordered.T[self.order] = found
        return ordered
