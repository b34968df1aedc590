"""Custom columns: what the settings declare fixed at creation, and what changes in the history.

These features are of a firm, not of the product: they are made from its vocabulary when they are asked
for, under the names `deals.COLUMN`, `accounts.COLUMN` and `history.PROPERTY`.
"""

from __future__ import annotations

import numpy as np

from features.at import At
from features.catalogue import Compute, Feature
from features.history import PROPERTIES
from features.vocabulary import ATTRIBUTES, Vocabulary
from features.windows import Floats


def _number(table: str, column: str) -> Compute:
    return lambda at: at.history.attribute(table, column).to_numpy(float)[at.deal]


def _category(table: str, column: str) -> Compute:
    def compute(at: At) -> Floats:
        values = at.history.attribute(table, column)
        return at.vocabulary.codes(f"{table}.{column}", values)[at.deal]

    return compute


def _property(name: str) -> Compute:
    """Last value known before the instant: a number, or the vocabulary's code of a text."""

    def compute(at: At) -> Floats:
        changes = at.change(name)
        if changes is None:
            return np.full(at.size, np.nan)
        value = at.known(changes)
        if name not in at.history.labels:
            return value
        codes = at.vocabulary.label_codes(f"history.{name}", at.history.labels[name])
        return np.append(codes, np.nan)[np.nan_to_num(value, nan=-1.0).astype(np.int64)]

    return compute


def custom_features(vocabulary: Vocabulary) -> dict[str, Feature]:
    """Features of the custom columns and properties that the vocabulary has learned."""
    built_in = {f"{table}.{column}" for table, column in ATTRIBUTES}
    found = {}
    for name in [*vocabulary.categories, *vocabulary.numeric]:
        table, column = name.split(".", 1)
        categorical = name in vocabulary.categories
        if name in built_in or (table == "history" and column in PROPERTIES):
            continue
        if table == "history":
            compute, text = _property(column), f"last known value of the property {column}"
        else:
            compute = (_category if categorical else _number)(table, column)
            text = f"{column} of {table}, declared fixed at creation"
        unit = "code" if categorical else "as given"
        found[name] = Feature(name, "custom", unit, text, compute, (), "", categorical)
    return found
