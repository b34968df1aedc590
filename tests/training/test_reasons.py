from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from features.catalogue import CATALOGUE
from training.explanation import log_odds, usual_groups
from training.reasons import LEAST, TOP, custom_values, explain, reason_texts, reasons
from training.scoring import FACTS, score
from training.sentences import READINGS, SENTENCES, sentence
from training.themes import theme_of

TIERS = ("table", "logistic", "blend", "full")
NOTHING = pd.Series(dict.fromkeys(FACTS, np.nan) | {"stage": "", "age_days": 5.0}, dtype=object)


def facts(**known):
    return pd.Series({**NOTHING, **known}, dtype=object)


@pytest.fixture(scope="module", params=TIERS)
def bundle(request, bundles):
    return bundles[request.param]


@pytest.fixture(scope="module")
def scored(bundle, history, cut):
    return score(bundle, history, cut)


@pytest.fixture(scope="module")
def found(bundle, scored):
    return reasons(bundle, scored)


def test_base_and_groups_add_up_to_the_served_probability(bundle, scored):
    for each, p in zip(explain(bundle, scored), scored.frame["p_won_90"], strict=True):
        assert each.p_won_90 == p
        assert each.base + sum(each.groups.values()) == pytest.approx(log_odds(p), abs=1e-6)
        assert each.usual + sum(each.points.values()) == pytest.approx(p, abs=1e-9)


def test_deals_asked_alone_have_the_reasons_they_have_among_all(bundle, scored):
    usual, among = usual_groups(bundle, scored), explain(bundle, scored)
    for row in (0, len(among) // 2, len(among) - 1):
        (alone,) = explain(bundle, scored, np.array([row]), usual)
        assert alone.deal_id == among[row].deal_id
        assert alone.groups == pytest.approx(among[row].groups, abs=1e-9)
        assert [r.text for r in alone.reasons] == [r.text for r in among[row].reasons]


def test_points_of_a_reason_are_those_of_its_theme(bundle, scored):
    for each in explain(bundle, scored):
        for reason in each.reasons:
            assert reason.points == each.points[reason.theme]
            assert reason.contribution == each.groups[reason.theme]
            assert reason.points * reason.contribution > 0


def test_every_deal_has_few_reasons_the_strongest_first_and_none_twice(found, scored):
    assert len(found) == len(scored.frame)
    assert sum(map(len, found)) > len(found)
    for each in found:
        sizes = [abs(reason.contribution) for reason in each]
        assert sizes == sorted(sizes, reverse=True)
        assert all(size >= LEAST for size in sizes)
        assert len({reason.theme for reason in each}) == len(each)
        assert sum(reason.contribution > 0 for reason in each) <= TOP
        assert sum(reason.contribution < 0 for reason in each) <= TOP


def test_sentences_are_short_and_say_something(found):
    for reason in (reason for each in found for reason in each):
        assert 3 < len(reason.text) < 120
        assert "nan" not in reason.text.lower().split()
        assert not re.search(r"-\d", reason.text.replace("points", "")) or "points" in reason.text


def test_sentences_are_true_to_the_history(bundle, scored, found, history, cut):
    """Numbers in the sentences, checked against the tables and not against the features."""
    activities = history.tables.activities
    entered = activities["recorded_at"].fillna(activities["occurred_at"])
    known = activities[(entered < _at(cut)) & (activities["occurred_at"] < _at(cut))]
    checked = 0
    for deal_id, each in zip(scored.frame["deal_id"], found, strict=True):
        mine = known[known["deal_id"] == deal_id]
        for reason in each:
            if match := re.match(r"(\w+) activit\w+ in 30 days", reason.text):
                since = _at(cut) - pd.Timedelta("30D")
                count = int((mine["occurred_at"] >= since).sum())
                assert match[1] == (str(count) if count else "no")
                checked += 1
            if reason.text == "the buyer has not written or called yet":
                assert not (mine["direction"] == "inbound").any()
                checked += 1
            if match := re.match(r"last heard from the buyer (\d+) days? ago", reason.text):
                last = mine.loc[mine["direction"] == "inbound", "occurred_at"].max()
                assert int(match[1]) == round((_at(cut) - last) / pd.Timedelta("1D"))
                checked += 1
    assert checked > 10 or bundle.tier == "table"


def _at(cut):
    return pd.Timestamp(cut, unit="us", tz="UTC")


def test_stage_named_is_the_deals_own(scored, found):
    for stage, each in zip(scored.frame["stage"], found, strict=True):
        for reason in each:
            if reason.theme == "stage" and "“" in reason.text:
                assert f"“{stage}”" in reason.text


def test_reasons_never_read_as_the_opposite_of_what_they_are(scored, found):
    for (_, row), each in zip(scored.facts.iterrows(), found, strict=True):
        for reason in each:
            good, bad = READINGS.get(reason.theme, (None, None))
            if good is not None and good(row):
                assert reason.contribution > 0
            elif bad is not None and bad(row):
                assert reason.contribution < 0


def test_texts_carry_the_sign_of_each_reason(bundle, scored, found):
    texts = reason_texts(bundle, scored)
    for text, each in zip(texts, found, strict=True):
        signs = ["+" if reason.contribution > 0 else "-" for reason in each]
        assert text == "; ".join(f"{s} {r.text}" for s, r in zip(signs, each, strict=True))


def test_no_deals_have_no_reasons(bundle, history, cut):
    nobody = score(bundle, history, cut, np.zeros(0, np.int64))
    assert reasons(bundle, nobody) == []
    assert reason_texts(bundle, nobody) == []


@pytest.mark.parametrize("name", sorted(CATALOGUE))
def test_every_feature_has_a_theme_with_a_sentence_or_is_a_custom_one(name):
    assert theme_of(name) in {*SENTENCES, "custom"}


@pytest.mark.parametrize("up", [True, False])
@pytest.mark.parametrize("theme", [*SENTENCES, "custom", "another"])
def test_sentence_about_a_deal_of_which_nothing_is_known_is_still_one(theme, up):
    text = sentence(theme, NOTHING, up)
    assert text
    assert "nan" not in text


@pytest.mark.parametrize(
    ("theme", "known", "text"),
    [
        (
            "activity",
            {"activities_30d_count": 1.0, "days_since_last_activity": 0.2},
            "1 activity in 30 days, the last less than a day ago",
        ),
        (
            "activity",
            {"activities_30d_count": 0.0, "days_since_last_activity": 41.0},
            "no activities in 30 days, the last 41 days ago",
        ),
        (
            "replies",
            {"days_since_last_inbound": 1.0, "unanswered_count": 4.0},
            "last heard from the buyer 1 day ago, 4 touches unanswered since",
        ),
        (
            "replies",
            {"days_since_last_inbound": 19.0, "unanswered_count": 4.0, "usual_wait": 20.0},
            "last heard from the buyer 19 days ago, 4 touches unanswered since",
        ),
        ("meetings", {"meetings_ahead_count": 1.0}, "a meeting is booked ahead"),
        ("contacts", {"contacts_90d_count": 2.0}, "2 contacts involved in the last 90 days"),
        (
            "close date",
            {"days_to_close_date": -12.0, "pushes_count": 2.0},
            "close date passed 12 days ago, pushed 2 times",
        ),
        ("amount", {"amount_missing_flag": 1.0}, "no amount entered"),
        (
            "amount",
            {"amount_missing_flag": 0.0, "amount_against_segment": np.log(2.5)},
            "amount 2.5 times what such deals are usually won for",
        ),
        ("account", {"account_won_count": 1.0}, "1 deal won with this account before"),
        (
            "custom",
            {"custom": {"segment": "“large”", "score": "12", "third": "1"}},
            "segment: “large”, score: 12",
        ),
        ("calendar", {"quarter_end_days": 9.0}, "9 days to the end of the quarter"),
    ],
)
def test_sentence_says_the_numbers_of_the_deal(theme, known, text):
    assert sentence(theme, facts(**known), up=True) == text


def test_a_long_wait_is_told_beside_what_is_usual_where_it_speaks_against_the_deal():
    waits = facts(days_since_last_inbound=19.0, usual_wait=4.2)
    expected = "no reply for 19 days; deals won from this stage usually wait 4 days"
    assert sentence("replies", waits, up=False) == expected
    assert sentence("replies", waits, up=True) == "last heard from the buyer 19 days ago"


def test_columns_of_the_firms_own_are_told_by_name_with_their_values(trained):
    words = replace(
        trained.bundle.vocabulary,
        categories={"history.forecast_call": ("best case", "commit")},
        numeric=("deals.seats",),
        dates=("history.renewal",),
    )
    names = ("age_days", "history.forecast_call", "deals.seats", "history.renewal")
    bundle = replace(trained.bundle, vocabulary=words, features=names)
    rows = pd.DataFrame(
        [[1.0, 1.0, 12000.0, -3.2], [2.0, np.nan, 1.5, 8.0], [2.0, np.nan, np.nan, np.nan]],
        columns=list(names),
    )
    assert custom_values(bundle, rows) == [
        {"forecast call": "“commit”", "seats": "12,000", "renewal": "3 days ago"},
        {"seats": "1.5", "renewal": "in 8 days"},
        {},
    ]
