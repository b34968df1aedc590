from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from data.tables import Tables
from features.history import History
from features.vocabulary import Vocabulary
from training.insights.closed import closed_deals, first_answer_hours
from training.insights.drift import shift
from training.insights.past import won_by_period
from training.insights.profile import fit_by_band, profile
from training.insights.rules import good_lead
from training.insights.segments import answer_speed, present_dimensions, segments
from training.insights.stored import newest_backtest

Make = Callable[..., History]
WordsOf = Callable[[History], Vocabulary]
SOURCES = {"web": 0.0, "referral": 0.35, "event": 0.05}


def micros(text: str) -> int:
    """Microseconds of a time."""
    return int(pd.Timestamp(text, tz="UTC").as_unit("us").asm8.astype("int64"))


def test_a_better_source_has_the_higher_rate_and_every_deal_is_counted(
    make_firm: Make, end: int
) -> None:
    history = make_firm({"ann": 0.2}, SOURCES)
    told = segments(history, end, "source").set_index("segment")
    assert told["win_rate"].idxmax() == "referral"
    assert told.loc["referral", "win_rate_low"] > told.loc["web", "win_rate_high"]
    assert told["closed"].sum() == len(closed_deals(history, end))
    assert (told["answer_hours"] > 30).all()
    assert (told["answered_fast"] == 0).all()


def test_only_dimensions_with_two_values_are_offered(make_firm: Make) -> None:
    assert present_dimensions(make_firm({"ann": 0.5}, SOURCES)) == ["source"]
    assert present_dimensions(make_firm({"ann": 0.5})) == []


def test_speed_counts_each_closed_deal_in_one_band(make_firm: Make, end: int) -> None:
    history = make_firm({"ann": 0.3, "bob": 0.5}, hours={"ann": 12.0})
    told = answer_speed(history, end).set_index("band")
    assert told["closed"].sum() == len(closed_deals(history, end))
    assert set(told.index) == {1, 2}
    assert told.loc[2, "win_rate"] > told.loc[1, "win_rate"]


def test_the_first_answer_is_read_from_what_was_known(five_deals: Tables) -> None:
    history = History.of(five_deals)
    deals = np.array([history.position_of[name] for name in ("W", "O", "S")])
    hours = first_answer_hours(history, deals, micros("2024-07-01"))
    assert hours[0] == 24.0
    assert np.isnan(hours[1])
    before = first_answer_hours(history, deals, micros("2024-01-09"))
    assert np.isnan(before[0])


def test_closed_deals_leave_out_what_was_reopened(five_deals: Tables) -> None:
    history = History.of(five_deals)
    told = closed_deals(history, micros("2024-07-01"))
    assert {history.deal_ids[code] for code in told["deal"]} == {"W", "L"}
    then = closed_deals(history, micros("2024-03-01"))
    assert {history.deal_ids[code] for code in then["deal"]} == {"L", "R"}


def test_the_rules_find_a_planted_source_and_hold_out_of_time(make_firm: Make, end: int) -> None:
    told = good_lead(make_firm({"ann": 0.15}, SOURCES, deals=1500), end)
    assert told is not None
    assert str(told.rules[0]) == "source is referral"
    assert told.good.low[0] > told.others.high[0]
    assert told.rules[0].checked_win_rate == pytest.approx(0.5, abs=0.1)


def test_rules_without_signal_do_not_hold(make_firm: Make, end: int) -> None:
    told = good_lead(make_firm({"ann": 0.3}, dict.fromkeys("abc", 0.0), deals=1500), end)
    assert told is not None
    assert told.good.low[0] < told.others.high[0]


def test_few_leads_teach_no_rule(make_firm: Make, end: int) -> None:
    assert good_lead(make_firm({"ann": 0.3}, SOURCES, deals=100), end) is None


def test_the_check_sees_no_lead_that_taught(make_firm: Make, end: int) -> None:
    history = make_firm({"ann": 0.15}, SOURCES, deals=1500)
    told = good_lead(history, end)
    assert told is not None
    young = (history.created >= told.since).sum()
    assert told.checked <= young
    assert told.learned + told.checked < history.size


def test_a_profile_without_accounts_is_empty(
    make_firm: Make, words_of_firm: WordsOf, end: int
) -> None:
    history = make_firm({"ann": 0.3}, SOURCES)
    assert len(profile(history, words_of_firm(history), end)) == 0


def test_the_profile_names_bands_and_counts_their_deals(
    five_deals: Tables, words_of_firm: WordsOf
) -> None:
    history = History.of(five_deals)
    told = profile(history, words_of_firm(history), micros("2024-07-01"))
    bands = told[told["trait"] == "employees"].set_index("label")
    assert bands["closed"].to_dict() == {"10 – 50": 1, "200 – 1,000": 1}
    assert set(told["rating"]) <= {"poor", "weak", "usual", "good", "ideal"}
    fit = fit_by_band(history, words_of_firm(history), micros("2024-07-01"))
    assert fit["open"].sum() == 3


def test_what_was_won_is_summed_by_whole_periods(five_deals: Tables) -> None:
    history = History.of(five_deals)
    told = won_by_period(history, micros("2024-06-15"), "month", 4)
    assert told["period"].tolist() == ["2024-02", "2024-03", "2024-04", "2024-05"]
    assert told["won"].tolist() == [0, 1200, 0, 0]
    wins = won_by_period(history, micros("2024-06-15"), "quarter", 2, priced=False)
    assert wins["won"].tolist() == [0, 1]


def test_a_shift_is_told_in_standard_deviations() -> None:
    rng = np.random.default_rng(3)
    then = rng.normal(0, 2, 4000)
    assert shift(then, rng.normal(2, 2, 4000)) == pytest.approx(1.0, abs=0.08)
    assert shift(then, rng.normal(0, 2, 4000)) < 0.08
    half = np.where(np.arange(4000) % 2, np.nan, then)
    assert shift(then, half) == pytest.approx(0.5, abs=0.05)


def test_a_workspace_without_a_backtest_has_none(tmp_path) -> None:
    assert newest_backtest(tmp_path) is None
    (tmp_path / "backtests" / "2026-01-01").mkdir(parents=True)
    assert newest_backtest(tmp_path) is None


def test_the_newest_whole_backtest_is_read(tmp_path) -> None:
    rng = np.random.default_rng(4)
    p = rng.uniform(0, 1, 3000)
    rows = pd.DataFrame(
        {
            "deal_id": [f"D{n % 1000}" for n in range(3000)],
            "time": pd.Timestamp("2026-01-01", tz="UTC") + pd.to_timedelta(np.arange(3000), "h"),
            "label_90": (rng.random(3000) < p).astype(float),
            "p_90 | ours": p,
        }
    )
    for day in ("2026-01-01", "2026-02-01"):
        folder = tmp_path / "backtests" / day
        folder.mkdir(parents=True)
        pd.DataFrame({"horizon": [90], "name": ["ours"], "log_loss": [0.5]}).to_csv(
            folder / "contenders.csv", index=False
        )
        pd.DataFrame({"horizon": [90]}).to_csv(folder / "differences.csv", index=False)
        rows.to_parquet(folder / "predictions.parquet")
    (tmp_path / "backtests" / "2026-03-01").mkdir()
    told = newest_backtest(tmp_path)
    assert told is not None
    assert (told.day, told.horizon) == ("2026-02-01", 90)
    gap = np.abs(told.curve.observed - told.curve.predicted)
    assert np.nanmax(gap) < 0.08
