"""Targets beside a forecast: the quota of a period, the gap to it, the chance of reaching it.

A target is the own row of whoever it is for. Where there is none, a quarter's is the sum of its
three months' (all three or nothing), a team's the sum of its owners', the firm's the sum of its
teams' and of the owners without a team. A month never gets a share of its quarter: nobody said so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.history import History
from features.windows import Floats
from training.forecast import TOTAL, Simulation

COLUMNS = ("target", "gap", "p_target")
"""Columns beside a forecast: amount, mean less target, chance that the period ends at or above."""
NOBODY = ("", "")


@dataclass(frozen=True)
class Targets:
    """Quotas by period and by whom they are for.

    Attributes
    ----------
    rows : amount by period and (owner, team); both empty is the firm's own
    team_of : team of each owner, empty where there is none
    start_month : month in which the fiscal year starts
    """

    rows: Mapping[str, Mapping[tuple[str, str], float]]
    team_of: Mapping[str, str]
    start_month: int = 1

    @classmethod
    def of(cls, history: History) -> Targets:
        """Read the table `targets`; a row with owner and team is the owner's."""
        found = history.tables.targets
        owner = found["owner_id"].fillna("").astype(str)
        team = found["team"].fillna("").astype(str)
        owners = history.tables.owners
        teams = dict(zip(owners["owner_id"], owners["team"].fillna(""), strict=True))
        teams |= {o: t for o, t in zip(owner, team, strict=True) if o and t}
        rows: dict[str, dict[tuple[str, str], float]] = {}
        for period, whose, of_team, amount in zip(
            found["period"], owner, team.where(owner == "", ""), found["amount"], strict=True
        ):
            if np.isfinite(amount):
                rows.setdefault(str(period), {})[(whose, of_team)] = float(amount)
        return cls(rows, teams, history.settings.fiscal_year_start_month)

    def amount(self, period: str, scope: str, scope_id: str = "") -> float:
        """Target of a period (`2025-01`, `2025-Q1`) of the total, a team or an owner; else NaN."""
        if scope == "owner":
            return self._own(period, (scope_id, ""))
        if scope == "team":
            return self._team(period, scope_id) if scope_id else np.nan
        return self._firm(period) if scope == TOTAL else np.nan

    def _firm(self, period: str) -> float:
        own = self._own(period, NOBODY)
        if not np.isnan(own):
            return own
        owners, teams = self._named()
        loose = [self._own(period, (o, "")) for o in sorted(owners) if not self.team_of.get(o)]
        return _sum([*(self._team(period, team) for team in sorted(teams)), *loose])

    def _team(self, period: str, team: str) -> float:
        own = self._own(period, ("", team))
        if not np.isnan(own):
            return own
        owners, _ = self._named()
        members = [o for o in sorted(owners) if self.team_of.get(o) == team]
        return _sum(self._own(period, (owner, "")) for owner in members)

    def _own(self, period: str, whose: tuple[str, str]) -> float:
        found = self.rows.get(period, {}).get(whose, np.nan)
        if not np.isnan(found) or "-Q" not in period:
            return found
        months = [self._own(month, whose) for month in months_of(period, self.start_month)]
        return float(np.sum(months))

    def _named(self) -> tuple[set[str], set[str]]:
        """Owners and teams that have a target in any period, teams of such owners included."""
        whose = {key for rows in self.rows.values() for key in rows}
        owners = {owner for owner, _ in whose if owner}
        teams = {team for _, team in whose if team}
        return owners, teams | {t for o in owners if (t := self.team_of.get(o, ""))}


def _sum(amounts: Iterable[float]) -> float:
    """Sum of those that there are; NaN where there is none."""
    there = [amount for amount in amounts if not np.isnan(amount)]
    return float(np.sum(there)) if there else np.nan


def months_of(quarter: str, start_month: int = 1) -> list[str]:
    """Names of the three months of a fiscal quarter.

    >>> months_of("2025-Q1", 11)
    ['2024-11', '2024-12', '2025-01']
    """
    year, number = quarter.split("-Q")
    first = (int(year) - (start_month > 1)) * 12 + start_month - 1 + 3 * (int(number) - 1)
    return [f"{month // 12}-{month % 12 + 1:02d}" for month in range(first, first + 3)]


def with_targets(frame: pd.DataFrame, simulation: Simulation, targets: Targets) -> pd.DataFrame:
    """Put target, gap and p_target behind the columns of `forecast_table`; NaN where no target.

    The chance is the share of the simulated paths that end at or above the target.
    """
    asked = zip(frame["period"], frame["scope"], frame["scope_id"], strict=True)
    amount = np.array([targets.amount(*row) for row in asked], float)
    chance = np.full(len(frame), np.nan)
    for row in np.flatnonzero(~np.isnan(amount)):
        scope, member, period = map(str, frame.loc[row, ["scope", "scope_id", "period"]])
        chance[row] = float((_paths(simulation, scope, member, period) >= amount[row]).mean())
    return frame.assign(target=amount, gap=frame["mean"] - amount, p_target=chance)


def _paths(simulation: Simulation, scope: str, member: str, period: str) -> Floats:
    """(paths,) what a member books in a period on each path."""
    k = simulation.calendar.names.index(period)
    m = simulation.members[scope].index(member)
    booked = float(simulation.booked[scope][m]) if k == 0 else 0.0
    sides = [side[scope][:, k, m].astype(float) for side in (simulation.open, simulation.new)]
    return np.asarray(sides[0] + sides[1] + booked)
