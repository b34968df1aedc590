"""Columns that cannot have been fixed at creation: their blanks tell what became of the deal.

The contract says that source, type, pipeline and account are known from the start. In many exports
they are filled in when a deal closes; then "the account is blank" means "it never closed", and a
model that reads it has seen the future. The test: among deals created in the same month, is the
column blank about as often for closed deals as for those still open? (Mantel and Haenszel 1959:
one difference over strata.)
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from features.catalogue import Feature
from features.history import History
from features.vocabulary import ATTRIBUTES, custom_attributes
from features.windows import DAY, Bools

FIGURES = (("accounts", "employees"), ("accounts", "annual_revenue"))
LEAST_DIFFERENCE = 0.10
LEAST_Z = 5.0
MONTH = 30 * DAY


def filled_later(history: History, cut: int) -> dict[str, str]:
    """Columns (`table.column`) that are filled in when deals close, each with what was seen.

    Judged by deals known, and closings known, before `cut` (microseconds).
    """
    known = history.known_from < cut
    closed = history.closings.count(np.arange(history.size), np.full(history.size, cut)) > 0
    stratum = pd.Series((cut - history.created) // MONTH)
    columns = [("deals", "account_id"), *ATTRIBUTES, *FIGURES, *custom_attributes(history)]
    found = {}
    for table, column in columns:
        if table == "accounts" and "deals.account_id" in found:
            continue  # the account's columns come by its id
        blank = history.attribute(table, column).isna().to_numpy()
        if said := _difference(blank[known], closed[known], stratum[known]):
            found[f"{table}.{column}"] = said
    return found


def _difference(blank: Bools, closed: Bools, stratum: pd.Series) -> str:
    """Words on how the blanks differ; empty where they do not."""
    frame = pd.DataFrame({"stratum": stratum, "closed": closed, "blank": blank})
    counts = frame.groupby(["stratum", "closed"])["blank"].agg(["sum", "count"])
    cells = counts.unstack(fill_value=0)  # noqa: PD010 - both counts, a column a state
    if cells.shape[1] < 4:
        return ""
    blank_open, blank_closed = cells["sum"][False], cells["sum"][True]
    opened, ended = cells["count"][False], cells["count"][True]
    both = opened + ended
    share = ((blank_open + blank_closed) / both).fillna(0.0)
    weight = opened * ended / both
    total = float(weight.sum())
    if not total:
        return ""
    rates = blank_open / opened.clip(lower=1) - blank_closed / ended.clip(lower=1)
    difference = float((weight * rates).sum() / total)
    error = float(np.sqrt((weight * share * (1 - share)).sum())) / total
    if abs(difference) < LEAST_DIFFERENCE or abs(difference) < LEAST_Z * error:
        return ""
    return (
        f"blank in {blank_open.sum() / max(opened.sum(), 1):.0%} of open and "
        f"{blank_closed.sum() / max(ended.sum(), 1):.0%} of closed deals"
    )


def trusted(feature: Feature, distrusted: dict[str, str]) -> bool:
    """Tell whether a feature reads no distrusted column (the account's columns come by its id)."""
    reads = {*feature.needs, *feature.reads}
    if any(column.startswith("accounts.") for column in reads):
        reads.add("deals.account_id")
    return not reads & set(distrusted) and feature.name not in distrusted
