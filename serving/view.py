"""A view: one store seen by one model at one instant. Every answer is drawn from one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from features.fiscal import Period
from features.history import History
from features.windows import DAY, Ints
from serving.ranking import described, reasons_of
from training.bundle import Bundle
from training.outlook import Outlook, make_outlook
from training.reasons import Reason
from training.scoring import Scored, score

FRESH = pd.Timedelta(days=7)
"""Facts older than this make a store stale."""
OLD_DAYS = 92
"""Days after its cut at which a model should be trained again."""


@dataclass(frozen=True, eq=False)
class View:
    """A history and a bundle as of an instant, with the scores of all open deals.

    Nothing in it changes, but for `memo`: answers that cost time, kept for whoever asks next.

    Attributes
    ----------
    as_of : microseconds since 1970 UTC
    data_version : version of the store that was read
    notices : what the engine has to say beside every answer
    """

    history: History
    bundle: Bundle
    data_version: str
    as_of: int
    scored: Scored
    notices: tuple[str, ...] = ()
    memo: dict[Any, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def of(
        cls,
        history: History,
        bundle: Bundle,
        data_version: str,
        as_of: int,
        notices: tuple[str, ...] = (),
    ) -> View:
        """Score the open deals and look at them."""
        scored = score(bundle, history, as_of)
        return cls(history, bundle, data_version, as_of, scored, notices)

    @property
    def instant(self) -> pd.Timestamp:
        """The as-of as a time, UTC."""
        return to_time(self.as_of)

    @cached_property
    def deals(self) -> pd.DataFrame:
        """Scores of the open deals with what people call things by (see `ranking.described`)."""
        return described(self.scored, self.history)

    @cached_property
    def place(self) -> dict[str, int]:
        """Row of each open deal in the scores."""
        return {deal_id: row for row, deal_id in enumerate(self.scored.frame["deal_id"])}

    def reasons(self, rows: Ints) -> list[list[Reason]]:
        """Reasons of rows of the scores."""
        known: dict[int, list[Reason]] = self.memo.setdefault("reasons", {})
        if missing := sorted(set(rows.tolist()) - set(known)):
            found = reasons_of(self.bundle, self.scored, np.array(missing, np.int64))
            known.update(zip(missing, found, strict=True))
        return [known[row] for row in rows.tolist()]

    def outlook(self, period: Period, periods: int, by: Sequence[str]) -> Outlook:
        """Forecast from this instant on; the same paths for whoever asks."""
        key = ("outlook", period, periods, tuple(by))
        if key not in self.memo:
            self.memo[key] = make_outlook(
                self.bundle,
                self.history,
                self.as_of,
                period=period,
                periods=periods,
                by=by,
                scored=self.scored,
            )
        found: Outlook = self.memo[key]
        return found

    @cached_property
    def last_fact(self) -> pd.Timestamp | None:
        """When the last fact known at this instant became known; None where nothing was known."""
        history = self.history
        times = [history.created, history.stages.time, history.activities.time]
        times += [changes.time for changes in history.changes.values()]
        known = [int(each[each < self.as_of].max(initial=-1)) for each in times]
        return to_time(max(known)) if max(known) >= 0 else None

    @property
    def notes(self) -> list[str]:
        """What must be said beside every answer; empty where all is well."""
        return [*self.notices, *_notes_on_data(self), *_notes_on_model(self)]


def to_time(micros: int) -> pd.Timestamp:
    """Time of microseconds since 1970 UTC."""
    return pd.Timestamp(micros, unit="us", tz="UTC")


def to_micros(at: pd.Timestamp) -> int:
    """Microseconds since 1970 UTC of a time."""
    return int(at.as_unit("us").asm8.astype("int64"))


def default_as_of(history: History, now: pd.Timestamp) -> int:
    """Choose the instant where none is asked: this minute, or the end of stale data."""
    last = history.last_fact
    if last is not None and now - last > FRESH:
        return to_micros(last.floor("D") + pd.Timedelta(days=1))
    return to_micros(now.floor("min"))


def _notes_on_data(view: View) -> list[str]:
    last = view.last_fact
    if last is None:
        return [f"nothing was known before {view.instant:%Y-%m-%d %H:%M} UTC; ask a later as_of"]
    if view.instant - last <= FRESH:
        return []
    return [
        f"the data are stale: the last fact before the as_of is of {last:%Y-%m-%d}; run `dealcast "
        "import SOURCE` to bring the store up to date"
    ]


def _notes_on_model(view: View) -> list[str]:
    bundle, card = view.bundle, view.bundle.card
    found = []
    if bundle.tier == "table":
        found.append(f"a simple table answers: {card.get('reason', 'no model is better')}")
    if bundle.cut > view.as_of:
        found.append(
            f"the model has learned from facts up to {to_time(bundle.cut):%Y-%m-%d}, after the "
            "as_of asked: no fair test of it"
        )
    if not card.get("won_with_amount", 1):
        found.append(
            "the history holds no amount of a won deal: deals are ranked by probability and the "
            "forecast counts wins"
        )
    if not card.get("lost_deals", 1):
        found.append(
            "no deal was ever marked lost: p_lost is near 0, and p_won says how many of such "
            "deals are won in the end"
        )
    if view.as_of - bundle.cut > OLD_DAYS * DAY:
        since = f"{to_time(bundle.cut):%Y-%m-%d}"
        found.append(f"the model has learned nothing since {since}; run `dealcast train`")
    return found
