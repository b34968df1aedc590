from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.windows import DAY
from training.outlook import make_outlook
from training.standing import (
    BOOKED,
    ELSEWHERE,
    LOST,
    STILL_OPEN,
    UNKNOWN,
    PeriodError,
    Span,
    Standing,
    apportion,
    stand,
)
from training.waterfall import BARS, compare, waterfall

STATES = (UNKNOWN, STILL_OPEN, BOOKED, LOST, ELSEWHERE)


def micros(day):
    return int(pd.Timestamp(day, tz="UTC").as_unit("us").asm8.astype("int64"))


SINCE, AS_OF = micros("2024-05-05"), micros("2024-05-25")
QUARTER = Span.holding(AS_OF, "quarter")


@pytest.fixture(scope="module")
def bundle(bundles):
    return bundles["logistic"]


@pytest.fixture(scope="module")
def other(bundles):
    return replace(bundles["table"], version="2")


@pytest.fixture(scope="module")
def told(bundle, history):
    return waterfall(bundle, bundle, history, SINCE, AS_OF, QUARTER, paths=300)


def assert_adds_up(found):
    assert found.begin + found.bars()["cents"].sum() == found.end
    for owner, ends in found.owners.iterrows():
        assert ends["begin"] + found.bars(owner)["cents"].sum() == ends["end"]
    assert found.owners["begin"].sum() == found.begin
    assert found.owners["end"].sum() == found.end


def test_bars_add_up_to_the_cent_for_the_firm_and_every_owner(told):
    assert_adds_up(told)
    assert told.begin != told.end
    assert (told.bars()["cents"] != 0).sum() >= 7


@pytest.mark.parametrize(
    ("since", "as_of", "span"),
    [
        ("2024-02-10", "2024-05-25", "2024-Q2"),
        ("2024-05-05", "2024-06-20", "2024-06"),
        ("2024-03-05", "2024-06-10", "2024-Q1"),
        ("2024-04-10", "2024-06-10", "2024-Q4"),
        ("2024-05-10", "2024-05-10", "2024-Q2"),
    ],
)
def test_bars_add_up_whenever_the_period_is(bundle, history, since, as_of, span):
    instants = micros(since), micros(as_of)
    found = waterfall(bundle, bundle, history, *instants, Span.named(span), paths=100)
    assert_adds_up(found)
    if since == as_of:
        assert found.rows.empty


def test_both_ends_are_what_the_forecast_of_their_day_says(told, bundle, history):
    for at, cents in ((SINCE, told.begin), (AS_OF, told.end)):
        frame = make_outlook(bundle, history, at, period="quarter", paths=300).frame
        assert cents == round(100 * frame["mean"][0])


def test_same_model_on_both_sides_is_no_movement_and_another_one_is_its_own_bar(
    told, bundle, other, history
):
    assert told.bars().set_index("bar").loc["model changed", "cents"] == 0
    changed = waterfall(bundle, other, history, SINCE, AS_OF, QUARTER, paths=300)
    assert_adds_up(changed)
    bars = [w.bars().set_index("bar")["cents"].drop("model changed") for w in (told, changed)]
    assert bars[0].tolist() == bars[1].tolist()
    by_other = make_outlook(other, history, AS_OF, period="quarter", paths=300).frame
    assert changed.end == round(100 * by_other["mean"][0])
    assert changed.bars().set_index("bar").loc["model changed", "cents"] != 0


def test_won_lost_and_created_are_the_deals_of_the_history(told, firm):
    rows = firm.tables["deal_history"]
    times = pd.Timestamp(SINCE, unit="us", tz="UTC"), pd.Timestamp(AS_OF, unit="us", tz="UTC")
    stage = rows[(rows["property"] == "stage") & (rows["recorded_at"] < times[1])]
    last = stage.sort_values("recorded_at", kind="stable").groupby("deal_id").last()
    first = rows.groupby("deal_id")["recorded_at"].min()
    created = set(first.index[(first >= times[0]) & (first < times[1])])
    since = set(last.index[last["recorded_at"] >= times[0]]) - created
    for bar, ending in (("won", "closed_won"), ("lost", "closed_lost")):
        ids = set(told.rows.loc[told.rows["bar"] == bar, "deal_id"])
        assert ids
        assert ids <= {deal for deal in since if last.loc[deal, "value"] == ending}
    found = set(told.rows.loc[told.rows["bar"] == "created", "deal_id"])
    assert found <= created
    assert len(found) > 0.9 * len(created)


def test_date_moved_over_the_end_of_the_period_is_pulled_in_or_pushed_out(bundle, history):
    span = Span.named("2024-05")
    times = micros("2024-03-25"), AS_OF
    rows = waterfall(bundle, bundle, history, *times, span, paths=50).rows
    for bar, before, after in (
        ("pulled in", "due_before", "due_after"),
        ("pushed out", "due_after", "due_before"),
    ):
        moved = rows[rows["bar"] == bar]
        assert len(moved)
        assert (moved[before] >= span.end).all()
        assert (moved[after] < span.end).all()
        assert (moved[["state_before", "state_after"]] == STILL_OPEN).all(axis=None)


def test_deal_still_open_when_the_period_ends_is_pushed_out_of_it(bundle, history):
    span = Span.named("2024-Q1")
    found = waterfall(bundle, bundle, history, micros("2024-03-05"), AS_OF, span, paths=50)
    stayed = (found.rows[["state_before", "state_after"]] == STILL_OPEN).all(axis=1)
    assert set(found.rows.loc[stayed, "bar"]) == {"pushed out"}
    assert found.end == stand(bundle, history, AS_OF, span).deals["cents"].sum()


def test_deal_of_which_nothing_was_heard_is_no_news(told, history):
    deal = np.array([history.position_of[i] for i in told.rows["deal_id"] if i])
    heard = np.zeros(len(deal), bool)
    for facts in (history.activities, history.stages, *history.changes.values()):
        counts = [facts.count(deal, np.full(len(deal), at)) for at in (SINCE, AS_OF)]
        heard |= counts[1] > counts[0]
    rows = told.rows[told.rows["deal_id"] != ""]
    quiet = (rows["bar"] == "no news").to_numpy()
    assert quiet.any()
    assert not heard[quiet].any()
    assert heard[rows["bar"].isin(["chance up", "chance down", "won", "lost"])].all()


def standing(rng, as_of, size):
    """A random standing of `size` deals."""
    state = rng.choice(np.array(STATES, object), size)
    worth = np.isin(state, [STILL_OPEN, BOOKED])
    deals = pd.DataFrame(
        {
            "state": state,
            "amount": np.where(rng.random(size) < 0.3, np.nan, rng.integers(1, 4, size) * 10.0),
            "due": np.where(
                rng.random(size) < 0.3, np.nan, AS_OF + rng.integers(-60, 90, size) * float(DAY)
            ),
            "owner": rng.choice(np.array(["", "ann", "bob"], object), size),
            "cents": np.where(worth, rng.integers(0, 5000, size), 0),
            "expected": np.where(state == STILL_OPEN, rng.uniform(1, 60, size), np.nan),
        }
    )
    owners = rng.choice(["", "ann", "bob", "cid"], rng.integers(0, 4), replace=False)
    new = pd.Series(rng.integers(-500, 5000, len(owners)), owners, dtype=np.int64)
    return Standing(as_of, deals, new, "revenue")


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_bars_of_any_two_standings_add_up(history, seed):
    rng = np.random.default_rng(seed)
    before, after, final = (standing(rng, at, history.size) for at in (SINCE, AS_OF, AS_OF))
    assert_adds_up(compare(before, after, final, QUARTER, history))


@pytest.mark.parametrize("seed", range(3))
def test_bars_of_random_histories_add_up(bundles, make_history, seed):
    rng = np.random.default_rng(seed)
    created = pd.Timestamp("2024-01-01", tz="UTC") + pd.to_timedelta(
        rng.integers(0, 150, 80), unit="D"
    )
    closed = created + pd.to_timedelta(rng.integers(1, 90, 80), unit="D")
    rows = {
        "created": created,
        "closed": pd.Series(closed).where(rng.random(80) < 0.7),
        "won": rng.random(80) < 0.5,
        "amount": pd.Series(rng.lognormal(8, 1, 80)).where(rng.random(80) < 0.8),
        "amount_at_close": rng.lognormal(8, 1, 80).round(3),
    }
    history = make_history(rows)
    found = waterfall(
        *(bundles["table"], bundles["logistic"]),
        *(history, SINCE, AS_OF, QUARTER),
        paths=40,
    )
    assert_adds_up(found)


def test_amount_goes_first_and_the_chance_takes_the_rest(history):
    size = history.size
    plain = pd.DataFrame(
        {"state": [UNKNOWN] * size, "amount": np.nan, "due": np.nan, "owner": "", "cents": 0}
    ).assign(expected=np.nan)
    sides = []
    for amount, expected, cents in ((100.0, 90.0, 4500), (200.0, 180.0, 5400)):
        deals = plain.copy()
        deals.loc[0, ["state", "amount", "expected", "cents"]] = [
            *(STILL_OPEN, amount, expected, cents)
        ]
        sides.append(deals.astype({"cents": int}))
    nobody = pd.Series(dtype=np.int64)
    before, after = (
        Standing(at, deals, nobody, "revenue")
        for at, deals in zip((SINCE, AS_OF), sides, strict=True)
    )
    found = compare(before, after, after, QUARTER, history)
    by_bar = found.rows.set_index("bar")["cents"]
    assert by_bar["amount up"] == round(0.5 * (180 - 90) * 100)
    assert by_bar.drop("amount up").tolist() == [900 - 4500]


def test_every_bar_is_explained():
    assert set(BARS) >= {"won", "lost", "created", "amount up", "pulled in", "pushed out"}
    assert all(BARS.values())


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 1e7), min_size=1, max_size=30))
def test_apportioned_cents_sum_to_the_whole_and_stay_near(values):
    whole = round(100 * sum(values))
    found = apportion(np.array(values), whole)
    assert found.sum() == whole
    assert (np.abs(found - 100 * np.array(values)) <= 1.001).all()


@pytest.mark.parametrize(
    ("name", "begin", "end"),
    [("2024-02", "2024-02-01", "2024-03-01"), ("2024-Q3", "2024-07-01", "2024-10-01")],
)
def test_periods_are_told_by_name(name, begin, end):
    assert Span.named(name) == Span(Span.named(name).kind, name, micros(begin), micros(end))


@pytest.mark.parametrize("name", ["", "2024", "2024-13", "2024-Q5", "Q1", "2024-1"])
def test_what_is_no_period_is_refused_with_what_is(name):
    with pytest.raises(PeriodError, match="2025-Q1"):
        Span.named(name)


def test_period_too_far_ahead_is_refused(bundle, history):
    with pytest.raises(PeriodError, match="2031-01 cannot be forecast"):
        stand(bundle, history, AS_OF, Span.named("2031-01"))
