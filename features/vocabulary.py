"""Names as the numbers a model reads, learned before a cut and kept in the bundle.

A value first met after the cut is unseen: it is NaN, which models treat as they treat missing
ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pandas as pd

from features.facts import PROPERTIES, as_dates
from features.history import OPEN, History
from features.renames import first_names
from features.windows import Floats, Ints

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
    stage_position : position in the funnel from 0; a renamed stage shares its place
    renamed : first name of each stage that has another by now
    categories : names in code order for each `table.column`
    numeric : custom columns and properties whose values are quantities
    dates : custom columns and properties whose values are dates
    """

    stage_position: Mapping[str, float] = field(default_factory=dict)
    categories: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    numeric: tuple[str, ...] = ()
    dates: tuple[str, ...] = ()
    renamed: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def suffix(self) -> str:
        """Ends the names of indexes that hold records of stages: other renames, other records."""
        return f"@{sorted(self.renamed.items())}" if self.renamed else ""

    @cached_property
    def key(self) -> str:
        """Tells vocabularies with other stage positions apart, for indexes that depend on them."""
        return repr(sorted(self.stage_position.items()))

    @cached_property
    def places(self) -> Floats:
        """Distinct positions of stages, in order."""
        return np.unique(list(self.stage_position.values()))

    def codes(self, column: str, names: tuple[str, ...]) -> Floats:
        """(names + 1,) code of each name of `table.column`, NaN where unseen; the last is NaN."""
        asked, found = self._asked.get(column, ((), None))
        if asked is not names or found is None:
            known = self._places.get(column, {})
            found = np.array([*(known.get(name, np.nan) for name in names), np.nan])
            self._asked[column] = names, found
        return found

    @cached_property
    def _asked(self) -> dict[str, tuple[tuple[str, ...], Floats]]:
        """Codes last asked for, by column: a store's names stay the same."""
        return {}

    @cached_property
    def _places(self) -> dict[str, dict[str, float]]:
        """Code of each category, by column."""
        return {
            column: {name: float(code) for code, name in enumerate(names)}
            for column, names in self.categories.items()
        }

    def positions(self, names: tuple[str, ...]) -> Floats:
        """(names,) position of each stage; NaN where unseen."""
        return np.array([self.stage_position.get(name, np.nan) for name in names], float)

    def records(self, names: tuple[str, ...]) -> Ints:
        """(names + 1,) code of the stage whose record each one continues; the last is -1."""
        place = {name: code for code, name in enumerate(names)}
        first = (place.get(self.renamed.get(name, name), place[name]) for name in names)
        return np.array([*first, -1], np.int64)

    def to_json(self) -> dict[str, Any]:
        """Plain types for the bundle."""
        return asdict(self)

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Vocabulary:
        """Read back what `to_json` wrote."""
        categories = {name: tuple(values) for name, values in found["categories"].items()}
        return cls(
            found["stage_position"],
            categories,
            tuple(found["numeric"]),
            tuple(found.get("dates", ())),
            found.get("renamed", {}),
        )


def learn_vocabulary(history: History, cut: int) -> Vocabulary:
    """Learn codes and stage positions from the deals and stage changes known before `cut`."""
    known = history.known_from < cut
    values = {
        f"{table}.{column}": history.attribute(table, column)[known]
        for table, column in [*ATTRIBUTES, *custom_attributes(history)]
    }
    for name in sorted(set(history.changes) - set(PROPERTIES)):
        changes = history.changes[name]
        seen = changes.values["label"][changes.time < cut].astype(int)
        labels = np.array([*history.labels[name], None], dtype=object)
        values[f"history.{name}"] = pd.Series(labels[seen])
    kinds = {name: _kind(name, found.dropna()) for name, found in values.items()}
    visits = _open_visits(history, cut)
    # Pipelines may share a stage: it stands where the longest of them has it.
    listed = history.tables.stages.groupby("stage")["position"].max()
    places = {str(stage): float(place) for stage, place in listed.items()}
    renamed = first_names(visits, history.stage_names, places)
    visits["stage"] = np.array(history.stage_names, dtype=object)[visits["stage"]]
    return Vocabulary(
        _stage_positions(visits, listed, renamed),
        {
            name: _common(found.dropna())
            for name, found in values.items()
            if kinds[name] == "category"
        },
        tuple(name for name, kind in kinds.items() if kind == "number"),
        tuple(name for name, kind in kinds.items() if kind == "date"),
        renamed,
    )


def _kind(name: str, values: pd.Series) -> Literal["number", "date", "category"]:
    """Numbers if all values read as numbers, dates if all read as dates, else names."""
    if tuple(name.split(".", 1)) in ATTRIBUTES or not len(values):
        return "category"
    if pd.to_numeric(values, errors="coerce").notna().all():
        return "number"
    return "category" if np.isnan(as_dates(values)).any() else "date"


def _common(values: pd.Series) -> tuple[str, ...]:
    """The most frequent names, in the order of the alphabet."""
    counts = values.astype(str).value_counts()
    most = sorted(counts.index, key=lambda name: (-counts[name], name))[:MOST_CATEGORIES]
    return tuple(sorted(most))


def custom_attributes(history: History) -> list[tuple[str, str]]:
    """`(table, column)` of the custom columns that the settings declare fixed at creation."""
    declared = [name.split(".", 1) for name in history.settings.fixed_at_creation]
    return [
        (table, column)
        for table, column in declared
        if table in {"deals", "accounts"} and column in history.tables[table].columns
    ]


def _open_visits(history: History, cut: int) -> pd.DataFrame:
    """Visits of open stages (codes) known before `cut`, each deal's in order, and their place."""
    visits = history.stages
    seen = visits.where((visits.time < cut) & (visits.values["outcome"] == OPEN))
    order = np.arange(len(seen.time)) - seen.start[seen.group]
    return pd.DataFrame(
        {
            "deal": seen.group,
            "pipeline": history.encoded("deals", "pipeline").code[seen.group],
            "stage": seen.values["stage"].astype(np.int64),
            "entered": seen.values["happened"].astype(np.int64),
            "order": order.astype(float),
        }
    )


def _stage_positions(
    visits: pd.DataFrame, listed: pd.Series, renamed: Mapping[str, str]
) -> dict[str, float]:
    """Listed positions where there is a `stages` table, else by the order of visits."""
    if not len(visits):
        return {}
    if not len(listed):
        order = visits["order"].groupby(visits["stage"].replace(renamed)).mean()
        learned = order.sort_values(kind="stable").index
        place = {str(stage): float(rank) for rank, stage in enumerate(learned)}
        return place | {new: place[old] for new, old in renamed.items()}
    return _listed_positions(visits, listed, renamed)


def _listed_positions(
    visits: pd.DataFrame, listed: pd.Series, renamed: Mapping[str, str]
) -> dict[str, float]:
    """Positions from 0 of the listed stages; an unlisted one stands between its neighbours.

    If it is another name of a listed one it stands where that one does.
    """
    rank = listed.rank(method="dense") - 1
    of_first = {renamed.get(str(stage), str(stage)): place for stage, place in rank.items()}
    stages = pd.Series(visits["stage"].unique())
    again = stages.replace(renamed).map(of_first).set_axis(stages).dropna()
    rank = rank.combine_first(again)
    position = visits["stage"].map(rank).astype(float)
    neighbours = pd.concat(
        [position.groupby(visits["deal"]).shift(step) for step in (-1, 1)], axis=1
    ).mean(axis=1)
    unlisted = position.isna()
    guessed = neighbours[unlisted].groupby(visits["stage"][unlisted]).median().fillna(0.0)
    return {str(s): float(p) for s, p in [*rank.items(), *guessed.items()]}
