"""From text to typed columns, whole columns at a time; what cannot be parsed becomes missing."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa

from data.contract import Column, Table
from data.tables import missing

TRUE, FALSE = ("true", "1", "yes"), ("false", "0", "no")
WRITTEN_DATE = r"^\d{4}-?\d{2}-?\d{2}(\D|$)"
"""How a time has to begin: pandas would also take `2024`, `now` or `today`."""
MICROSECONDS = r"(\.\d{6})\d+"
IDENTIFIER = r"^[+-]?(0\d|\d{16})"
"""Digits that are no quantity: a number would lose the leading zeros or the last digits."""


def parse(text: pd.DataFrame, table: Table) -> pd.DataFrame:
    """Type every column: those of the contract by their kind, custom ones by their values.

    Contract columns the text does not have are added, all missing.
    """
    absent = missing(text.index)
    typed = {
        column.name: parse_column(text.get(column.name, absent), column)
        for column in table.columns
    }
    customs = {name: parse_custom(text[name]) for name in text.columns if name not in typed}
    return pd.DataFrame(typed | customs, index=text.index)


def parse_column(text: pd.Series, column: Column) -> pd.Series:
    """Type one column of the contract; blanks alone are missing where a value is required."""
    if column.kind in {"id", "text"}:
        return text.mask(is_blank(text)) if column.required else text
    return _PARSERS[column.kind](text)


def is_blank(text: pd.Series) -> pd.Series:
    """Where text is nothing but white space."""
    return (text.str.isspace() | (text == "")).fillna(value=False).astype(bool)


def parse_times(text: pd.Series) -> pd.Series:
    """ISO-8601, with or without zone (then UTC), time of day and fractions: microseconds UTC.

    One form all over the column is cast by Arrow at once; a mixture goes the slower way of pandas.
    """
    values = _arrow(text)
    for zone in ("UTC", None):
        try:
            stamps = values.cast(pa.timestamp("us", zone))
        except pa.ArrowInvalid:
            continue
        return _series(stamps.cast(pa.timestamp("us", "UTC")), text)
    dated = text.where(text.str.match(WRITTEN_DATE).fillna(value=False).astype(bool))
    micros = dated.str.replace(MICROSECONDS, r"\1", regex=True)
    return pd.to_datetime(micros, format="ISO8601", utc=True, errors="coerce").dt.as_unit("us")


def parse_dates(text: pd.Series) -> pd.Series:
    """Days: as times, at midnight UTC."""
    days: pd.Series = parse_times(text).dt.floor("D")
    return days


def parse_numbers(text: pd.Series) -> pd.Series:
    """Finite float64; inf, nan and anything that is no plain number becomes missing."""
    try:
        numbers = _series(_arrow(text).cast(pa.float64()), text)
    except pa.ArrowInvalid:
        numbers = pd.to_numeric(text, errors="coerce").astype("float64")
    return numbers.where(np.isfinite(numbers))


def parse_bools(text: pd.Series) -> pd.Series:
    """true/false, 1/0, yes/no in any case: boolean."""
    words = dict.fromkeys(TRUE, True) | dict.fromkeys(FALSE, False)
    return plain(text).map(words).astype("boolean")


def parse_custom(text: pd.Series) -> pd.Series:
    """float64 where every value is a number and none looks like an identifier, else the text."""
    numbers = parse_numbers(text)
    if not len(text) or (numbers.isna() != text.isna()).any() or text.isna().all():
        return text
    return text if text.str.match(IDENTIFIER).fillna(value=False).any() else numbers


def plain(text: pd.Series) -> pd.Series:
    """Words without regard to case and surrounding white space."""
    return text.str.strip().str.lower()


def _series(values: pa.Array, like: pd.Series) -> pd.Series:
    return pd.Series(values.to_pandas()).set_axis(like.index)


def _arrow(text: pd.Series) -> pa.Array:
    return pa.array(text, pa.large_string(), from_pandas=True)


_PARSERS = {"time": parse_times, "date": parse_dates, "number": parse_numbers, "bool": parse_bools}
