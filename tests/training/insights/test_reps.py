from collections.abc import Callable

import numpy as np
import pytest

from features.history import History
from features.vocabulary import Vocabulary
from training.insights.habits import compare_habits, habits_of
from training.insights.reps import Performance, performance
from training.insights.shrinkage import shrunk_effects, shrunk_rate

Make = Callable[..., History]
WordsOf = Callable[[History], Vocabulary]
EQUAL = dict.fromkeys("abcdefgh", 0.35)


def found(history: History, words_of: WordsOf, end: int) -> Performance:
    """Performance that there must be."""
    told = performance(history, words_of(history), end)
    assert told is not None
    return told


def test_a_strong_rep_stands_above_a_weak_one(
    make_firm: Make, words_of_firm: WordsOf, end: int
) -> None:
    told = found(make_firm({"ann": 0.6, "bob": 0.3, "cy": 0.45}), words_of_firm, end)
    assert told.frame["owner_id"].tolist() == ["ann", "cy", "bob"]
    ann, bob = told.frame.iloc[0], told.frame.iloc[-1]
    assert ann["win_rate_low"] > told.base > bob["win_rate_high"]
    assert told.chance["win_rate"] < 0.3


@pytest.mark.parametrize("seed", range(3))
def test_luck_is_not_taken_for_skill(
    seed: int, make_firm: Make, words_of_firm: WordsOf, end: int
) -> None:
    told = found(make_firm(EQUAL, seed=seed), words_of_firm, end)
    apart = (told.frame["win_rate_low"] > told.base) | (told.frame["win_rate_high"] < told.base)
    assert apart.sum() <= 1
    raw = told.frame["raw_win_rate"]
    assert np.ptp(told.frame["win_rate"]) < np.ptp(raw)


def test_good_territory_is_not_taken_for_skill(
    make_firm: Make, words_of_firm: WordsOf, end: int
) -> None:
    rates = dict.fromkeys(("ann", "bob", "cy", "di"), 0.3)
    history = make_firm(rates, {"web": 0.0, "referral": 0.4}, easy="ann", deals=1600)
    told = found(history, words_of_firm, end)
    ann = told.frame.set_index("owner_id").loc["ann"]
    others = told.frame[told.frame["owner_id"] != "ann"]
    assert ann["raw_win_rate"] > others["raw_win_rate"].max() + 0.1
    assert ann["win_rate_low"] < told.base
    assert abs(ann["expected_wins"] - ann["won"]) < 0.15 * ann["won"]


def test_expectations_add_up_to_what_was_won(
    make_firm: Make, words_of_firm: WordsOf, end: int
) -> None:
    told = found(make_firm(EQUAL), words_of_firm, end).frame
    assert told["expected_wins"].sum() == pytest.approx(told["won"].sum(), rel=0.03)
    assert told["expected_revenue"].sum() == pytest.approx(told["revenue"].sum(), rel=0.02)


def test_few_deals_are_not_compared(make_firm: Make, words_of_firm: WordsOf, end: int) -> None:
    history = make_firm({"ann": 0.5, "bob": 0.5}, deals=20)
    assert performance(history, words_of_firm(history), end) is None


def test_a_habit_of_strong_reps_is_found_and_one_of_nobody_is_not(
    make_firm: Make, end: int
) -> None:
    rates = {f"r{n}": 0.2 + 0.05 * n for n in range(9)}
    fast = {name: 60.0 - 6 * n for n, name in enumerate(rates)}
    history = make_firm(rates, hours=fast, deals=1500)
    habits = habits_of(history, end)
    code = {owner: k for k, owner in enumerate(history.owners.names)}
    result = habits.index.to_series().map({code[name]: rate for name, rate in rates.items()})
    told = {each.name: each for each in compare_habits(habits, result)}
    assert told["answer_hours"].correlation < -0.9
    assert told["answer_hours"].p < 0.01
    assert told["answer_hours"].strong < told["answer_hours"].others
    assert "reply_hours" not in told


def test_effects_shrink_to_nothing_where_chance_explains_all() -> None:
    rng = np.random.default_rng(1)
    error = np.full(200, 0.5)
    told = shrunk_effects(rng.normal(0, 0.5, 200), error)
    assert np.abs(told.posterior.mean).max() < 0.4
    assert told.chance > 0.8


def test_the_interval_of_an_effect_holds_it_four_times_in_five() -> None:
    rng = np.random.default_rng(2)
    truth = rng.normal(0, 0.4, 2000)
    error = rng.uniform(0.1, 0.6, 2000)
    told = shrunk_effects(truth + rng.normal(0, error), error).posterior
    assert 0.76 < np.mean((told.low < truth) & (truth < told.high)) < 0.84


def test_a_group_without_an_observation_has_the_prior_alone() -> None:
    told = shrunk_effects(np.array([1.0, -1.0, np.nan]), np.array([0.1, 0.1, np.nan]))
    assert told.posterior.mean[2] == 0.0
    assert told.posterior.high[2] > 0.5


def test_a_rate_without_deals_is_the_base() -> None:
    told = shrunk_rate(np.array([0.0]), np.array([0.0]), 0.2)
    assert told.mean[0] == pytest.approx(0.2)
    assert told.low[0] < 0.2 < told.high[0]
