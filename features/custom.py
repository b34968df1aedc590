"""Custom columns: what the settings declare fixed at creation, and what changes in the history.

These features are of a firm, not of the product: they are made from its vocabulary when they are
asked for, under the names `deals.COLUMN`, `accounts.COLUMN` and `history.PROPERTY`.
"""

from __future__ import annotations

import numpy as np

from features.at import At, as_codes
from features.catalogue import Compute, Feature
from features.vocabulary import ATTRIBUTES, Vocabulary
from features.windows import Floats, days_between


def _number(table: str, column: str) -> Compute:
    return lambda at: at.history.numbers(table, column)[at.deal]


def _category(table: str, column: str) -> Compute:
    return lambda at: category(at, table, column)


def category(at: At, table: str, column: str) -> Floats:
    """(n,) the vocabulary's code of a column fixed at creation; NaN where missing or unseen."""
    found = at.history.encoded(table, column)
    return at.vocabulary.codes(f"{table}.{column}", found.names)[found.code[at.deal]]


def _date(table: str, column: str) -> Compute:
    return lambda at: days_between(at.time, at.history.dates(table, column)[at.deal])


def _last_known(at: At, name: str, kind: str) -> Floats:
    changes = at.change(name)
    return np.full(at.size, np.nan) if changes is None else at.known(changes, kind)


def _number_property(_: str, name: str) -> Compute:
    return lambda at: _last_known(at, name, "value")


def _date_property(_: str, name: str) -> Compute:
    return lambda at: days_between(at.time, _last_known(at, name, "date"))


def _category_property(_: str, name: str) -> Compute:
    def compute(at: At) -> Floats:
        codes = at.vocabulary.codes(f"history.{name}", at.history.labels.get(name, ()))
        return codes[as_codes(_last_known(at, name, "label"))]

    return compute


KINDS = (
    ("categories", "code", _category, _category_property),
    ("numeric", "as given", _number, _number_property),
    ("dates", "days from as-of to the date", _date, _date_property),
)


def custom_features(vocabulary: Vocabulary) -> dict[str, Feature]:
    """Features of the custom columns and properties that the vocabulary has learned."""
    built_in = {f"{table}.{column}" for table, column in ATTRIBUTES}
    found = {}
    for kind, unit, of_column, of_property in KINDS:
        for name in sorted(set(getattr(vocabulary, kind)) - built_in):
            table, column = name.split(".", 1)
            make = of_property if table == "history" else of_column
            text = (
                f"last known value of the property {column}"
                if table == "history"
                else f"{column} of {table}, declared fixed at creation"
            )
            found[name] = Feature(
                name, "custom", unit, text, make(table, column), categorical=unit == "code"
            )
    return found
