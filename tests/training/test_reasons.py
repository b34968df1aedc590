from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from features.catalogue import CATALOGUE
from training.incidence import KNOTS
from training.learners import grouped
from training.reasons import (
    LEAST,
    READINGS,
    SENTENCES,
    TOP,
    contributions,
    reason_texts,
    reasons,
    sentence,
    theme_of,
)
from training.scoring import FACTS, score

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


def test_contributions_add_up_to_the_calibrated_log_odds(bundle, scored):
    parts = contributions(bundle, scored.features)
    explained = bundle.close.won[KNOTS.index(84)]
    expected = bundle.close.offset[0] + bundle.close.slope[0] * explained.logits(scored.features)
    assert parts.sum(axis=1).to_numpy() == pytest.approx(expected, abs=1e-6)


def test_themes_add_up_to_what_their_features_do(bundle, scored):
    parts = contributions(bundle, scored.features)
    by_theme = grouped(parts, {name: theme_of(str(name)) for name in parts})
    assert by_theme.sum(axis=1).to_numpy() == pytest.approx(parts.sum(axis=1).to_numpy(), abs=1e-9)
    assert "base" in by_theme


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
        ("calendar", {"quarter_end_days": 9.0}, "9 days to the end of the quarter"),
    ],
)
def test_sentence_says_the_numbers_of_the_deal(theme, known, text):
    assert sentence(theme, facts(**known), up=True) == text
