"""Models of single pipelines beside the model of all deals, which answers for the others.

What a pipeline's own model says replaces what the whole says where the row's `pipeline_code` names
that pipeline; a deal of no pipeline, or of one unknown when the model was made, is the whole's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from features.windows import Bools, Floats, Ints
from training.learners import Learner, Model

SEGMENT = "pipeline_code"
"""Feature that names the segment of a row."""


@dataclass(frozen=True)
class BySegmentModel(Model):
    """The model of all deals, and those of the pipelines that have their own, by code."""

    whole: Model
    own: Mapping[int, Model]
    kind = "by_segment"

    def logits(self, features: pd.DataFrame) -> Floats:
        """(n,) log-odds, each row's by the model of its pipeline."""
        found = self.whole.logits(features)
        for code, here in rows_of(features, self.own).items():
            found[here] = self.own[code].logits(features.iloc[here])
        return found

    def contributions(self, features: pd.DataFrame) -> Floats:
        """(n, features + 1) contributions by the model of each row's pipeline.

        The last column is the whole's constant on every row: how far an own model's constant is
        from it is what being in that pipeline adds.
        """
        found = self.whole.contributions(features)
        place = features.columns.tolist().index(SEGMENT)
        for code, here in rows_of(features, self.own).items():
            own = self.own[code].contributions(features.iloc[here])
            own[:, place] += own[:, -1] - found[here, -1]
            own[:, -1] = found[here, -1]
            found[here] = own
        return found

    def to_json(self) -> dict[str, Any]:
        """All of them."""
        own = {str(code): model.to_json() for code, model in self.own.items()}
        return {"whole": self.whole.to_json(), "own": own}

    def parts_of(self, features: pd.DataFrame) -> Floats:
        """(n, parts) log-odds of the parts of each row's model."""
        found = self.whole.parts_of(features)
        for code, here in rows_of(features, self.own).items():
            found[here] = self.own[code].parts_of(features.iloc[here])
        return found

    def weighed(self, weight: float) -> BySegmentModel:
        """The same with this weight of the first part of every average."""
        own = {code: model.weighed(weight) for code, model in self.own.items()}
        return BySegmentModel(self.whole.weighed(weight), own)

    def of(self, code: int) -> Model:
        """Model that answers for a pipeline."""
        return self.own.get(code, self.whole)


def rows_of(features: pd.DataFrame, codes: Mapping[int, Any]) -> dict[int, Ints]:
    """Rows of each of these pipelines that has any."""
    given = features[SEGMENT].to_numpy(float)
    found = {code: np.flatnonzero(given == code) for code in codes}
    return {code: here for code, here in found.items() if len(here)}


@dataclass(frozen=True)
class Apart:
    """All rows as the learner of the whole prepared them, and each pipeline's as its own did."""

    whole: Any
    rows: Mapping[int, Ints]
    own: Mapping[int, Any]


@dataclass(frozen=True)
class BySegment(Learner):
    """Learn the whole from all rows, and single pipelines from theirs alone.

    A pipeline of which no row has a target is answered by the whole.
    """

    whole: Learner
    own: Mapping[int, Learner]

    def prepare(self, features: pd.DataFrame, thin: Bools, deal: Ints | None = None) -> Apart:
        """Prepare all rows, and those of each pipeline again."""
        rows = rows_of(features, self.own)
        own = {
            code: self.own[code].prepare(
                features.iloc[here], thin[here], None if deal is None else deal[here]
            )
            for code, here in rows.items()
        }
        return Apart(self.whole.prepare(features, thin, deal), rows, own)

    def fit(
        self, prepared: Apart, target: Floats, rows: Bools, start: Model | None = None
    ) -> BySegmentModel:
        """Fit each, from its own model of the neighbouring target."""
        first = start if isinstance(start, BySegmentModel) else None
        own = {
            code: self.own[code].fit(
                part,
                target[prepared.rows[code]],
                rows[prepared.rows[code]],
                first.own.get(code) if first else None,
            )
            for code, part in prepared.own.items()
            if rows[prepared.rows[code]].any()
        }
        whole = self.whole.fit(prepared.whole, target, rows, first.whole if first else None)
        return BySegmentModel(whole, own)

    def answers(self, prepared: Apart, model: Model) -> Floats:
        """(n,) log-odds of the prepared rows."""
        if not isinstance(model, BySegmentModel):
            raise TypeError(f"expected models by segment, got {type(model).__name__}")
        found = self.whole.answers(prepared.whole, model.whole)
        for code, own in model.own.items():
            found[prepared.rows[code]] = self.own[code].answers(prepared.own[code], own)
        return found
