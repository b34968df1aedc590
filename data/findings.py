"""What validation found: rows to reject, each with its rule, and warnings counted."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from data.contract import CONTRACT
from data.rules import RULES
from data.sources import RawTables
from data.tables import missing

Rows = npt.NDArray[np.intp]
Where = pd.Series | npt.NDArray[np.bool_]

REJECTED = ("table", "row", "column", "value", "rule", "reason", "remedy")
WARNINGS = ("table", "rule", "count", "message")


@dataclass(frozen=True)
class Found:
    """One rule broken in one column of one table, by `rows` (positions) that count as `count`."""

    table: str
    rule: str
    column: str
    rows: Rows
    count: int

    def without(self, out: npt.NDArray[np.bool_]) -> Found:
        """Forget the rows in a mask of the whole table."""
        rows = self.rows[~out[self.rows]]
        return replace(self, rows=rows, count=len(rows))


@dataclass
class Findings:
    """Collects what the checks find in a source; nothing is dropped that is not told here."""

    raw: RawTables
    found: list[Found] = field(default_factory=list)
    warned: list[tuple[str, str, int, str]] = field(default_factory=list)
    _bad: dict[str, npt.NDArray[np.bool_]] = field(init=False)

    def __post_init__(self) -> None:
        sizes = {name: len(table.frame) for name, table in self.raw.tables.items()}
        self._bad = {name: np.zeros(sizes.get(name, 0), bool) for name in CONTRACT}

    def reject(self, table: str, rule: str, column: str, where: Where) -> None:
        """Reject the rows of a table where a column breaks a rule."""
        rows = np.flatnonzero(np.asarray(where))
        if len(rows):
            self.found.append(Found(table, rule, column, rows, len(rows)))
            self._bad[table][rows] = True

    def leave_out(self, table: str, where: Where) -> None:
        """Leave rows of rejected deals out: one counted line in place of all their faults."""
        out = np.asarray(where, bool)
        rows = np.flatnonzero(out)
        if not len(rows):
            return
        self.found = [item.without(out) if item.table == table else item for item in self.found]
        self.found = [item for item in self.found if item.count]
        self.found.append(Found(table, "deal_rejected", "deal_id", rows[:1], len(rows)))
        self._bad[table] |= out

    def warn(self, table: str, rule: str, count: int, message: str) -> None:
        """Tell of something odd in accepted rows; no rows, no warning."""
        if count:
            self.warned.append((table, rule, int(count), message))

    def bad(self, table: str) -> npt.NDArray[np.bool_]:
        """Return the mask of the rejected rows of a table."""
        return self._bad[table]

    def counts(self) -> dict[tuple[str, str], int]:
        """Rejected rows by table and rule; a row that breaks two rules counts in both."""
        total: Counter[tuple[str, str]] = Counter()
        for item in self.found:
            total[item.table, item.rule] += item.count
        return dict(total)

    def rejected(self) -> pd.DataFrame:
        """One line for each rejected value, columns REJECTED, in the order of the contract."""
        order = {name: place for place, name in enumerate(CONTRACT)}
        parts = [self._lines(item) for item in sorted(self.found, key=lambda f: order[f.table])]
        if not parts:
            return pd.DataFrame({name: pd.Series(dtype="str") for name in REJECTED})
        return pd.concat(parts, ignore_index=True)

    def _lines(self, item: Found) -> pd.DataFrame:
        raw = self.raw.tables[item.table]
        values = raw.frame.get(item.column, missing(raw.frame.index))
        rule = RULES[item.rule]
        count = "" if item.count == len(item.rows) else f"{item.count} "
        return pd.DataFrame(
            {
                "table": item.table,
                "row": raw.lines[item.rows],
                "column": item.column,
                "value": values.iloc[item.rows].fillna("").to_numpy(),
                "rule": item.rule,
                "reason": count + rule.reason,
                "remedy": rule.remedy,
            }
        )

    def warnings(self) -> pd.DataFrame:
        """Warnings with the columns WARNINGS."""
        return pd.DataFrame(self.warned, columns=list(WARNINGS))
