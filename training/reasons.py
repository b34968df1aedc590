"""Reasons: what speaks for a deal and against it, in short true sentences with the numbers.

The contributions of the features to the log-odds of winning within the explained knot (84 days)
are exact for each learner (TreeSHAP for trees; coefficient x deviation for the logistic; cell
against mean for the table), averaged with the learners' weights, scaled by the calibration's slope
and summed by theme. They add up to the calibrated log-odds of that knot, before the curve is made
coherent.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.catalogue import CATALOGUE
from training.bundle import Bundle
from training.incidence import KNOTS
from training.learners import grouped
from training.scoring import Scored

EXPLAINED = KNOTS.index(84)
TOP = 3
LEAST = 0.05
"""Contributions below this, in log-odds, are not worth a sentence."""

Sentence = Callable[[pd.Series, bool], str]


@dataclass(frozen=True)
class Reason:
    """One reason: its theme, its part of the log-odds, and the sentence for people."""

    theme: str
    contribution: float
    text: str


def contributions(bundle: Bundle, features: pd.DataFrame) -> pd.DataFrame:
    """(n, features + 1) parts of the calibrated log-odds of winning within 84 days, and `base`."""
    parts = bundle.close.won[EXPLAINED].contributions(features)
    parts = parts * bundle.close.slope[0]
    parts["base"] += bundle.close.offset[0]
    return parts


def reasons(bundle: Bundle, scored: Scored) -> list[list[Reason]]:
    """Reasons of each scored deal, the strongest for and against, at most TOP of each."""
    if not len(scored.frame):
        return []
    parts = contributions(bundle, scored.features)
    # Against the usual open deal: what all deals share is no reason for one of them.
    themes = {name: theme_of(str(name)) for name in parts.columns}
    by_theme = grouped(parts, themes).drop(columns="base")
    by_theme = by_theme - by_theme.median() if len(by_theme) > 20 else by_theme
    return [_of_deal(row, scored.facts.iloc[n]) for n, (_, row) in enumerate(by_theme.iterrows())]


def reason_texts(bundle: Bundle, scored: Scored) -> list[str]:
    """(n,) reasons of each deal in one text, strongest first, each with its sign."""
    return [
        "; ".join(f"{'+' if r.contribution > 0 else '-'} {r.text}" for r in found)
        for found in reasons(bundle, scored)
    ]


def _of_deal(parts: pd.Series, facts: pd.Series) -> list[Reason]:
    ranked = parts.sort_values(key=np.abs, ascending=False)
    ranked = ranked[ranked.abs() >= LEAST]
    plain = [reads_as(str(theme), facts, up=ranked[theme] > 0) for theme in ranked.index]
    ranked = ranked[plain]
    chosen = [*ranked[ranked > 0].index[:TOP], *ranked[ranked < 0].index[:TOP]]
    return [
        Reason(theme, float(parts[theme]), sentence(theme, facts, bool(parts[theme] > 0)))
        for theme in sorted(chosen, key=lambda name: -abs(parts[name]))
    ]


def reads_as(theme: str, facts: pd.Series, *, up: bool) -> bool:
    """Tell whether the sentence of a theme would read as what it is, for the deal or against it.

    A theme sums features that depend on each other, so "no reply for 74 days" can, given all the
    rest, raise the odds a little. True as it is, nobody could act on it: it is left unsaid.
    """
    good, bad = READINGS.get(theme, (None, None))
    if good is not None and good(facts):
        return up
    if bad is not None and bad(facts):
        return not up
    return True


def theme_of(feature: str) -> str:
    """Group of features that say one thing."""
    if feature == "base":
        return "base"
    for theme, words in THEMES.items():
        if any(word in feature for word in words):
            return theme
    found = CATALOGUE.get(feature)
    return found.family if found else "custom"


THEMES = {
    "meetings": ("meeting",),
    "contacts": ("contact", "seniority"),
    "replies": ("inbound", "answer", "unanswered", "inflation"),
    "activity": (
        "activit", "email", "call", "note", "task", "outbound", "pace", "silence", "gap",
    ),
    "close date": ("close_date", "push", "overdue", "promised"),
    "stage": ("stage", "step", "speed", "stay", "reopened"),
    "age": ("age_days", "age_against", "cycle"),
    "owner": ("owner", "team"),
    "amount": ("amount", "size_win_rate"),
}  # fmt: skip


def _number(facts: pd.Series, name: str) -> float:
    return float(facts[name]) if name in facts and pd.notna(facts[name]) else float("nan")


def _days(value: float) -> str:
    whole = round(value)
    return "less than a day" if whole == 0 else "1 day" if whole == 1 else f"{whole} days"


def _count(value: float, one: str, many: str | None = None) -> str:
    whole = round(value)
    return f"{whole or 'no'} {one if whole == 1 else many or one + 's'}"


def _activity(facts: pd.Series, _: bool) -> str:
    count = _number(facts, "activities_30d_count")
    since = _number(facts, "days_since_last_activity")
    if np.isnan(since):
        return "no activity logged so far"
    if np.isnan(count):
        return f"last activity {_days(since)} ago"
    return f"{_count(count, 'activity', 'activities')} in 30 days, the last {_days(since)} ago"


def _replies(facts: pd.Series, _: bool) -> str:
    since = _number(facts, "days_since_last_inbound")
    if np.isnan(since):
        return "the buyer has not written or called yet"
    waiting = _number(facts, "unanswered_count")
    text = f"last heard from the buyer {_days(since)} ago"
    return text + (f", {round(waiting)} touches unanswered since" if waiting >= 2 else "")


def _meetings(facts: pd.Series, _: bool) -> str:
    if _number(facts, "meetings_ahead_count") > 0:
        return "a meeting is booked ahead"
    since = _number(facts, "days_since_last_meeting")
    if np.isnan(since):
        return "no meeting so far"
    return f"last meeting {_days(since)} ago"


def _contacts(facts: pd.Series, _: bool) -> str:
    count = _number(facts, "contacts_90d_count")
    if np.isnan(count):
        return "the contacts involved so far"
    return f"{_count(count, 'contact')} involved in the last 90 days"


def _stage(facts: pd.Series, up: bool) -> str:
    name = f"“{facts['stage']}”" if facts["stage"] else "the present stage"
    days = _number(facts, "days_in_stage")
    usual = float(np.expm1(_number(facts, "stage_usual_stay")))
    if up and days > usual:
        return f"has come as far as {name}"
    text = f"in {name}" + ("" if np.isnan(days) else f" for {_days(days)}")
    if np.isnan(usual):
        return text
    return f"{text}; deals that go on usually stay {_days(max(usual, 1.0))}"


def _age(facts: pd.Series, _: bool) -> str:
    age = _number(facts, "age_days")
    ratio = _number(facts, "age_against_cycle")
    if np.isnan(ratio):
        return f"{_days(age)} old"
    usual = np.expm1(np.log1p(max(age, 0.0)) - ratio)
    return f"{_days(age)} old, won deals usually take {_days(max(usual, 1.0))}"


def _close_date(facts: pd.Series, _: bool) -> str:
    days = _number(facts, "days_to_close_date")
    pushes = _number(facts, "pushes_count")
    text = (
        "no expected close date"
        if np.isnan(days)
        else f"close date passed {_days(-days)} ago"
        if days < 0
        else f"close date in {_days(days)}"
    )
    return text + (f", pushed {_count(pushes, 'time')}" if pushes >= 1 else "")


def _amount(facts: pd.Series, _: bool) -> str:
    against = _number(facts, "amount_against_segment")
    if _number(facts, "amount_missing_flag") == 1:
        return "no amount entered"
    if np.isnan(against):
        return "the amount and how it has changed"
    return f"amount {np.exp(against):.1f} times what such deals are usually won for"


def _owner(facts: pd.Series, up: bool) -> str:
    rate = _number(facts, "owner_win_rate")
    load = _number(facts, "owner_open_count")
    if np.isnan(rate):
        return "the owner's record with such deals"
    text = f"its owner wins {rate:.0%} of closed deals"
    return text + (f" and has {round(load)} open" if not up and load >= 1 else "")


def _source(facts: pd.Series, _: bool) -> str:
    rate, lift = _number(facts, "segment_win_rate"), _number(facts, "segment_win_rate_lift")
    if np.isnan(rate):
        return "its source and type"
    return f"deals of its source and type win {rate:.0%}, {lift * 100:+.0f} points against all"


def _account(facts: pd.Series, up: bool) -> str:
    won = _number(facts, "account_won_count")
    if won >= 1:
        return f"{_count(won, 'deal')} won with this account before"
    return f"the account is {'like' if up else 'unlike'} those that buy"


def _calendar(facts: pd.Series, _: bool) -> str:
    days = _number(facts, "quarter_end_days")
    return "the time of year" if np.isnan(days) else f"{_days(days)} to the end of the quarter"


def _below(name: str, limit: float) -> Callable[[pd.Series], bool]:
    return lambda facts: _number(facts, name) < limit


def _above(name: str, limit: float) -> Callable[[pd.Series], bool]:
    return lambda facts: _number(facts, name) > limit


def _never_heard(facts: pd.Series) -> bool:
    since = _number(facts, "days_since_last_inbound")
    return bool(np.isnan(since)) or since > 21


def _silent(facts: pd.Series) -> bool:
    return not _number(facts, "activities_30d_count") > 0


Judge = Callable[[pd.Series], bool]
READINGS: dict[str, tuple[Judge | None, Judge | None]] = {
    "replies": (_below("days_since_last_inbound", 4), _never_heard),
    "activity": (None, _silent),
    "meetings": (_above("meetings_ahead_count", 0), None),
    "contacts": (_above("contacts_90d_count", 2), _below("contacts_90d_count", 1)),
    "close date": (None, _below("days_to_close_date", 0)),
    "amount": (None, _above("amount_against_segment", 0.7)),
    "account": (_above("account_won_count", 0), None),
    "source": (_above("segment_win_rate_lift", 0.02), _below("segment_win_rate_lift", -0.02)),
}
"""By theme: facts that anybody reads as good for a deal, and facts that anybody reads as bad."""


SENTENCES: dict[str, Sentence] = {
    "activity": _activity,
    "replies": _replies,
    "meetings": _meetings,
    "contacts": _contacts,
    "stage": _stage,
    "age": _age,
    "close date": _close_date,
    "amount": _amount,
    "owner": _owner,
    "source": _source,
    "account": _account,
    "calendar": _calendar,
}


def sentence(theme: str, facts: pd.Series, up: bool) -> str:
    """One reason in words, with the deal's own numbers."""
    say = SENTENCES.get(theme)
    return say(facts, up) if say else "the firm's own columns"
