"""Deals not yet created: how many will come, and what they win at each age and on each day.

Both are learned from daily counts. Arrivals follow a `DailyRate` (weekday, season, growth, drift).
Wins follow a renewal equation: those of a day are the arrivals before it, each times the kernel
of its segment at its age, times a `DailyRate` of winning (weekday, rush at the ends of month and
quarter, season, drift). Kernel and rate are fitted in turn, each given the other, so that the
kernel is a life table corrected for the days on which deals happened to be of an age, and for
deals that have not lived long enough to tell. A deal lost and won after all counts as won. Deals
moved in from elsewhere in one day (`training.moved_in`) are left out of both. Where things are
entered late, the last days before the cut are not all told yet: each counts for the share of it
that is usually entered by then.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.signal import fftconvolve
from threadpoolctl import threadpool_limits

from features.history import LOST, WON, History
from features.outcomes import closed_at
from features.windows import DAY, NEVER, Floats, Ints, Timeline
from training.daily import DailyRate, fit_daily
from training.moved_in import moved_deals

MOST_DAYS = 5 * 366
AGE_EDGES = np.concatenate(
    [np.arange(0, 28, 2), np.arange(28, 112, 7), np.arange(112, 366, 14), np.arange(366, 1900, 56)]
)
"""Ages in days between which a kernel is constant."""
WIN_GROWTH_SD = 0.05
"""Prior standard deviation of a year's change of the chances of deals."""
ROUNDS = 3
LEAST_SEGMENT = 200
"""Deals that a segment needs for a kernel of its own; smaller ones share the firm's."""
PSEUDO_WINS = 20.0
PSEUDO_A_BIN = 5.0
SHARE_HALF_LIFE = 200.0
"""Days after which a deal says half as much about how arrivals divide among segments."""
AGAIN_DAYS, AGAIN_BINS = 30, 24
"""Length and number of the steps in which wins of lost deals are foreseen."""
LOSSES_DAYS = 180
LATEST_DAYS = 60
"""Days after which nothing is entered any more; what is all the same does not count as late."""
PSEUDO_ENTERED = 50.0


@dataclass(frozen=True)
class Arrivals:
    """Rates of new deals and of wins, and the life that awaits a new deal.

    Attributes
    ----------
    created : new deals a day
    won : wins a day against those that the kernels expect
    kernels : (segments, ages in days) wins a day of one new deal, on a day of rate 1
    shares : (segments,) shares of the arrivals to come
    segment : (deals,) segment of each deal of the history
    again : (AGAIN_BINS,) wins a day to come of deals that were lost, by AGAIN_DAYS from the cut
    arrived : (segments, days) new deals of each day up to the cut
    """

    created: DailyRate
    won: DailyRate
    kernels: Floats
    shares: Floats
    segment: Ints
    again: Floats
    arrived: Floats

    @property
    def level_sd(self) -> float:
        """Standard error of the log level of the wins of new deals."""
        return float(np.hypot(self.created.ahead_sd, self.won.ahead_sd))

    def wins_between(self, as_of: int, edges: Ints) -> Floats:
        """(segments, periods) expected wins in each period of deals created from `as_of` on.

        Wins of deals lost before, reopened and won after all are among them, in proportion.
        """
        day = _midnights(as_of, int(edges[-1]))
        created = self.created.rate(day) * _share_left(day, as_of)
        rate, period = self.won.rate(day), np.searchsorted(edges, day, side="right") - 1
        step = np.minimum((day - as_of) // (AGAIN_DAYS * DAY), AGAIN_BINS - 1)
        again = self.again[np.maximum(step, 0)] * np.clip(_share_left(day, as_of), 0, 1)
        found = np.zeros((len(self.shares), len(edges) - 1))
        inside = (period >= 0) & (period < len(edges) - 1)
        for k, (kernel, share) in enumerate(zip(self.kernels, self.shares, strict=True)):
            life = np.zeros(len(day))
            life[: len(kernel)] = kernel[: len(day)]
            wins = (_convolved(created, life) * rate + again) * share
            found[k] = np.bincount(period[inside], wins[inside], minlength=len(edges) - 1)
        return found

    def wins_within(self, days: int) -> float:
        """Expected wins of the days from the first midnight after the cut on, of all deals."""
        return float(self.wins_of_all(days, 1)[0])

    def wins_of_all(self, days: int, periods: int) -> Floats:
        """(periods,) expected wins of all deals, there or to come, in periods of so many days.

        The first begins with the first midnight after the cut.
        """
        begin, ahead = -(-self.created.cut // DAY) * DAY, days * periods
        rate, old = self.won.rate(begin + np.arange(ahead) * DAY), np.zeros(ahead)
        for arrived, kernel in zip(self.arrived, self.kernels, strict=True):
            later = np.concatenate([arrived, np.zeros(ahead)])
            life = np.concatenate([kernel, np.zeros(ahead)])
            old += _convolved(later, life)[len(arrived) :] * rate
        new = self.wins_between(begin, begin + np.arange(periods + 1) * days * DAY)
        found: Floats = old.reshape(periods, days).sum(axis=1) + new.sum(axis=0)
        return found


def _midnights(first: int, end: int) -> Ints:
    """Midnights from that of the day of `first` on, those before `end`."""
    return np.arange(first // DAY, -(-end // DAY)) * DAY


def _share_left(day: Ints, as_of: int) -> Floats:
    """(days,) share of each day that comes after `as_of`."""
    left: Floats = np.clip((day + DAY - as_of) / DAY, 0.0, 1.0)
    return left


def _convolved(arrivals: Floats, kernel: Floats) -> Floats:
    found: Floats = np.maximum(fftconvolve(arrivals, kernel)[: len(arrivals)], 0.0)
    return found


@dataclass(frozen=True)
class _Days:
    """Daily counts before the cut: midnights, exposures of each day, deals' days and wins' days.

    `wins` are closings; a win's `age` is counted from its deal's creation. `creating` and
    `winning` are the exposures of a day to new deals and to wins.
    """

    at: Ints
    creating: Floats
    winning: Floats
    deals: Ints
    born: Ints
    winners: Ints
    won: Ints
    age: Ints

    def count(self, place: Ints) -> Floats:
        """(days,) how many fall on each day."""
        return np.bincount(place, minlength=len(self.at)).astype(float)


def _days(history: History, cut: int) -> _Days:
    deals, moved = np.flatnonzero(history.known_from < cut), moved_deals(history, cut)
    created = history.created[deals]
    earliest = int(created.min(initial=cut - 30 * DAY)) if len(deals) else cut - 30 * DAY
    first = max(earliest, cut - MOST_DAYS * DAY) // DAY
    at = np.arange(first, -(-cut // DAY)) * DAY
    last, exposure = len(at) - 1, np.clip((cut - at) / DAY, 0.0, 1.0)
    own = deals[(created >= first * DAY) & ~moved[deals]]
    closings = history.closings
    won = (closings.values["outcome"] == WON) & (closings.time < cut)
    wins = np.flatnonzero(won & ~moved[closings.group])
    closed = closed_at(history)[wins]
    winning = exposure * _entered(closed, closings.time[wins], at, cut)
    happened = closed.astype(np.int64) // DAY
    born = history.created[closings.group[wins]] // DAY
    recent = happened >= first
    wins, happened, born = wins[recent], happened[recent], born[recent]
    creating = exposure * _entered(history.created[own], history.known_from[own], at, cut)
    return _Days(
        at=at,
        creating=np.where(np.isin(at // DAY, history.created[moved] // DAY), 0.0, creating),
        winning=winning,
        deals=own,
        born=np.minimum(history.created[own] // DAY - first, last),
        winners=closings.group[wins],
        won=np.minimum(happened - first, last),
        age=np.clip(happened - np.maximum(born, first), 0, last),
    )


def _entered(happened: Floats | Ints, known: Ints, at: Ints, cut: int) -> Floats:
    """(days,) share of what happened on each day that is entered by the cut; 1 is held likely.

    Told by those so long ago that all of them are entered.
    """
    late = (known - happened)[happened < cut - LATEST_DAYS * DAY]
    late = np.sort(late[late <= LATEST_DAYS * DAY])
    by_then = np.searchsorted(late, cut - at - DAY // 2, side="right").astype(float)
    share: Floats = (by_then + PSEUDO_ENTERED) / (len(late) + PSEUDO_ENTERED)
    return share


def fit_arrivals(history: History, cut: int) -> Arrivals:
    """Learn from what was known before `cut` (microseconds)."""
    # Matrices of a hundred columns: threads would only wait for one another.
    with threadpool_limits(1):
        return _fit(history, cut)


def _fit(history: History, cut: int) -> Arrivals:
    days, start_month = _days(history, cut), history.settings.fiscal_year_start_month
    segment = _segments(history, days.deals)
    count = int(segment.max(initial=0)) + 1
    arrived = [days.count(days.born[segment[days.deals] == k]) for k in range(count)]
    wins, calendar = days.count(days.won), days.winning
    for left in reversed(range(ROUNDS)):
        whole = _kernel(np.sum(arrived, axis=0), days.age, calendar)
        kernels = [
            _shrunk_kernel(arrived[k], days.age[segment[days.winners] == k], calendar, whole)
            for k in range(count)
        ]
        pairs = zip(arrived, kernels, strict=True)
        expected = np.sum([_convolved(a, f) for a, f in pairs], axis=0) * days.winning
        won = fit_daily(
            *(days.at, wins, expected, cut),
            start_month=start_month,
            growth_sd=WIN_GROWTH_SD,
            quick=left > 0,
        )
        calendar = won.rate(days.at) * days.winning
    created = fit_daily(
        *(days.at, np.sum(arrived, axis=0), days.creating, cut),
        start_month=start_month,
        rush=False,
        # Who moves in brings new deals from then on.
        breaks=days.at[days.creating == 0],
    )
    weight = 0.5 ** ((cut - days.at) / DAY / SHARE_HALF_LIFE)
    shares = np.array([weight @ each for each in arrived]) + 1e-9
    return Arrivals(
        created=created,
        won=won,
        kernels=np.array(kernels),
        shares=shares / shares.sum(),
        segment=segment,
        again=_won_again(history, cut),
        arrived=np.array(arrived),
    )


def _segments(history: History, deals: Ints) -> Ints:
    """(deals,) pipelines with enough deals, numbered; 0 holds all others."""
    code = history.encoded("deals", "pipeline").code + 1
    known = np.bincount(code[deals], minlength=int(code.max(initial=0)) + 1)
    large = np.flatnonzero(known >= LEAST_SEGMENT)
    number = np.zeros(len(known), np.int64)
    number[large] = np.arange(1, len(large) + 1)
    found = number[code]
    # Numbers that no deal bears would be segments without arrivals.
    return found - 1 if len(deals) and found[deals].min() > 0 and found.min() > 0 else found


def _bins(days: int) -> tuple[Ints, int]:
    """(days,) bin of each age, and how many bins there are."""
    of_age = np.searchsorted(AGE_EDGES, np.arange(days), side="right") - 1
    return of_age, int(of_age.max(initial=0)) + 1


def _exposure(arrived: Floats, calendar: Floats) -> Floats:
    """(ages,) deal days at each age, each weighed by the rate of its day."""
    days = len(arrived)
    found: Floats = np.maximum(fftconvolve(calendar, arrived[::-1])[days - 1 :][:days], 0.0)
    return found


def _kernel(arrived: Floats, age: Ints, calendar: Floats) -> Floats:
    """(ages,) wins a day of age over the exposure, constant between AGE_EDGES."""
    of_age, bins = _bins(len(arrived))
    exposed = np.bincount(of_age, _exposure(arrived, calendar), minlength=bins)
    wins = np.bincount(of_age[age], minlength=bins)
    rate: Floats = np.where(exposed >= 1, wins / np.maximum(exposed, 1.0), 0.0)
    return rate[of_age]


def _shrunk_kernel(arrived: Floats, age: Ints, calendar: Floats, whole: Floats) -> Floats:
    """Kernel of a segment: the firm's, scaled, bent bin by bin as far as its wins carry it."""
    of_age, bins = _bins(len(arrived))
    usual = np.bincount(of_age, whole * _exposure(arrived, calendar), minlength=bins)
    wins = np.bincount(of_age[age], minlength=bins)
    scale = (wins.sum() + PSEUDO_WINS) / (usual.sum() + PSEUDO_WINS)
    bend = (wins + PSEUDO_A_BIN) / (usual * scale + PSEUDO_A_BIN)
    kernel: Floats = whole * scale * bend[of_age]
    return kernel


def _won_again(history: History, cut: int) -> Floats:
    """(AGAIN_BINS,) wins a day to come of deals known now and lost before they are won.

    Counted as of past instants: wins of deals known then which were not the next closing of a
    deal open then, against the losses of the half-year before.
    """
    closings, stages = history.closings, history.stages
    lost = closings.where((closings.values["outcome"] == LOST) & (closings.time < cut))
    wins = np.flatnonzero((closings.values["outcome"] == WON) & (closings.time < cut))
    deal, at = closings.group[wins], closings.time[wins]
    before = lost.count(deal, at) > 0
    deal, at = deal[before], at[before]
    reopened = stages.next_index(deal, lost.last_time(deal, at) + 1)
    until = np.where(reopened >= 0, stages.time[reopened], NEVER) if len(deal) else at
    per_loss, losses = np.zeros(AGAIN_BINS), np.zeros(AGAIN_BINS)
    for back in range(1, AGAIN_BINS + 1):
        then = cut - back * AGAIN_DAYS * DAY
        counts = (history.known_from[deal] < then) & (until >= then) & (at >= then)
        step = (at[counts] - then) // (AGAIN_DAYS * DAY)
        per_loss[:back] += np.bincount(step, minlength=AGAIN_BINS)[:back]
        losses[:back] += _losses_before(lost, then)
    rate: Floats = per_loss / np.maximum(losses, 1.0) / AGAIN_DAYS
    return rate * _losses_before(lost, cut)


def _losses_before(lost: Timeline, at: int) -> int:
    """How many losses of the last LOSSES_DAYS were known."""
    return int(((lost.time < at) & (lost.values["happened"] >= at - LOSSES_DAYS * DAY)).sum())
