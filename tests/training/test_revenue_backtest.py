"""The replayed forecast: no instant knows what came later; figures are what they are called."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from data.settings import Settings
from data.tables import Tables
from features.history import History
from features.windows import DAY
from features.worlds import Worlds, pinned
from training.booked import actuals
from training.origins import Past
from training.revenue_backtest import TooShortError, forecast_backtest, variation_of
from training.revenue_figures import NAME, blocks, differences, floor, summary, wape
from training.revenue_page import (
    PAGE,
    render,
    said,
    say_differences,
    say_summary,
    say_terms,
    write_revenue,
)
from training.revenue_past import LEADS, Asked, instants, quarter_starts, replay
from training.revenue_rivals import with_rivals
from training.revenue_terms import (
    bias_factor,
    blend_weight,
    keep_terms,
    kept_terms,
    learned_terms,
    tried,
    with_ends,
)
from training.widening import widening

RIVALS = ("CRM stage-weighted", "stage rate by month ahead", "run rate", "seasonal naive")


def micros(at):
    return int(pd.Timestamp(at, tz="UTC").as_unit("us").asm8.astype("int64"))


@pytest.fixture(scope="module")
def asked(history, cut):
    """The first quarter of 2024: its four days and its three month starts."""
    return [each for each in instants(history, cut, 2) if each.at >= micros("2024-01-01")]


@pytest.fixture(scope="module")
def found(history, cut, asked):
    return forecast_backtest(history, cut, asked=asked)


def test_instants_are_the_days_of_quarters_and_the_starts_of_months(asked):
    days = [(str(pd.Timestamp(each.at, unit="us").date()), each.day) for each in asked]
    assert days == [
        *(("2024-01-01", 0), ("2024-01-01", 1), ("2024-01-30", 30), ("2024-02-01", 0)),
        *(("2024-02-29", 60), ("2024-03-01", 0), ("2024-03-20", 80)),
    ]


def test_no_quarter_is_asked_before_half_a_year_of_history(history, cut):
    starts = quarter_starts(history, cut, 40)
    assert min(starts) >= history.known_from.min() + 180 * DAY
    assert max(starts) < cut


def test_instants_end_before_the_as_of_and_ask_only_what_has_ended(found, cut):
    rows = with_ends(found.rows)
    assert (rows["as_of"] < pd.Timestamp(cut, unit="us", tz="UTC")).all()
    assert (rows["ends"] <= pd.Timestamp(cut, unit="us", tz="UTC")).all()
    months = rows[rows["kind"] == "month"]
    assert months["lead"].max() == 2 < LEADS


def test_what_came_is_what_the_crm_says(found, history, firm):
    changes = firm.tables["deal_history"]
    won = changes[(changes["value"] == "closed_won") & (changes["changed_at"].dt.month == 2)]
    won = won[won["changed_at"].dt.year == 2024]
    row = found.rows[(found.rows["kind"] == "month") & (found.rows["period"] == "2024-02")].iloc[0]
    assert row["wins"] == pytest.approx(won["deal_id"].nunique(), abs=1)


def test_parts_add_up_and_levels_are_in_order(found):
    rows = found.rows
    assert (rows["booked"] + rows["open"] + rows["new"]).to_numpy() == pytest.approx(
        rows["mean"].to_numpy(), rel=1e-4
    )
    assert (rows["q10"] <= rows["q50"]).all()
    assert (rows["q50"] <= rows["q90"]).all()
    assert rows["pit"].between(0, 1).all()


def test_late_in_the_quarter_most_is_booked(found):
    days = found.rows[found.rows["kind"] == "quarter"].set_index("day")
    assert days["booked"].is_monotonic_increasing
    assert days.loc[1, "booked"] == 0
    assert days.loc[80, "sd"] < days.loc[1, "sd"]


@pytest.mark.parametrize("name", RIVALS)
def test_every_rival_says_something_of_every_period(found, name):
    assert np.isfinite(found.rows[name]).all()
    assert found.rows[name].sum() > 0


@pytest.mark.slow
def test_what_came_later_moves_neither_forecast_nor_rival(history, asked):
    at = asked[-1].at
    worlds = Worlds(History.of(pinned(history.tables)), at, np.random.default_rng(0))
    columns = ["mean", "q10", "q90", "booked", *RIVALS]
    seen = []
    for tables in (worlds.history.tables, worlds.deleted(), worlds.altered()):
        world = History.of(tables, Settings())
        past = Past.of(world, at + 20 * DAY)
        rows = replay(past, [Asked(at, 80)], look=lambda a, w=world: with_rivals(w, a))
        seen.append(rows[columns].to_numpy())
    assert seen[1] == pytest.approx(seen[0], rel=1e-6)
    assert seen[2] == pytest.approx(seen[0], rel=1e-6)


def test_history_too_short_is_told():
    with pytest.raises(TooShortError, match="half a year and 30 closed deals"):
        forecast_backtest(History.of(Tables.empty()), micros("2024-01-01"))


def test_floor_is_the_error_of_an_oracle():
    rng = np.random.default_rng(0)
    amounts = np.exp(rng.normal(0, 1.2, 100_000))
    sums = [rng.choice(amounts, n).sum() for n in rng.poisson(30, 4000)]
    expected = 30 * amounts.mean()
    seen = np.abs(np.array(sums) - expected).mean() / expected
    assert floor(30, amounts.std() / amounts.mean()) == pytest.approx(seen, rel=0.12)
    assert np.isnan(floor(0, 1.0))


def made(error, quarters=8, seed=0, spread=0.1, bias=1.0):
    """Months asked at their start whose forecast misses by so much; rival `flat` by more."""
    rng = np.random.default_rng(seed)
    at = pd.date_range("2022-01-01", periods=3 * quarters, freq="MS", tz="UTC")
    actual = 100 * np.exp(rng.normal(0, error, len(at)))
    score = np.log(actual / 100) / spread
    from scipy.stats import norm

    levels = {"q05": -1.64, "q10": -1.28, "q25": -0.67, "q50": 0, "q75": 0.67, "q90": 1.28}
    quantiles = {n: 100 * np.exp(spread * z) for n, z in {**levels, "q95": 1.64}.items()}
    frame = pd.DataFrame({"as_of": at.as_unit("us"), "kind": "month", "day": 0, "lead": 0})
    frame = frame.assign(period=[f"{t:%Y-%m}" for t in at], booked=0.0, open=60.0, new=40.0)
    frame = frame.assign(mean=100.0, sd=100 * spread, **quantiles, actual=bias * actual, wins=100)
    return blocks(frame.assign(pit=norm.cdf(score), flat=150.0))


def test_summary_tells_error_bias_and_coverage():
    rows = made(0.1, quarters=200)
    ours = summary(rows, 1.0).set_index("name").loc[NAME]
    assert ours["wape"] == pytest.approx(0.08, rel=0.1)
    assert ours["coverage"] == pytest.approx(0.8, abs=0.05)
    flat = summary(rows, 1.0).set_index("name").loc["flat"]
    assert flat["bias"] == pytest.approx(0.5, abs=0.02)


def test_rival_that_is_worse_shows_in_the_paired_interval():
    row = differences(made(0.1)).iloc[0]
    assert row["name"] == "flat"
    assert 0 < row["low"] < row["difference"] < row["high"]


def test_honest_intervals_are_hardly_widened_and_narrow_ones_are():
    rows = with_ends(made(0.1, quarters=6))
    assert widening(rows) < 1.15
    narrow = with_ends(made(0.3, quarters=6))
    assert 1.3 < widening(narrow) <= 2.5
    assert widening(narrow.iloc[:3]) < widening(narrow)


def test_nothing_known_widens_nothing():
    assert widening(with_ends(made(0.3)).iloc[:0]) == 1.0


def test_bias_is_corrected_as_far_as_wins_carry_it():
    few, many = with_ends(made(0.02, quarters=1, bias=1.3)), with_ends(made(0.02, bias=1.3))
    assert 1 < bias_factor(few) < bias_factor(many) < 1.3
    assert bias_factor(with_ends(made(0.02, quarters=60, bias=1.3))) == pytest.approx(
        1.3, rel=0.03
    )


def test_blend_leans_on_a_rival_that_is_right_and_not_on_one_that_is_wrong():
    rows = with_ends(made(0.2, quarters=20))
    assert blend_weight(rows.assign(AutoETS=rows["actual"]), "AutoETS", 0) > 0.6
    assert blend_weight(rows.assign(AutoETS=10.0), "AutoETS", 0) < 0.1


def test_terms_that_help_are_on_and_others_off():
    rows = made(0.05, quarters=10, bias=1.3)
    terms = tried(rows.assign(AutoETS=10.0)).set_index("term")
    assert terms.loc["bias correction", "on"]
    assert not terms.loc["blend with AutoETS", "on"]
    assert terms.loc["deals not yet created", "on"]


def test_blend_is_not_praised_for_what_the_correction_of_the_bias_does():
    rows = made(0.05, quarters=10, bias=1.3).assign(AutoETS=130.0)
    terms = tried(rows).set_index("term")
    assert terms.loc["bias correction", "on"]
    assert terms.loc["blend with AutoETS", "before"] == terms.loc["bias correction", "after"]
    honest = tried(made(0.05, quarters=10).assign(AutoETS=100.0)).set_index("term")
    assert not honest.loc["bias correction", "on"]
    assert honest.loc["blend with AutoETS", "before"] == honest.loc["bias correction", "before"]


def test_blend_that_helped_is_shown_as_not_made(found):
    shown = say_terms(replace(found, terms=found.terms.assign(on=True)))["rows"]
    verdicts = {row[0]: row[5] for row in shown}
    assert verdicts["blend with AutoETS"] == "closer, not made"
    assert verdicts["bias correction"] == "on"


def test_what_is_fallen_back_to_is_said_and_not_called_unmade(found):
    row = found.terms.iloc[0].to_dict() | {"term": "fall back to AutoETS", "on": True}
    blend = row | {"term": "blend with AutoETS"}
    told = " ".join(said(replace(found, terms=pd.DataFrame([row, blend]))))
    assert "AutoETS was closer by over one standard error" in told
    assert "It is not made" not in told
    off = " ".join(said(replace(found, terms=pd.DataFrame([row | {"on": False}, blend]))))
    assert "drawn towards" not in off
    assert "It is not made" in off


def test_terms_that_are_off_change_nothing(tmp_path):
    rows = made(0.05, quarters=10)
    off = tried(rows).assign(on=False)
    assert learned_terms(rows, off, micros("2025-01-01")) == {
        "level": 1.0,
        "widening": 1.0,
        "as_of": micros("2025-01-01"),
    }


def test_terms_are_kept_for_bundles_of_later_and_hidden_from_earlier_ones(tmp_path):
    at, rows = micros("2025-01-01"), made(0.05, quarters=10, bias=1.3)
    terms = learned_terms(rows, tried(rows), at)
    assert 1.1 < terms["level"] < 1.3
    assert kept_terms(tmp_path, at) == {}
    keep_terms(terms, tmp_path)
    assert kept_terms(tmp_path, at) == terms
    assert kept_terms(tmp_path, at - 1) == {}


def test_page_is_whole_offline_and_says_what_it_means(found, tmp_path):
    page = render(found)
    assert "<script src" not in page
    assert "<link" not in page
    assert "In short" in page
    for line in said(found):
        assert line.split(":")[0][:40] in page
    files = write_revenue(found, tmp_path / "report")
    assert {path.name for path in (tmp_path / "report").iterdir()} == set(files)
    assert files[PAGE].read_text(encoding="utf-8").rstrip().endswith("</html>")


def test_tables_hold_every_forecaster(found):
    shown = say_summary(found, "quarter")
    names = [row[0] for row in shown["rows"]]
    assert names[0] == NAME
    assert set(RIVALS) <= set(names)
    assert shown["heads"][1:] == ["day 1", "day 30", "day 60", "day 80"]


def test_one_quarter_tells_no_interval_and_shows_none(found):
    shown = [*say_differences(found)["rows"], *say_terms(found)["rows"]]
    assert not any("nan" in cell for row in shown for cell in row)
    assert all(row[3] == "- to -" for row in say_differences(found)["rows"])


def test_few_wins_are_said_and_many_are_not(found):
    few = replace(found, rows=found.rows.assign(wins=9))
    assert any("9 wins: chance alone moves its total" in line for line in said(few))
    many = replace(found, rows=found.rows.assign(wins=90))
    assert not any("chance alone moves its total" in line for line in said(many))


def test_unit_is_wins_where_no_amount_was_ever_won(make_history):
    created = pd.Timestamp("2023-01-01", tz="UTC") + pd.to_timedelta(np.arange(50), unit="D")
    deals = {"created": created, "closed": created + pd.Timedelta("9D"), "won": True}
    history = make_history(deals)
    assert variation_of(history, micros("2024-01-01")) == (0.0, "wins")
    edges = np.array([micros("2023-01-01"), micros("2023-02-01")])
    sums, wins = actuals(history, micros("2024-01-01"), edges, priced=False)
    assert sums[0] == wins[0] == 22


def test_wape_of_nothing_is_not_a_number():
    assert np.isnan(wape(np.zeros(3), np.ones(3)))
