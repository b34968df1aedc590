"""A view: one store seen by one model at one instant. Every answer is drawn from one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from features.fiscal import Period
from features.history import LOST, WON, History
from features.snapshots import Snapshots
from features.windows import DAY, Floats, Ints
from serving.pages.words import Words, words_of
from serving.ranking import described_columns, take
from training.bundle import Bundle
from training.changes_of_score import Changed, compare
from training.explanation import usual_groups
from training.outlook import Outlook, make_outlook
from training.reasons import Explanation, Reason, explain
from training.scoring import Scored, as_frame, current_owner, score

FRESH = pd.Timedelta(days=7)
"""Facts older than this make a store stale."""
OLD_DAYS = 92
"""Days after its cut at which a model should be trained again."""
PREPARED = 200
"""Deals at the top of the list whose reasons are worked out before anybody asks."""
RECENT_DAYS = 7
"""Days over which a fall of the probability puts revenue at risk."""
Note = tuple[str, dict[str, str]]
"""Key of a text of the catalogue, after `note.`, and its values."""


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
        deals: Ints | None = None,
    ) -> View:
        """Score the open deals, or those among `deals` (codes), and look at them."""
        scored = score(bundle, history, as_of, deals)
        return cls(history, bundle, data_version, as_of, scored, notices)

    @property
    def instant(self) -> pd.Timestamp:
        """The as-of as a time, UTC."""
        return to_time(self.as_of)

    @cached_property
    def described(self) -> dict[str, Any]:
        """Scores of the open deals with what people call things by: `described_columns`."""
        return described_columns(self.scored, self.history)

    @cached_property
    def deals(self) -> pd.DataFrame:
        """The same as a table."""
        return as_frame(self.described)

    @cached_property
    def place(self) -> dict[str, int]:
        """Row of each open deal in the scores."""
        return {deal_id: row for row, deal_id in enumerate(self.scored.columns["deal_id"])}

    def explained(self, rows: Ints) -> list[Explanation]:
        """Explanations of rows of the scores, told against the usual open deal."""
        known: dict[int, Explanation] = self.memo.setdefault("explained", {})
        if missing := sorted(set(rows.tolist()) - set(known)):
            asked = np.array(missing, np.int64)
            found = explain(self.bundle, self.scored, asked, self.usual)
            known.update(zip(missing, found, strict=True))
        return [known[row] for row in rows.tolist()]

    def reasons(self, rows: Ints) -> list[list[Reason]]:
        """Reasons of rows of the scores."""
        return [list(found.reasons) for found in self.explained(rows)]

    def prepare(self) -> None:
        """Work out what is asked first: the list and the forecast."""
        self.prepare_list()
        if self.place:
            self.outlook("month", 3, ())

    def prepare_list(self) -> None:
        """Work out the top of the list, with reasons and what changed."""
        order = np.argsort(-self.deals["priority"].to_numpy(float), kind="stable")
        top = order[:PREPARED].astype(np.int64)
        self.explained(top)
        self.changed(top)
        _ = self.fall

    @property
    def usual(self) -> dict[str, float]:
        """Usual contribution of each theme among the open deals of the store."""
        if "usual" not in self.memo:
            self.memo["usual"] = usual_groups(self.bundle, self.scored)
        found: dict[str, float] = self.memo["usual"]
        return found

    def ago(self, days: int) -> Scored:
        """Scores of the deals open so many days before, by the same model."""
        if ("ago", days) not in self.memo:
            self.memo["ago", days] = score(self.bundle, self.history, self.as_of - days * DAY)
        found: Scored = self.memo["ago", days]
        return found

    def changed(self, rows: Ints, days: int = 1) -> list[Changed | None]:
        """What changed for rows of the scores since so many days before; None if not open then."""
        known: dict[int, Changed | None] = self.memo.setdefault(("changed", days), {})
        if missing := sorted(set(rows.tolist()) - set(known)):
            now, then = take(self.scored, np.array(missing, np.int64)), self.ago(days)
            before = np.flatnonzero(np.isin(then.snapshots.deal, now.snapshots.deal))
            found = compare(self.bundle, take(then, before), now).deals
            by_id = {each.deal_id: each for each in found}
            known.update((row, by_id.get(self.scored.frame["deal_id"][row])) for row in missing)
        return [known[row] for row in rows.tolist()]

    @cached_property
    def fall(self) -> Floats:
        """(n,) fall of p_won_90 in the last RECENT_DAYS; 0 where it rose, or for a newer deal."""
        then = self.ago(RECENT_DAYS).frame.set_index("deal_id")["p_won_90"]
        before = self.scored.frame["deal_id"].map(then).astype(float)
        fallen: Floats = np.maximum((before - self.scored.frame["p_won_90"]).fillna(0.0), 0.0)
        return np.asarray(fallen, float)

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

    @cached_property
    def owners(self) -> list[str | None]:
        """(deals,) owner of every deal of the store as known now; None where none is."""
        every = Snapshots(
            np.arange(self.history.size), np.full(self.history.size, self.as_of, np.int64)
        )
        found = current_owner(self.history, every)
        return found.astype(object).where(found.notna(), None).tolist()

    def knows(self, deal_id: str, sight: frozenset[str] | None = None) -> bool:
        """Whether the store holds a deal, and it belongs to an owner in sight (None: to any)."""
        code = self.history.position_of.get(deal_id)
        return code is not None and (sight is None or self.owners[code] in sight)

    def outcome(self, deal_id: str) -> str:
        """Tell how a deal of the store stands: `open`, `won` or `lost`."""
        deal = np.array([self.history.position_of[deal_id]])
        last = self.history.stages.last("outcome", deal, np.array([self.as_of]))[0]
        return {WON: "won", LOST: "lost"}.get(int(np.nan_to_num(last)), "open")

    @property
    def notes(self) -> list[str]:
        """What must be said beside every answer; empty where all is well."""
        return self.notes_in(words_of("en"))

    def notes_in(self, words: Words) -> list[str]:
        """Give the notes in a language; what the engine has to say stands as it is."""
        told = [*_notes_on_data(self), *_notes_on_model(self)]
        return [*self.notices, *(words(f"note.{key}", **values) for key, values in told)]


def to_time(micros: int) -> pd.Timestamp:
    """Time of microseconds since 1970 UTC."""
    return pd.Timestamp(micros, unit="us", tz="UTC")


def to_micros(at: pd.Timestamp) -> int:
    """Microseconds since 1970 UTC of a time."""
    return int(at.as_unit("us").asm8.astype("int64"))


def default_as_of(history: History, now: pd.Timestamp, since: int | None = None) -> int:
    """Choose the instant where none is asked: the hour, or the end of stale data.

    Every process that serves the same data and model in the same hour chooses the same one.

    Parameters
    ----------
    since : microseconds; when the store and the model came to be, before which neither is asked
    """
    last = history.last_fact
    if last is not None and now - last > FRESH:
        return to_micros(last.floor("D") + pd.Timedelta(days=1))
    hour = to_micros(now.floor("h"))
    return hour if since is None else min(max(hour, since), to_micros(now))


def _notes_on_data(view: View) -> list[Note]:
    last = view.last_fact
    if last is None:
        return [("nothing", {"instant": f"{view.instant:%Y-%m-%d %H:%M}"})]
    return [] if view.instant - last <= FRESH else [("stale", {"day": f"{last:%Y-%m-%d}"})]


def _notes_on_model(view: View) -> list[Note]:
    bundle, card = view.bundle, view.bundle.card
    found: list[Note] = []
    learned = {"day": f"{to_time(bundle.cut):%Y-%m-%d}"}
    if bundle.tier == "table":
        found.append(("table", {"reason": card.get("reason", "no model is better")}))
    if bundle.cut > view.as_of:
        found.append(("learned_later", learned))
    if not card.get("won_with_amount", 1):
        found.append(("no_amounts", {}))
    if not card.get("lost_deals", 1):
        found.append(("no_losses", {}))
    if view.as_of - bundle.cut > OLD_DAYS * DAY:
        found.append(("old_model", learned))
    return found
