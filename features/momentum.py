"""Momentum: where the deal stands, how long, how it got there, and what became of its promises."""

from __future__ import annotations

import numpy as np

from features.at import At, once
from features.catalogue import feature
from features.groups import base_rate, everyone, mean, shrunk
from features.stages import (
    by_stage,
    exit_rates,
    of_stages,
    stage_stays,
    stage_visits_closed,
    stays_of_won,
)
from features.windows import DAY, Floats, Timeline, days_between

STAGE = ("deal_history.stage",)
CLOSE_DATE = ("deal_history.expected_close_date",)


@feature("momentum", "code", "stage, in funnel order", needs=STAGE, categorical=True)
def stage_code(at: At) -> Floats:
    """Rank of the stage's position among all positions of the vocabulary; NaN where unseen."""
    places = at.vocabulary.places
    code = places.searchsorted(at.stage_position).astype(float)
    code[np.isnan(at.stage_position)] = np.nan
    return code


@feature("momentum", "position", "position of the stage in the funnel, 0 = first", needs=STAGE)
def stage_position(at: At) -> Floats:
    """Renamed stages share their position."""
    return at.stage_position


@feature("momentum", "days", "days since the deal was created")
def age_days(at: At) -> Floats:
    """Age of the deal."""
    return at.age


@feature("momentum", "days", "days in the present stage", needs=STAGE)
def days_in_stage(at: At) -> Floats:
    """Time since the last change of stage."""
    return at.days_in_stage


@feature("momentum", "share", "share of the deal's life spent in the present stage", needs=STAGE)
def stage_life_share(at: At) -> Floats:
    """Near 1: it has been here almost from the start."""
    return at.days_in_stage / np.maximum(at.age, 1 / 24)


@feature("momentum", "count", "changes of stage so far", needs=STAGE)
def stage_changes_count(at: At) -> Floats:
    """All stage events known."""
    return at.seen(at.history.stages).count()


def _steps(at: At) -> Timeline:
    """Stage events with the step in position from the event before (up > 0)."""

    def build() -> Timeline:
        stages = at.history.stages
        names = at.vocabulary.positions(at.history.stage_names)
        place = names[stages.values["stage"].astype(int)] if len(names) else stages.values["stage"]
        step = place - stages.having(place=place).previous("place")
        step = np.where(np.isnan(step), 0.0, step)
        return stages.having(back=step < 0, step=step)

    return at.index(f"steps:{at.vocabulary.key}", build)


@feature("momentum", "count", "steps back in the funnel", needs=STAGE)
def steps_back_count(at: At) -> Floats:
    """Times the deal fell to an earlier stage."""
    return at.seen(_steps(at)).total("back")


@feature("momentum", "positions", "step of the last stage change (negative = back)", needs=STAGE)
def last_step(at: At) -> Floats:
    """Whether the last move was forward, and how far."""
    return at.known(_steps(at), "step")


@feature("momentum", "positions a month", "speed through the funnel so far", needs=STAGE)
def speed(at: At) -> Floats:
    """Positions gained per 30 days of life."""
    return at.stage_position / (at.age + 7) * 30


@feature("momentum", "count", "times the deal was closed and opened again", needs=STAGE)
def reopened_count(at: At) -> Floats:
    """Closings known before the instant, of a deal that is open."""
    return at.seen(at.history.closings).count()


@feature(
    "momentum",
    "rate",
    "win rate of the deals that had reached this stage",
    needs=STAGE,
    why="The stage's own history is the first thing to know of a deal.",
    for_models=False,
)
@once
def stage_win_rate(at: At) -> Floats:
    """Over closings known before the instant, shrunk to the base rate by 20 deals."""
    visits, grouped = of_stages(at, "visits", stage_visits_closed), by_stage(at)
    seen = grouped.asked.seen(visits)
    won, closed = grouped.spread(seen.total("won")), grouped.spread(seen.count())
    return shrunk(won, closed, base_rate(at))


@feature(
    "momentum",
    "rate",
    "win rate of the deals that had reached this stage less the firm's",
    needs=STAGE,
    why="The stage's own history is the first thing to know of a deal.",
)
def stage_win_rate_lift(at: At) -> Floats:
    """What reaching this stage is worth."""
    return stage_win_rate(at) - base_rate(at)


def _stay(at: At, column: str) -> Floats:
    """(n,) mean log stay in the present stage, over stays `column` counts."""
    grouped = by_stage(at)
    seen = of_stages(at, "stays", stage_stays).asked(grouped.asked)
    return grouped.spread(mean(seen.total(f"{column}_log_days"), seen.total(column)))


@feature(
    "momentum",
    "log days",
    "usual stay in this stage of deals that went on",
    needs=STAGE,
    for_models=False,
)
@once
def stage_usual_stay(at: At) -> Floats:
    """Mean log(1 + days) of ended stays that did not end in a loss."""
    return _stay(at, "kept")


@feature(
    "momentum",
    "rate",
    "forecast of exit: share of stays as long as this that went on within 30 days",
    needs=STAGE,
    why="A deal that stays past the usual time seldom moves on at all.",
)
def stage_exit_30d_rate(at: At) -> Floats:
    """Over ended stays in this stage, going on in another stage or a win; shrunk by 5 stays."""
    return exit_rates(at)


@feature(
    "momentum",
    "log ratio",
    "days in stage against the stay of deals that went on",
    needs=STAGE,
    why="Deals that move on do so on time.",
)
def stay_against_kept(at: At) -> Floats:
    """Above 0: longer here than the deals that went on."""
    return at.log_days_in_stage - stage_usual_stay(at)


@feature(
    "momentum",
    "log ratio",
    "days in stage against the stay here of deals that were won",
    needs=STAGE,
    why="Won deals set the pace of each stage.",
)
def stay_against_won(at: At) -> Floats:
    """Above 0: longer here than the deals that were won in the end; NaN before the first."""
    grouped = by_stage(at)
    seen = grouped.asked.seen(of_stages(at, "stays:won", stays_of_won))
    usual = grouped.spread(mean(seen.total("log_days"), seen.count()))
    return at.log_days_in_stage - usual


@feature("momentum", "log ratio", "days in stage against the stay of deals lost here", needs=STAGE)
def stay_against_lost(at: At) -> Floats:
    """Above 0: longer here than the deals that were lost here."""
    return at.log_days_in_stage - _stay(at, "lost")


@feature(
    "momentum",
    "log ratio",
    "age against the usual days to win",
    why="Past the usual cycle every week costs chances.",
)
def age_against_cycle(at: At) -> Floats:
    """Above 0: older than deals were when they were won."""
    return np.log1p(np.maximum(at.age, 0)) - everyone(at).ever("won_log_days")


def _promises(at: At) -> Timeline:
    """Changes of the expected close date; values value, push (days later), pushed (flag)."""

    def build() -> Timeline:
        dates = at.history.changes["expected_close_date"]
        dates = dates.where(~np.isnan(dates.values["value"]))
        push = (dates.values["value"] - dates.previous("value")) / DAY
        columns = {
            "value": dates.values["value"],
            "happened": dates.values["happened"],
            "push": np.where(np.isnan(push), 0.0, push).clip(-730, 730),
            "pushed": push > 0,
        }
        return dates.having(**columns)

    return at.index("promises", build)


@feature("momentum", "count", "times the expected close date was pushed out", needs=CLOSE_DATE)
def pushes_count(at: At) -> Floats:
    """Broken promises."""
    return at.seen(_promises(at)).total("pushed")


@feature("momentum", "days", "sum of all moves of the expected close date", needs=CLOSE_DATE)
def pushed_days(at: At) -> Floats:
    """Net days by which the date has slipped."""
    return at.seen(_promises(at)).total("push")


@feature(
    "momentum", "days", "days to the expected close date (negative = overdue)", needs=CLOSE_DATE
)
@once
def days_to_close_date(at: At) -> Floats:
    """From the date known; NaN where none."""
    return (at.known(_promises(at)) - at.time) / DAY


@feature("momentum", "flag", "the expected close date has passed", needs=CLOSE_DATE)
def overdue_flag(at: At) -> Floats:
    """Nobody has looked after the date."""
    return (days_to_close_date(at) < 0).astype(float)


@feature(
    "momentum", "days", "days since the expected close date was last changed", needs=CLOSE_DATE
)
def days_since_close_date_change(at: At) -> Floats:
    """A date that was looked at lately is worth more."""
    return at.days_since(_promises(at))


@feature(
    "momentum", "days", "length of the deal that the expected close date implies", needs=CLOSE_DATE
)
def promised_cycle(at: At) -> Floats:
    """From creation to the date."""
    return days_between(at.history.created[at.deal], at.known(_promises(at)))
