"""The log of a simulation: what happened on which day, by kind, as columns."""

from collections import defaultdict

import numpy as np
import pandas as pd

from data.demo.state import Array

KINDS = frozenset(
    {"created", "stages", "closed", "amounts", "dues", "owners", "touches", "meetings"}
)


class Log:
    """Collects events by kind; kinds not asked for are dropped at once.

    Parameters
    ----------
    kinds
        Those to keep: all for the tables, ``closed`` alone for the truth.
    """

    def __init__(self, kinds: frozenset[str] = KINDS) -> None:
        self._kinds = kinds
        self._columns: dict[str, dict[str, list[Array]]] = defaultdict(lambda: defaultdict(list))

    def add(self, kind: str, day: int, **columns: Array) -> None:
        """Note events of one day; every column has shape (events,)."""
        size = len(next(iter(columns.values())))
        if kind not in self._kinds or not size:
            return
        for name, values in columns.items():
            self._columns[kind][name].append(values)
        self._columns[kind]["day"].append(np.full(size, day))

    def frame(self, kind: str) -> pd.DataFrame:
        """All events of a kind in the order of their days; KeyError where there are none."""
        if kind not in self._columns:
            raise KeyError(f"no event of kind {kind!r} in the log; it has {sorted(self._columns)}")
        return pd.DataFrame({n: np.concatenate(v) for n, v in self._columns[kind].items()})
