"""The columns of a regression for a few rows: all at once, where `Basis.columns` goes by feature.

A batch spends its time on numbers, a single deal on the hundreds of small steps between them: so
the same arithmetic is laid out flat, one entry a column. The values are the same to the last bit.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from features.windows import Ints
from training.logistic import Basis

Float32s = npt.NDArray[np.float32]
FEW = 512
"""Rows up to which this is quicker than going by feature."""
MOST_KNOWN = 8
_known: OrderedDict[tuple[int, tuple[str, ...]], tuple[Basis, FlatBasis]] = OrderedDict()
RAMP, GAP, CODE, STAGE = range(4)


@dataclass(frozen=True)
class FlatBasis:
    """A basis with an entry a column, for features in one order.

    Attributes
    ----------
    kind : (columns,) RAMP, GAP, CODE or STAGE, which say what the other entries mean
    source : (columns,) place of the feature that the column is made of
    low, high, width : (columns,) of ramps: value where it begins, its length; of stages: the
        outer knots and the distance between them
    fill : (columns,) what stands for a missing value
    code : (columns,) code for which the column is on
    stage : place of the stage among the features; -1 where no column needs it
    """

    kind: Ints
    source: Ints
    low: Float32s
    high: Float32s
    width: Float32s
    fill: Float32s
    code: Float32s
    stage: int
    mean: Float32s
    scale: Float32s

    @classmethod
    def of(cls, basis: Basis, features: Sequence[str]) -> FlatBasis:
        """Lay a basis out, for rows whose columns are `features`."""
        place = {name: n for n, name in enumerate(features)}
        rows: list[tuple[float, ...]] = []
        for name in basis.features:
            at = place[name]
            if name in basis.codes:
                rows += [(CODE, at, 0, 0, 1, 0, code) for code in basis.codes[name]]
                continue
            knots = basis.knots[name]
            rows += [
                (RAMP, at, low, high, float(np.float32(high) - np.float32(low)), knots[0], 0)
                for low, high in pairwise(knots)
            ]
            rows += [(GAP, at, 0, 0, 1, 0, 0)] if name in basis.gaps else []
        if basis.stages:
            for name in basis.by_stage:
                knots, at = basis.knots[name], place[name]
                ends = (knots[0], knots[-1], knots[-1] - knots[0], knots[len(knots) // 2])
                rows += [(STAGE, at, *ends, code) for code in basis.stages]
        table = np.array(rows, float).reshape(-1, 7).T
        low, high, width, fill, code = (column.astype(np.float32) for column in table[2:])
        return cls(
            kind=table[0].astype(np.int64),
            source=table[1].astype(np.int64),
            low=low,
            high=high,
            width=width,
            fill=fill,
            code=code,
            stage=place["stage_code"] if basis.stages else -1,
            mean=np.asarray(basis.mean, np.float32),
            scale=np.asarray(basis.scale, np.float32),
        )

    def columns(self, rows: Float32s) -> Float32s:
        """(n, columns) standardised matrix of (n, features) rows."""
        values = rows[:, self.source]
        missing = np.isnan(values)
        filled = np.where(missing, self.fill, values)
        inside = np.where(self.kind == STAGE, np.clip(filled, self.low, self.high), filled)
        with np.errstate(invalid="ignore", over="ignore"):
            share = (inside - self.low) / self.width
        found = np.where(self.kind == RAMP, np.clip(share, 0, 1), share)
        found = np.where(self.kind == GAP, missing, found)
        found = np.where(self.kind == CODE, values == self.code, found)
        if self.stage >= 0:
            here = rows[:, [self.stage]] == self.code
            found = np.where(self.kind == STAGE, np.where(here, share, 0), found)
        found = found.astype(np.float32)
        if len(self.mean):
            found -= self.mean
            found /= self.scale
        return found


def flat_basis(basis: Basis, features: Sequence[str]) -> FlatBasis:
    """Give the flat form of a basis; made once for the models that are in use."""
    key = (id(basis), tuple(features))
    found = _known.get(key)
    if found is None:
        # What is kept holds the basis, so that its id is not used again meanwhile.
        found = _known[key] = (basis, FlatBasis.of(basis, features))
        while len(_known) > MOST_KNOWN:
            _known.popitem(last=False)
    return found[1]
