"""The history of the other firm, lived day by day, and its truth: the futures it could have."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from experiments.other_world.dirt import DRIFT, dirty
from experiments.other_world.export import Told, export
from experiments.other_world.process import Column, Deals, Firm, live_a_day
from features.windows import Ints

EVER_DAYS = 1_000
"""Days after which a deal that is still open counts as never closed."""
COPIES = 200_000
"""Copies of deals that live at once, at most."""
DRIFT_DAYS = 300
"""Days before the end of the history at which sources drift, where they do."""


@dataclass
class Log:
    """What happened, by kind; nothing but closings is kept where it is not `whole`."""

    whole: bool = True
    kept: dict[str, list[pd.DataFrame]] = field(default_factory=lambda: defaultdict(list))

    def add(self, kind: str, **columns: Column | int) -> None:
        """Note events of a day, columns of the same shape or one value for all."""
        if self.whole or kind == "closed":
            self.kept[kind].append(pd.DataFrame(columns))

    def frame(self, kind: str) -> pd.DataFrame:
        """All of a kind in the order of their days."""
        return pd.concat(self.kept[kind], ignore_index=True)


@dataclass(frozen=True)
class OtherFirm:
    """A history of the other firm: its export, and all it takes to live it again."""

    seed: int
    days: int
    end: pd.Timestamp
    firm: Firm
    drifts: bool
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)

    @classmethod
    def simulate(
        cls,
        seed: int,
        *,
        deals: int,
        years: float,
        end: pd.Timestamp,
        dirt: frozenset[str] = frozenset(),
        speed: float = 1.0,
    ) -> OtherFirm:
        """Live the years before `end`, midnight UTC, and export, with kinds of dirt."""
        days = round(365.25 * years)
        firm = Firm.draw(seed, deals, days, end - pd.Timedelta(days=days), speed)
        found = cls(seed, days, end, firm, DRIFT in dirt)
        log = Log()
        found.live(days, log)
        told = Told(*map(log.frame, ("created", "moved", "closed", "touched")))
        return replace(found, tables=dirty(export(firm, told, seed), dirt, end, seed))

    def live(self, until: int, log: Log) -> Deals:
        """Live from the first day to the midnight before `until`: the deals open then."""
        rng = np.random.default_rng([self.seed, 3])
        deals, born = self.firm.fresh(0, 0, rng, self.days), 0
        for day in range(until):
            rng = np.random.default_rng([self.seed, 1, day])
            fresh = self.firm.fresh(day, 1, rng, self._drift_day())
            fresh.index, born = born + np.arange(len(fresh)), born + len(fresh)
            note_created(log, day, fresh)
            deals = a_day(self.firm, deals.join(fresh), day, rng, log)
            if log.whole:
                rng = np.random.default_rng([self.seed, 2, day])
                note_touches(log, self.firm, deals, day, rng)
        return deals

    def incidence(
        self, as_of: pd.Timestamp, horizons: Sequence[int], draws: int = 400
    ) -> pd.DataFrame:
        """True chances of the deals open at a midnight: deal_id, p_won_<days> ..., p_won."""
        today = (as_of - self.firm.start).days
        deals = self.live(today, Log(whole=False))
        size = max(1, min(draws, COPIES // max(1, len(deals))))
        ends = pd.concat(
            [
                self._closings(deals.copies(min(size, draws - done)), today, EVER_DAYS, done)
                for done in range(0, draws, size)
            ]
        )
        won = ends[ends["won"]]

        def share(days: int) -> Column:
            wins = won.loc[won["day"] < today + days, "deal"].value_counts()
            return wins.reindex(deals.index, fill_value=0).to_numpy() / draws

        columns = {f"p_won_{days}": share(days) for days in horizons} | {"p_won": share(EVER_DAYS)}
        return pd.DataFrame({"deal_id": names(deals.index)} | columns)

    def wins(self, as_of: pd.Timestamp, months: int = 6, draws: int = 200) -> pd.DataFrame:
        """Draw the wins of the months to come: path, month, revenue, deal_id (None if new)."""
        today = (as_of - self.firm.start).days
        deals = self.live(today, Log(whole=False))
        first = as_of.tz_localize(None).to_period("M")
        ends = [
            ((first + k + 1).start_time.tz_localize("UTC") - self.firm.start).days
            for k in range(months)
        ]
        came = self._closings(deals.copies(draws), today, ends[-1] - today, 0, paths=draws)
        won = came[came["won"]]
        return pd.DataFrame(
            {
                "path": won["path"].to_numpy(),
                "month": np.searchsorted(ends, won["day"], side="right"),
                "deal_id": names(won["deal"].to_numpy()),
                "revenue": np.exp(won["amount"].to_numpy()),
            }
        )

    def _closings(
        self, deals: Deals, today: int, days: int, seed: int, paths: int = 0
    ) -> pd.DataFrame:
        """Live on for so many days; new deals (deal -1) join in so many paths."""
        rng, log = np.random.default_rng([self.seed, 4, today, seed]), Log(whole=False)
        for day in range(today, today + days):
            fresh = self.firm.fresh(day, paths, rng, self._drift_day())
            deals = a_day(self.firm, deals.join(fresh), day, rng, log)
            if not len(deals) and not paths:
                break
        return log.frame("closed")

    def _drift_day(self) -> int:
        return self.days - DRIFT_DAYS if self.drifts else self.days + EVER_DAYS


def a_day(firm: Firm, deals: Deals, day: int, rng: np.random.Generator, log: Log) -> Deals:
    """Live a day and take out who was won or lost."""
    came = live_a_day(firm, deals, day, rng)
    if log.whole:
        moved = deals.take(came.moved & ~came.won & ~came.lost)
        log.add("moved", deal=moved.index, day=day, reached=moved.reached, amount=moved.amount)
    ended = came.won | came.lost
    gone = deals.take(ended)
    log.add(
        "closed",
        deal=gone.index,
        path=gone.path,
        day=day,
        won=came.won[ended],
        amount=gone.amount,
    )
    return deals.take(~ended)


def note_created(log: Log, day: int, fresh: Deals) -> None:
    """Note what is known of new deals."""
    names = ("account", "source", "owner", "pipeline", "amount")
    columns = {name: getattr(fresh, name) for name in names}
    log.add("created", deal=fresh.index, day=day, **columns)


def note_touches(log: Log, firm: Firm, deals: Deals, day: int, rng: np.random.Generator) -> None:
    """Draw who wrote, called and met: buyers by their interest, owners by their habit."""
    if not firm.work[day]:
        return
    habit = 0.7 + 0.6 * ((deals.owner * 7) % 5) / 4
    rates = (
        0.10 * np.exp(0.9 * deals.interest),
        0.22 * habit * (1 + 0.2 * deals.reached),
        0.035 * np.exp(0.5 * deals.interest) * (1 + deals.reached),
    )
    for way, rate in enumerate(rates):
        count = rng.poisson(rate * firm.work[day])
        some = np.repeat(np.arange(len(deals)), count)
        people = 1 + deals.reached[some]
        log.add(
            "touched",
            deal=deals.index[some],
            day=day,
            way=way,
            owner=deals.owner[some],
            account=deals.account[some],
            person=(rng.random(len(some)) ** 2 * people).astype(int),
        )


def names(index: Ints) -> pd.Series[str]:
    """Identifiers of deals; None for those not in the history (-1)."""
    return pd.Series([f"opp-{i}" if i >= 0 else None for i in index], dtype="str")
