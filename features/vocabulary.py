"""Names as the numbers a model reads, learned from what was known before a cut and kept in the bundle.

A value first met after the cut is unseen: it is NaN, which models treat as they treat missing ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from features.history import OPEN, PROPERTIES, History
from features.windows import Floats

MOST_CATEGORIES = 40
ATTRIBUTES = (
    ("deals", "source"),
    ("deals", "deal_type"),
    ("deals", "pipeline"),
    ("accounts", "industry"),
    ("accounts", "region"),
)


@dataclass(frozen=True)
class Vocabulary:
    """Codes of categories and positions of stages.

    Attributes
    ----------
    stage_position : position in the funnel, 0 for the first stage; a renamed stage shares its place
    categories : names in code order for each `table.column`
    numeric : custom columns and properties whose values are quantities
    """

    stage_position: Mapping[str, float] = field(default_factory=dict)
    categories: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    numeric: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Tells vocabularies with other stage positions apart, for indexes that depend on them."""
        return repr(sorted(self.stage_position.items()))

    def codes(self, column: str, values: pd.Series) -> Floats:
        """(n,) code of each value of `table.column`; NaN where unseen or missing."""
        known = {name: code for code, name in enumerate(self.categories.get(column, ()))}
        return values.map(known).astype(float).to_numpy()

    def label_codes(self, column: str, labels: tuple[str, ...]) -> Floats:
        """(labels,) code of each label; NaN where unseen."""
        return self.codes(column, pd.Series(labels, dtype="str"))

    def positions(self, names: tuple[str, ...]) -> Floats:
        """(names,) position of each stage; NaN where unseen."""
        return np.array([self.stage_position.get(name, np.nan) for name in names], float)

    def to_json(self) -> dict[str, Any]:
        """Plain types for the bundle."""
        return asdict(self)

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Vocabulary:
        """Read back what `to_json` wrote."""
        categories = {name: tuple(values) for name, values in found["categories"].items()}
        return cls(found["stage_position"], categories, tuple(found["numeric"]))


def learn_vocabulary(history: History, cut: int) -> Vocabulary:
    """Learn codes and stage positions from the deals and stage changes known before `cut`."""
    known = history.known_from < cut
    categories, numeric = {}, []
    for table, column in [*ATTRIBUTES, *custom_attributes(history)]:
        values = history.attribute(table, column)[known].dropna()
        if pd.api.types.is_numeric_dtype(values):
            numeric.append(f"{table}.{column}")
            continue
        categories[f"{table}.{column}"] = _common(values)
    for name in sorted(set(history.changes) - set(PROPERTIES)):
        changes = history.changes[name]
        seen = changes.values["value"][changes.time < cut]
        if name not in history.labels:
            numeric.append(f"history.{name}")
        else:
            labels = np.array(history.labels[name], dtype=object)
            categories[f"history.{name}"] = _common(pd.Series(labels[seen[seen >= 0].astype(int)]))
    return Vocabulary(_stage_positions(history, cut), categories, tuple(numeric))


def _common(values: pd.Series) -> tuple[str, ...]:
    """The most frequent names, in the order of the alphabet."""
    return tuple(sorted(map(str, values.value_counts().index[:MOST_CATEGORIES])))


def custom_attributes(history: History) -> list[tuple[str, str]]:
    """`(table, column)` of the custom columns that the settings declare fixed at creation."""
    declared = [name.split(".", 1) for name in history.settings.fixed_at_creation]
    return [
        (table, column)
        for table, column in declared
        if table in {"deals", "accounts"} and column in history.tables[table].columns
    ]


def _stage_positions(history: History, cut: int) -> dict[str, float]:
    """Listed positions where there is a `stages` table; learned from the order of visits elsewhere."""
    visits = history.stages
    seen = visits.where((visits.time < cut) & (visits.values["outcome"] == OPEN))
    names = np.array(history.stage_names, dtype=object)
    order = np.arange(len(seen.time)) - seen.start[seen.group]
    length = (seen.start[1:] - seen.start[:-1])[seen.group]
    frame = pd.DataFrame(
        {
            "deal": seen.group,
            "stage": names[seen.values["stage"].astype(int)] if len(names) else [],
            "place": order / np.maximum(length - 1, 1),
            "order": order.astype(float),
        }
    )
    if not len(frame):
        return {}
    listed = history.tables.stages.drop_duplicates("stage").set_index("stage")["position"]
    if not len(listed):
        learned = frame.groupby("stage")["order"].mean().sort_values(kind="stable")
        return {str(stage): float(rank) for rank, stage in enumerate(learned.index)}
    return _listed_positions(frame, listed)


def _listed_positions(frame: pd.DataFrame, listed: pd.Series) -> dict[str, float]:
    """Positions from 0 of the listed stages; an unlisted one stands midway between its neighbours."""
    rank = listed.rank(method="dense") - 1
    position = frame["stage"].map(rank).astype(float)
    neighbours = pd.concat(
        [position.groupby(frame["deal"]).shift(step) for step in (-1, 1)], axis=1
    ).mean(axis=1)
    unlisted = position.isna()
    guessed = neighbours[unlisted].groupby(frame["stage"][unlisted]).median().fillna(0.0)
    return {str(s): float(p) for s, p in [*rank.items(), *guessed.items()]}
