"""The log of a simulation: what happened on which day, by kind, as columns."""

from collections import defaultdict

import numpy as np
import pandas as pd

from data.demo.state import Array

KINDS: dict[str, str] = {
    "created": "deal account deal_type source pipeline owner stage amount known due foreign quiet",
    "stages": "deal pipeline stage",
    "closed": "deal path won amount",
    "amounts": "deal amount",
    "dues": "deal due",
    "owners": "deal owner",
    "touches": "deal owner contacts sent heard",
    "meetings": "deal owner contacts held",
}
"""The kinds of events, and the columns of each besides the day."""
FLAGS = frozenset({"won", "known", "foreign", "quiet"})


class Log:
    """Collects events by kind; kinds not asked for are dropped at once.

    Parameters
    ----------
    kinds
        Those to keep: all for the tables, ``closed`` alone for the truth.
    """

    def __init__(self, kinds: frozenset[str] = frozenset(KINDS)) -> None:
        self._kinds = kinds
        self._columns: dict[str, dict[str, list[Array]]] = defaultdict(lambda: defaultdict(list))

    def add(self, kind: str, day: int, **columns: Array) -> None:
        """Note events of one day; every column has shape (events,)."""
        size = len(columns["deal"])
        if kind not in self._kinds or not size:
            return
        for name, values in columns.items():
            self._columns[kind][name].append(values)
        self._columns[kind]["day"].append(np.full(size, day))

    def frame(self, kind: str) -> pd.DataFrame:
        """All events of a kind in the order of their days; no rows where none were kept."""
        if kind not in self._columns:
            names = [*KINDS[kind].split(), "day"]
            return pd.DataFrame(
                {name: np.empty(0, bool if name in FLAGS else np.int64) for name in names}
            )
        return pd.DataFrame({n: np.concatenate(v) for n, v in self._columns[kind].items()})
