"""The two-clock engine: half-open instants, windows against brute force."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.order import FEW, by_group_and_time, by_key, largest_so_far
from features.spans import Asked, Spans, Window
from features.windows import (
    BLOCK,
    DAY,
    NEVER,
    Timeline,
    days_between,
    first_at_or_after,
)

GROUPS = 4
# Facts as (group, happened, late by) in days; instants on the same grid, so that ties abound.
facts = st.lists(
    st.tuples(st.integers(0, GROUPS - 1), st.integers(0, 30), st.integers(0, 12)), max_size=40
)
questions = st.lists(
    st.tuples(st.integers(0, GROUPS - 1), st.integers(-2, 50)), min_size=1, max_size=20
)


def timeline(found: list[tuple[int, int, int]]) -> Timeline:
    group, happened, late = (
        (np.array(part, np.int64) for part in zip(*found, strict=True))
        if found
        else (np.zeros(0, np.int64),) * 3
    )
    return Timeline.of(
        group,
        (happened + late) * DAY,
        groups=GROUPS,
        happened=happened * DAY,
        value=happened * 1.5,
        odd=happened % 2 == 1,
    )


def asked(found: list[tuple[int, int]]) -> Asked:
    group, at = (np.array(part, np.int64) for part in zip(*found, strict=True))
    return Asked(group, at * DAY)


def known(found: list[tuple[int, int, int]], group: int, at: int) -> list[tuple[int, int]]:
    """(known, happened) of the facts known strictly before, in the order known."""
    rows = [
        (h + late, place, h)
        for place, (g, h, late) in enumerate(found)
        if g == group and h + late < at
    ]
    return [(k, h) for k, _, h in sorted(rows)]


@given(facts, questions)
def test_counts_and_sums_equal_brute_force(rows: list, asks: list) -> None:
    events, these = timeline(rows), asked(asks)
    seen = these.seen(events)
    expected = [known(rows, *each) for each in asks]
    assert seen.count().tolist() == [len(each) for each in expected]
    assert seen.total("value").tolist() == [sum(1.5 * h for _, h in each) for each in expected]
    assert seen.total("odd").tolist() == [sum(h % 2 for _, h in each) for each in expected]


@given(facts, questions)
def test_last_and_largest_equal_brute_force(rows: list, asks: list) -> None:
    seen = asked(asks).seen(timeline(rows))
    expected = [[h * DAY for _, h in known(rows, *each)] for each in asks]
    odd = [[h for h in each if h // DAY % 2] for each in expected]
    nan = float("nan")
    np.testing.assert_array_equal(seen.last("happened"), [e[-1] if e else nan for e in expected])
    np.testing.assert_array_equal(
        seen.largest("happened"), [max(e, default=nan) for e in expected]
    )
    np.testing.assert_array_equal(
        seen.largest("happened", "odd"), [max(e, default=nan) for e in odd]
    )


@given(facts, questions, st.integers(1, 15))
def test_window_holds_what_happened_in_it_and_is_known(rows: list, asks: list, days: int) -> None:
    inside = Window.of(timeline(rows), days).asked(asked(asks))
    expected = [[h for _, h in known(rows, g, at) if at - days <= h < at] for g, at in asks]
    assert inside.count().tolist() == [len(each) for each in expected]
    assert inside.counts["odd"].tolist() == [sum(h % 2 for h in each) for each in expected]


@given(facts, questions, st.sampled_from([1, 3, 7, 30]))
def test_window_looks_at_few_late_facts_as_it_searches_many(
    rows: list, asks: list, days: int
) -> None:
    window = Window.of(timeline(rows), days)
    assert (
        window.late.left_by(window.width, asked(asks)).tolist()
        == asked(asks).seen(window.left).tallies().tolist()
    )


@given(facts, questions)
def test_spans_count_after_they_begin_until_they_end(rows: list, asks: list) -> None:
    group = np.array([g for g, _, _ in rows], np.int64)
    begin = np.array([h for _, h, _ in rows], np.int64)
    end = np.array([h + late - 3 for _, h, late in rows], np.int64)
    these = asked(asks)
    counted = Spans.of(group, begin * DAY, end * DAY, groups=GROUPS).count(these.group, these.time)
    expected = [sum(g == w and h < at <= h + late - 3 for g, h, late in rows) for w, at in asks]
    assert counted.tolist() == expected


@given(facts, questions)
def test_sums_do_not_depend_on_later_facts_or_other_groups(rows: list, asks: list) -> None:
    everything = timeline(rows).having(x=np.sin([h for _, h, _ in sorted(rows)] or np.zeros(0)))
    group, at = asks[0]
    mine = (everything.group == group) & (everything.time < at * DAY)
    one = asked(asks[:1])
    assert one.seen(everything).total("x") == one.seen(everything.where(mine)).total("x")


def test_fact_at_the_instant_is_not_before_it() -> None:
    events = Timeline.of(np.array([0]), np.array([10]), groups=1)
    group = np.array([0, 0])
    assert events.count(group, np.array([10, 11])).tolist() == [0, 1]


def test_window_includes_its_beginning_and_leaves_out_its_end() -> None:
    events = timeline([(0, 3, 0)])
    days = np.array([3, 4, 10, 11])
    counted = Window.of(events, 7).count(np.zeros(4, np.int64), days * DAY)
    assert counted.tolist() == [0, 1, 1, 0]


def test_late_fact_counts_from_when_it_is_known_by_when_it_happened() -> None:
    events = timeline([(0, 3, 5)])
    days = np.array([5, 8, 9, 10, 11])
    counted = Window.of(events, 7).count(np.zeros(5, np.int64), days * DAY)
    assert counted.tolist() == [0, 0, 1, 1, 0]


def test_empty_timeline_answers_every_question() -> None:
    events, these = timeline([]), asked([(0, 5), (3, 1)])
    seen = these.seen(events)
    assert seen.count().tolist() == [0, 0]
    assert seen.total("value").tolist() == [0, 0]
    assert np.isnan(seen.last("value")).all()
    assert np.isnan(seen.largest("value")).all()
    assert (seen.last_time() == -NEVER).all()
    assert events.next_index(these.group, these.time).tolist() == [-1, -1]


def test_facts_of_no_group_are_left_out() -> None:
    events = Timeline.of(np.array([-1, 0]), np.array([1, 2]), groups=1, x=np.array([5.0, 7.0]))
    assert events.total("x", np.array([0]), np.array([9])).tolist() == [7]


def test_facts_of_one_instant_keep_the_order_given() -> None:
    events = Timeline.of(
        np.zeros(3, int), np.array([5, 5, 5]), groups=1, x=np.array([3.0, 1.0, 2.0])
    )
    assert events.last("x", np.array([0]), np.array([6])).tolist() == [2]
    np.testing.assert_array_equal(events.previous("x"), [np.nan, 3, 1])


def test_search_finds_every_place_of_an_unbalanced_history() -> None:
    start = np.array([0, 0, 1000, 1001])
    times = np.concatenate([np.arange(1000) * 2, [7]])
    group = np.array([0, 1, 1, 1, 1, 2, 2])
    at = np.array([5, -1, 0, 1, 5000, 7, 8])
    found = first_at_or_after(start[group], start[group + 1], times, at)
    assert found.tolist() == [0, 0, 0, 1, 1000, 1000, 1001]


@pytest.mark.parametrize("missing", [NEVER, -NEVER, np.nan])
def test_days_from_an_unknown_time_are_missing(missing: float) -> None:
    assert np.isnan(days_between(np.array([missing]), np.array([DAY])))[0]
    assert days_between(np.array([DAY]), np.array([3 * DAY])).tolist() == [2]


@given(
    st.lists(
        st.tuples(
            st.integers(0, 2**20),
            st.one_of(st.integers(-(2**50), 2**50), st.integers(0, 3), st.just(int(NEVER))),
        ),
        max_size=30,
    )
)
def test_order_is_that_of_lexsort_however_wide_the_times(rows: list) -> None:
    group = np.array([g for g, _ in rows], np.int64)
    time = np.array([t for _, t in rows], np.int64)
    np.testing.assert_array_equal(by_group_and_time(group, time), np.lexsort((time, group)))


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(0, 2)), max_size=20))
def test_order_of_one_instant_goes_by_the_ties_then_as_given(rows: list) -> None:
    group, time, tie = (np.array([row[n] for row in rows], np.int64) for n in range(3))
    found = by_group_and_time(group, time, tie)
    np.testing.assert_array_equal(found, np.lexsort((tie, time, group)))


@pytest.mark.parametrize("rows", [0, 1, 7, 3 * FEW])
def test_largest_so_far_begins_anew_with_every_run(rows: int) -> None:
    rng = np.random.default_rng(rows)
    values, begins = rng.integers(-50, 50, rows), rng.random(rows) < 0.2
    begins[:1] = True
    expected, latest = [], 0
    for value, first in zip(values.tolist(), begins.tolist(), strict=True):
        latest = value if first else max(latest, value)
        expected.append(latest)
    assert largest_so_far(values, begins).tolist() == expected


def test_tallies_go_on_from_one_block_to_the_next() -> None:
    rng = np.random.default_rng(0)
    flags = {name: rng.random(3 * BLOCK + 5) < 0.4 for name in ("meeting", "inbound")}
    events = Timeline.of(np.zeros(3 * BLOCK + 5, int), np.arange(3 * BLOCK + 5), groups=1, **flags)
    counted = np.stack([np.append(0, np.cumsum(flag)) for flag in flags.values()], axis=1)
    np.testing.assert_array_equal(events.tallies, counted)


@given(st.lists(st.one_of(st.integers(0, 3), st.just(2**62))))
def test_order_by_a_key_is_stable_however_wide_the_key(keys: list) -> None:
    found = by_key(np.array(keys, np.int64))
    np.testing.assert_array_equal(found, np.argsort(keys, kind="stable"))
