from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from features.windows import DAY
from training.change_sentences import NEUTRAL, TELLERS, Between, change_sentence
from training.changes_of_score import (
    LEAST_POINTS,
    Change,
    compare,
    points_text,
)
from training.explanation import log_odds
from training.scoring import FACTS, score
from training.sentences import SENTENCES

TIERS = ("table", "logistic", "blend", "full")
WEEK = 7 * DAY
NOTHING = dict.fromkeys(FACTS, np.nan) | {"stage": "", "owner_id": None, "amount": np.nan}


def between(then, now, days=7.0):
    return Between({**NOTHING, **then}, {**NOTHING, **now}, days)


@pytest.fixture(scope="module", params=TIERS)
def bundle(request, bundles):
    return bundles[request.param]


def week_before(bundle, history, cut, deals=None):
    """What has changed since a week before."""
    then, now = (score(bundle, history, at, deals) for at in (cut - WEEK, cut))
    return compare(bundle, then, now)


@pytest.fixture(scope="module")
def changes(bundle, history, cut):
    return week_before(bundle, history, cut)


def test_differences_add_up_to_the_whole_change_of_every_deal(changes):
    for each in changes.deals:
        rise = log_odds(each.after) - log_odds(each.before)
        assert sum(each.groups.values()) == pytest.approx(rise, abs=1e-6)
        assert sum(each.points.values()) == pytest.approx(each.after - each.before, abs=1e-9)


def test_before_and_after_are_the_scores_of_the_two_instants(bundle, history, cut, changes):
    then = score(bundle, history, cut - WEEK).frame.set_index("deal_id")["p_won_90"]
    now = score(bundle, history, cut).frame.set_index("deal_id")["p_won_90"]
    assert {each.deal_id for each in changes.deals} == set(then.index) & set(now.index)
    for each in changes.deals:
        assert (each.before, each.after) == (then[each.deal_id], now[each.deal_id])
    assert set(changes.opened) == set(now.index) - set(then.index)
    assert set(changes.closed) == set(then.index) - set(now.index)


def test_the_largest_changes_come_first_and_small_ones_are_not_told(changes):
    moves = [abs(each.after - each.before) for each in changes.deals]
    assert moves == sorted(moves, reverse=True)
    assert any(each.changes for each in changes.deals)
    for each in changes.deals:
        sizes = [abs(change.points) for change in each.changes]
        assert sizes == sorted(sizes, reverse=True)
        assert all(size >= LEAST_POINTS for size in sizes)


def test_only_the_deals_asked_are_compared(bundle, history, cut, changes):
    chosen = changes.deals[0]
    deal = np.array([history.position_of[chosen.deal_id]])
    alone = week_before(bundle, history, cut, deal)
    assert [each.deal_id for each in alone.deals] == [chosen.deal_id]
    assert alone.deals[0].groups == pytest.approx(chosen.groups, abs=1e-9)


def test_nothing_has_changed_between_an_instant_and_itself(bundle, history, cut):
    now = score(bundle, history, cut)
    for each in compare(bundle, now, now).deals:
        assert each.before == each.after
        assert not each.changes


def test_no_deals_have_no_changes(bundle, history, cut):
    found = week_before(bundle, history, cut, np.zeros(0, np.int64))
    assert (found.deals, found.opened, found.closed) == ([], [], [])


def test_told_replies_and_moves_are_in_the_tables(bundles, history, cut):
    """What the sentences tell, checked against the tables and not against the features."""
    activities = history.tables.activities
    changed = history.tables.deal_history
    at = pd.Timestamp(cut, unit="us", tz="UTC")
    checked = {"reply": 0, "stage": 0}
    for each in week_before(bundles["full"], history, cut).deals:
        mine = activities[activities["deal_id"] == each.deal_id]
        stages = changed[(changed["deal_id"] == each.deal_id) & (changed["property"] == "stage")]
        for change in each.changes:
            if match := re.match(r"a reply came (\d+) days? ago", change.text):
                heard = mine.loc[(mine["direction"] == "inbound"), "occurred_at"]
                last = heard[(heard < at)].max()
                assert at - pd.Timedelta("7D") <= last
                assert int(match[1]) == round((at - last) / pd.Timedelta("1D"))
                checked["reply"] += 1
            if match := re.match(r"moved from “(.+)” to “(.+)”", change.text):
                known = stages[stages["changed_at"] < at].sort_values("changed_at")
                before = known[known["changed_at"] < at - pd.Timedelta("7D")]
                assert match[1] == before["value"].iloc[-1]
                assert match[2] == known["value"].iloc[-1]
                checked["stage"] += 1
    assert min(checked.values()) >= 3


@pytest.mark.parametrize("theme", sorted({*SENTENCES, "custom", "curve", "base"}))
@pytest.mark.parametrize("up", [True, False])
def test_a_change_of_a_deal_of_which_nothing_is_known_is_told_in_words(theme, up):
    text = change_sentence(theme, between({"age_days": 1.0}, {"age_days": 8.0}), up=up)
    assert text
    assert "nan" not in text


def test_every_theme_with_a_sentence_has_words_for_its_changes():
    assert set(SENTENCES) == set(TELLERS) <= set(NEUTRAL)


@pytest.mark.parametrize(
    ("theme", "then", "now", "up", "text"),
    [
        (
            "replies",
            {"days_since_last_inbound": 30.0},
            {"days_since_last_inbound": 2.1},
            True,
            "a reply came 2 days ago",
        ),
        (
            "replies",
            {"days_since_last_inbound": 30.0},
            {"days_since_last_inbound": 2.1},
            False,
            NEUTRAL["replies"],
        ),
        (
            "replies",
            {"days_since_last_inbound": 30.0},
            {"days_since_last_inbound": 11.0},
            True,
            "a reply of 11 days ago was entered",
        ),
        (
            "replies",
            {"days_since_last_inbound": 30.0},
            {"days_since_last_inbound": 37.0},
            False,
            "no reply, for 37 days by now",
        ),
        ("replies", {}, {}, False, "still no word from the buyer"),
        (
            "activity",
            {"activities_count": 3.0},
            {"activities_count": 4.0},
            True,
            "1 new activity",
        ),
        (
            "activity",
            {"activities_count": 3.0, "days_since_last_activity": 1.0},
            {"activities_count": 3.0, "days_since_last_activity": 8.0},
            False,
            "nothing done, for 8 days by now",
        ),
        (
            "meetings",
            {"meetings_ahead_count": 0.0},
            {"meetings_ahead_count": 1.0},
            True,
            "a meeting was booked",
        ),
        (
            "meetings",
            {"meetings_ahead_count": 1.0},
            {"meetings_ahead_count": 0.0, "days_since_last_meeting": 1.0},
            True,
            "a meeting took place 1 day ago",
        ),
        (
            "contacts",
            {"contacts_count": 1.0},
            {"contacts_count": 3.0},
            True,
            "2 contacts took part for the first time",
        ),
        (
            "contacts",
            {"contacts_count": 3.0, "contacts_90d_count": 3.0},
            {"contacts_count": 3.0, "contacts_90d_count": 2.0},
            False,
            "1 contact not heard of for 90 days",
        ),
        (
            "stage",
            {"stage": "lead", "stage_position": 0.0},
            {"stage": "offer", "stage_position": 2.0},
            True,
            "moved from “lead” to “offer”",
        ),
        (
            "stage",
            {"stage": "lead", "days_in_stage": 3.0},
            {"stage": "lead", "days_in_stage": 10.0},
            False,
            "still in “lead”, for 10 days by now",
        ),
        ("age", {"age_days": 3.0}, {"age_days": 10.0}, True, "7 days older, 10 days by now"),
        (
            "close date",
            {"days_to_close_date": 10.0},
            {"days_to_close_date": 33.0},
            False,
            "close date pushed by 30 days",
        ),
        (
            "close date",
            {"days_to_close_date": 40.0},
            {"days_to_close_date": 13.0},
            True,
            "close date brought forward by 20 days",
        ),
        (
            "close date",
            {"days_to_close_date": 2.0},
            {"days_to_close_date": -5.0},
            False,
            "close date passed 5 days ago",
        ),
        (
            "close date",
            {},
            {"days_to_close_date": 20.0},
            True,
            "an expected close date was entered",
        ),
        (
            "amount",
            {"amount": 1000.0},
            {"amount": 1500.0},
            False,
            "amount raised from 1,000 to 1,500",
        ),
        ("amount", {}, {"amount": 1500.0}, True, "an amount was entered, 1,500"),
        (
            "owner",
            {"owner_id": "a"},
            {"owner_id": "b"},
            True,
            "handed to another owner",
        ),
        (
            "owner",
            {"owner_id": "a", "owner_win_rate": 0.2},
            {"owner_id": "a", "owner_win_rate": 0.3},
            True,
            "its owner's win rate went from 20.0% to 30.0%",
        ),
        (
            "owner",
            {"owner_id": "a", "owner_open_count": 10.0},
            {"owner_id": "a", "owner_open_count": 12.0},
            False,
            "its owner has 12 open deals, it was 10",
        ),
        (
            "account",
            {"account_won_count": 0.0},
            {"account_won_count": 1.0},
            True,
            "1 other deal won with this account",
        ),
        (
            "custom",
            {"custom": {"call": "“best case”", "seats": "1"}},
            {"custom": {"call": "“commit”", "seats": "1"}},
            True,
            "call went from “best case” to “commit”",
        ),
        ("custom", {}, {"custom": {"call": "“commit”"}}, True, "call went to “commit”"),
        (
            "custom",
            {"custom": {"seats": "1"}},
            {"custom": {"seats": "1"}},
            True,
            NEUTRAL["custom"],
        ),
        (
            "calendar",
            {"quarter_end_days": 2.0},
            {"quarter_end_days": 85.0},
            False,
            "a new quarter began",
        ),
    ],
)
def test_a_change_is_told_with_the_numbers_of_the_deal(theme, then, now, up, text):
    assert change_sentence(theme, between(then, now), up=up) == text


@pytest.mark.parametrize(
    ("points", "text"),
    [(0.06, "+6 points"), (-0.0072, "-0.7 points"), (0.0101, "+1 point"), (-0.0101, "-1 point")],
)
def test_points_are_told_in_words(points, text):
    assert points_text(points) == text
    assert str(Change("replies", 0.1, points, "a reply came")) == f"a reply came: {text}"
