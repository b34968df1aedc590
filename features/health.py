"""Data health: what a history holds, what it lacks, and which features each gap switches off.

Nothing here judges single rows (validation does): it tells how far the accepted ones carry.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from data.contract import CONTRACT
from features import pipeline  # noqa: F401 - importing it registers every family
from features.catalogue import CATALOGUE
from features.facts import PROPERTIES
from features.history import LOST, OPEN, WON, History
from features.snapshots import STALE_DAYS, Snapshots, is_open, is_stale
from features.trust import filled_later, trusted
from features.vocabulary import learn_vocabulary
from features.windows import Bools

LATE = pd.Timedelta(days=1)
WHILE_CLOSED = ("closed_at", "is_won")
"""Columns of deals that are rightly empty while a deal is open: closed deals alone are counted."""
ALTERNATIVES = ("targets.owner_id", "targets.team")
"""Columns of which a row needs one: an empty one is no gap."""


@dataclass(frozen=True)
class Part:
    """A number out of another; `share` is None where there is nothing to count."""

    count: int
    of: int
    share: float | None

    @classmethod
    def where(cls, mask: Any) -> Part:
        """Count the true values of a mask."""
        found = np.asarray(mask, dtype=bool)
        return cls(int(found.sum()), len(found), float(found.mean()) if len(found) else None)

    def __str__(self) -> str:
        """Words such as `12 of 300 (4%)`; 0% means none and 100% all."""
        if self.share is None:
            return "0 of 0"
        percent = f"{self.share:.0%}"
        if percent == "0%" and self.count:
            percent = "<1%"
        elif percent == "100%" and self.count < self.of:
            percent = ">99%"
        return f"{self.count:,} of {self.of:,} ({percent})"


@dataclass(frozen=True)
class Gap:
    """What no row tells, and the features (by family) that need it."""

    missing: str
    features: tuple[str, ...]
    families: dict[str, int]

    @classmethod
    def of(cls, missing: str, features: set[str]) -> Gap:
        """Count features by family, the largest first."""
        families = Counter(CATALOGUE[name].family for name in sorted(features))
        return cls(missing, tuple(sorted(features)), dict(families.most_common()))


@dataclass(frozen=True)
class Health:
    """The state of a history as of an instant.

    Attributes
    ----------
    as_of : ISO-8601 instant
    rows : rows a table; 0 where the source did not bring it
    filled : by `table.column` the rows that have a value (of required columns only if some have
        none), and by `deal_history.property` the deals whose history tells it
    without_amount, open_without_amount : deals whose history holds no amount above zero
    amount_in_deals_only : of them, those with one in `deals`: the value of the export
    stale : open deals in which nothing happened for `STALE_DAYS`
    late : activities recorded more than a day after they happened, of those with `recorded_at`
    late_median_days : median delay of these
    closed_without_activity : deals closed without one activity
    closings_without_stages : closings of deals whose history tells no stage
    filled_at_closing : columns that tell the outcome, with what was seen; no model reads them
    unread : features that models leave unread for it
    renamed : first name of each stage that goes by another now
    features : number of features there are
    gaps : what is missing, the one that switches off most features first; a table that is
        missing as a whole is one gap. A feature that needs two of them is in both
    """

    as_of: str
    rows: dict[str, int]
    won: int
    lost: int
    open: int
    filled: dict[str, Part]
    without_amount: Part
    open_without_amount: Part
    amount_in_deals_only: int
    stale: Part
    late: Part
    late_median_days: float | None
    closed_without_activity: Part
    closings_without_stages: Part
    filled_at_closing: dict[str, str]
    unread: tuple[str, ...]
    renamed: dict[str, str]
    features: int
    gaps: tuple[Gap, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain types for programs."""
        return asdict(self)

    @property
    def switched_off(self) -> int:
        """Number of features that lack something."""
        return len({name for gap in self.gaps for name in gap.features})

    def title(self) -> str:
        """Head line: whose health, and when."""
        day = f"{pd.Timestamp(self.as_of):%Y-%m-%d %H:%M} UTC"
        return (
            f"data health as of {day}: {self.open + self.won + self.lost:,} deals "
            f"({self.open:,} open, {self.won:,} won, {self.lost:,} lost)"
        )

    def findings(self) -> list[str]:
        """Sentences on what is wrong with the rows there are, what touches most of them first."""
        if not self.rows["deals"]:
            return ["no deal was accepted: there is nothing to learn from"]
        said = [
            (self.without_amount, self._amounts()),
            (self.stale, f"open deals are stale: nothing happened in them for {STALE_DAYS} days"),
            (self.closings_without_stages, "closings are of deals whose history tells no stage"),
        ]
        if self.rows["activities"]:
            delay = f"(median delay {self.late_median_days or 0:.1f} days)"
            said += [
                (self.closed_without_activity, "closed deals have no activity"),
                (self.late, f"activities were logged more than a day late {delay}"),
            ]
        bad = sorted((s for s in said if s[0].count), key=lambda s: -(s[0].share or 0))
        told = [f"{part} {words}" for part, words in bad]
        told += [
            f"{name} is {words}: filled in at closing, it tells the outcome, so no model reads it"
            for name, words in self.filled_at_closing.items()
        ]
        if self.unread:
            told.append(f"{len(self.unread)} features read what is filled in at closing: left out")
        told += [
            f"stage {new!r} is taken for {old!r} under a new name: it keeps its place and record"
            for new, old in self.renamed.items()
        ]
        return told or ["nothing to mend in the rows there are"]

    def gaps_title(self) -> str:
        """Head line of `gap_rows`."""
        return (
            f"{self.switched_off} of {self.features} features are off for want of data "
            "(one that needs two things counts at both)"
        )

    def gap_rows(self) -> list[tuple[str, int, str]]:
        """Rows (missing, features off, families) for people; without a deal all is missing."""
        return [
            (
                gap.missing if "." in gap.missing else f"{gap.missing} (whole table)",
                len(gap.features),
                ", ".join(f"{family} {count}" for family, count in gap.families.items()),
            )
            for gap in (self.gaps if self.rows["deals"] else ())
        ]

    def partly_rows(self) -> list[tuple[str, str]]:
        """Rows (table.column, filled) of what is neither full nor empty, the emptiest first."""
        partly = [(n, p) for n, p in self.filled.items() if 0 < p.count < p.of]
        return [(n, str(p)) for n, p in sorted(partly, key=lambda pair: pair[1].share or 0)]

    def notes(self) -> list[str]:
        """Lines that explain the tables, and what else is empty."""
        needed = {gap.missing for gap in self.gaps}
        empty = [n for n, p in self.filled.items() if not p.count and p.of and n not in needed]
        notes = [f"also empty, but no feature needs it: {', '.join(empty)}"] if empty else []
        if self.rows["activities"] and not self.late.of:
            notes.append("whether activities are logged late cannot be told without recorded_at")
        shown = [*needed, *(name for name, _ in self.partly_rows())]
        if any(name.removeprefix("deal_history.") in PROPERTIES for name in shown):
            notes.append(
                "deal_history.amount and the like: rows of deal_history with that property (the "
                "value in deals is of the export and does not tell what was known when)"
            )
        return notes

    def _amounts(self) -> str:
        words = "deals have no amount in their history"
        if self.open:
            words += f", of the open ones {self.open_without_amount}"
        if self.amount_in_deals_only:
            words += (
                f"; deals.amount has one for {self.amount_in_deals_only:,} of them, but it is of "
                "the export and not used"
            )
        return words


def health(history: History, now: pd.Timestamp) -> Health:
    """Take stock of a history by what was known before `now` (UTC)."""
    at = int(now.as_unit("us").asm8.astype("int64"))
    every = Snapshots(np.arange(history.size), np.full(history.size, at, np.int64))
    known = every.take(history.known_from < at)
    opened = is_open(history, known.deal, known.time)
    outcome = history.stages.last("outcome", known.deal, known.time)
    priceless = ~(history.changes["amount"].last("value", known.deal, known.time) > 0)
    exported = (history.tables.deals["amount"] > 0).to_numpy(bool)[known.deal]
    silent = history.activities.count(known.deal, known.time) == 0
    late, median = _late(history)
    distrusted = filled_later(history, at) if history.size else {}
    available = [feature for feature in CATALOGUE.values() if feature.available(history)]
    return Health(
        as_of=now.isoformat(),
        rows={name: len(frame) for name, frame in history.tables.items()},
        won=int((outcome == WON).sum()),
        lost=int((outcome == LOST).sum()),
        open=int(opened.sum()),
        filled=_filled(history),
        without_amount=Part.where(priceless),
        open_without_amount=Part.where(priceless[opened]),
        amount_in_deals_only=int((priceless & exported).sum()),
        stale=Part.where(is_stale(history, known.take(opened))),
        late=late,
        late_median_days=median,
        closed_without_activity=Part.where(silent[~opened]),
        closings_without_stages=Part.where(~_staged(history)[history.closings.group]),
        filled_at_closing=distrusted,
        unread=tuple(f.name for f in available if f.for_models and not trusted(f, distrusted)),
        renamed=dict(learn_vocabulary(history, at).renamed),
        features=len(CATALOGUE),
        gaps=_gaps(history),
    )


def _filled(history: History) -> dict[str, Part]:
    ended = _ever_closed(history)
    filled = {}
    for name, frame in history.tables.items():
        for column in CONTRACT[name].columns if len(frame) else ():
            there = frame[column.name].notna().to_numpy()
            if name == "deals" and column.name in WHILE_CLOSED:
                there = there[ended]
            if not (column.required and there.all()):
                filled[f"{name}.{column.name}"] = Part.where(there)
    told = {name: _told(history, name) for name in PROPERTIES}
    if len(history.tables.deal_history):
        filled |= {f"deal_history.{name}": Part.where(deals) for name, deals in told.items()}
    return {name: part for name, part in filled.items() if name not in ALTERNATIVES}


def _ever_closed(history: History) -> Bools:
    closed = np.zeros(history.size, bool)
    closed[history.stages.group[history.stages.values["outcome"] != OPEN]] = True
    return closed


def _staged(history: History) -> Bools:
    """(deals,) whether the history itself, not only `deals`, tells a stage."""
    staged = np.zeros(history.size, bool)
    staged[history.stages.group[~history.stages.values["told"].astype(bool)]] = True
    return staged


def _told(history: History, name: str) -> Bools:
    """(deals,) whether the history tells a property of the deal."""
    if name == "stage":
        return _staged(history)
    told = np.zeros(history.size, bool)
    told[history.changes[name].group] = True
    return told


def _late(history: History) -> tuple[Part, float | None]:
    """Activities logged late among those with `recorded_at`, and their median delay in days."""
    rows = history.tables.activities.dropna(subset=["recorded_at"])
    lag = rows["recorded_at"] - rows["occurred_at"]
    late = lag > LATE
    median = float(lag[late].dt.total_seconds().median()) / 86_400 if late.any() else None
    return Part.where(late), median


def _gaps(history: History) -> tuple[Gap, ...]:
    lacking: dict[str, set[str]] = {}
    for name, feature in CATALOGUE.items():
        for need in (need for need in feature.needs if not history.has(need)):
            table = need.split(".", 1)[0]
            missing = need if history.tables.present(table) else table
            lacking.setdefault(missing, set()).add(name)
    gaps = [Gap.of(missing, names) for missing, names in lacking.items()]
    return tuple(sorted(gaps, key=lambda gap: (-len(gap.features), gap.missing)))
