"""From day numbers to instants, and from indices to identifiers."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from data.demo.calendar import Floats, Ints

SECOND = 1_000_000
DAY = 86_400 * SECOND
OPENS, CLOSES = 8 * 3600 * SECOND, 18 * 3600 * SECOND


def labels(prefix: str, size: int) -> "pd.Series[str]":
    """Make identifiers: `prefix` + zero-padded number, from 1 on, shape (size,)."""
    width = max(5, len(str(size)))
    numbers = pd.Series(np.arange(1, size + 1)).astype("str")
    return (prefix + numbers.str.zfill(width)).astype("str")


def pick(texts: "pd.Series[str]", index: Ints) -> "pd.Series[str]":
    """Texts at the positions asked for, as a fresh series of shape (index,)."""
    return texts.iloc[index].reset_index(drop=True)


@dataclass(frozen=True)
class Stamps:
    """Turns days into instants within business hours.

    Attributes
    ----------
    start
        Midnight UTC of day 0.
    seed
        Of the time of day.
    """

    start: pd.Timestamp
    seed: int

    def change(self, deal: Ints, day: Ints) -> "pd.Series[pd.Timestamp]":
        """Instant of all that was changed of a deal on a day: the same for every property."""
        return self.at(day, OPENS + (CLOSES - OPENS) * _hash(deal, day, self.seed))

    def at(self, day: Ints, within: Floats) -> "pd.Series[pd.Timestamp]":
        """Instant so many microseconds within a day, cut to whole seconds."""
        origin = round(self.start.timestamp()) * SECOND
        micros = origin + np.asarray(day, np.int64) * DAY + within.astype(np.int64)
        stamps = (micros // SECOND * SECOND).view("datetime64[us]")
        return pd.Series(stamps).dt.tz_localize("UTC")

    def date(self, day: Ints) -> "pd.Series[pd.Timestamp]":
        """Midnight of a day; missing for negative days."""
        return self.at(day, np.zeros(len(day))).where(day >= 0)


def _hash(deal: Ints, day: Ints, seed: int) -> Floats:
    """Numbers in [0, 1) that depend on nothing but deal, day and seed.

    The finaliser of MurmurHash3 by Appleby (public domain), with Stafford's variant 13 constants.
    """
    bits: npt.NDArray[np.uint64] = (
        np.asarray(deal, np.uint64) * np.uint64(1 << 20)
        + np.asarray(day, np.uint64)
        + np.uint64(seed * 0x9E3779B97F4A7C15 % 2**64)
    )
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        bits = (bits ^ (bits >> np.uint64(shift))) * np.uint64(factor)
    return np.asarray((bits ^ (bits >> np.uint64(31))) / 2.0**64)
