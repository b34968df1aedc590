from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from data.settings import Settings
from data.tables import Tables
from features.history import History
from training.amount import AmountModel, LogModel
from training.outlook import DIMENSIONS, make_outlook
from training.scoring import score

MIDDLE = pd.Timestamp("2024-05-20", tz="UTC")


@pytest.fixture(scope="module")
def as_of():
    return int(MIDDLE.as_unit("us").asm8.astype("int64"))


@pytest.fixture(scope="module")
def bundle(bundles):
    return bundles["full"]


@pytest.fixture(scope="module")
def outlook(bundle, history, as_of):
    return make_outlook(bundle, history, as_of, by=DIMENSIONS, paths=4000)


@pytest.fixture(scope="module")
def total(outlook):
    return outlook.frame[outlook.frame["scope"] == "total"].reset_index(drop=True)


def test_booked_are_the_wins_of_the_month_so_far(total, firm):
    rows = firm.tables["deal_history"]
    won = rows[(rows["value"] == "closed_won") & (rows["recorded_at"] < MIDDLE)]
    won = won[won["changed_at"] >= pd.Timestamp("2024-05-01", tz="UTC")]
    known = rows[(rows["property"] == "amount") & (rows["recorded_at"] < MIDDLE)]
    amounts = known.groupby("deal_id")["value"].last().astype(float)
    expected = amounts.reindex(won["deal_id"]).fillna(0)
    assert len(expected) > 0
    assert 0 < total["booked"][0] <= expected.sum() * 1.2
    assert (total["booked"][1:] == 0).all()


def test_mean_of_the_open_deals_is_chance_times_amount(outlook, bundle, history, as_of):
    scored = score(bundle, history, as_of)
    steps = np.diff(outlook.deals.won_by, axis=1, prepend=0)
    expected = scored.expected_amount @ steps
    found = outlook.frame[outlook.frame["scope"] == "open"]["mean"].to_numpy()
    assert found == pytest.approx(expected, rel=0.06)


def test_calendar_moves_wins_within_the_horizon_and_hardly_changes_their_number(
    outlook, bundle, history, as_of
):
    ends = outlook.calendar.ends_in_days
    smooth = score(bundle, history, as_of).incidence.won_by(ends).sum(axis=0)
    moved = outlook.deals.won_by.sum(axis=0)
    assert moved[-1] == pytest.approx(smooth[-1], rel=0.15)
    # The quarter ends with the second month: its rush takes wins from the third.
    assert moved[1] / moved[2] > smooth[1] / smooth[2]


@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_owners_teams_pipelines_and_sources_add_up_to_the_total(outlook, total, dimension):
    parts = outlook.frame[outlook.frame["scope"] == dimension]
    for column in ("booked", "open", "new", "mean"):
        summed = parts.groupby("period")[column].sum().to_numpy()
        assert summed == pytest.approx(total[column].to_numpy(), rel=1e-4)


def test_every_open_deal_counts_and_gaps_are_counted(outlook, bundle, history, as_of):
    frame = score(bundle, history, as_of).frame
    assert outlook.open_deals == len(frame)
    assert outlook.without_amount == frame["amount_missing"].sum() > 0
    assert outlook.stale == frame["stale"].sum()
    assert outlook.unit == "revenue"


def test_new_deals_bring_more_in_the_third_month_than_in_the_rest_of_the_first(total):
    assert 0 <= total["new"][0] < total["new"][2]


def test_quarter_is_about_its_months_together(bundle, history, as_of):
    months = make_outlook(bundle, history, as_of, periods=2, paths=4000).frame
    quarter = make_outlook(bundle, history, as_of, period="quarter", periods=1, paths=4000).frame
    assert quarter["period"].unique().tolist() == ["2024-Q2"]
    whole = quarter.set_index("scope").loc["open", "mean"]
    assert whole == pytest.approx(months[months["scope"] == "open"]["mean"].sum(), rel=0.05)


def test_quarters_are_those_of_the_fiscal_year(bundle, firm, as_of):
    history = History.of(Tables.of(firm.tables), Settings(fiscal_year_start_month=2))
    found = make_outlook(bundle, history, as_of, period="quarter", periods=2, paths=200).frame
    assert found["period"].unique().tolist() == ["2025-Q2", "2025-Q3"]


def test_history_without_amounts_is_forecast_in_wins(bundle, history, as_of):
    nothing = LogModel(0.0, np.zeros(0))
    poor = replace(bundle, amount=AmountModel(nothing, nothing, 0))
    found = make_outlook(poor, history, as_of, paths=500)
    total = found.frame[found.frame["scope"] == "total"]
    assert found.unit == "wins"
    assert total["booked"].iloc[0] == round(total["booked"].iloc[0])
    assert 0 < total["mean"].iloc[0] < 60


def test_same_question_has_the_same_answer(bundle, history, as_of):
    one, two = (make_outlook(bundle, history, as_of, paths=300).frame for _ in range(2))
    pd.testing.assert_frame_equal(one, two, check_exact=True)


def test_scores_given_are_not_computed_again(bundle, history, as_of):
    scored = score(bundle, history, as_of)
    one = make_outlook(bundle, history, as_of, paths=200, scored=scored).frame
    two = make_outlook(bundle, history, as_of, paths=200).frame
    pd.testing.assert_frame_equal(one, two, check_exact=True)


def test_after_the_last_deal_has_closed_nothing_is_open(bundle, make_history):
    at = pd.Timestamp("2024-04-01", tz="UTC")
    deals = {"created": [at] * 3, "closed": [at + pd.Timedelta("9D")] * 3, "won": [True] * 3}
    history = make_history({**deals, "amount": [100.0] * 3})
    later = int(pd.Timestamp("2024-04-20", tz="UTC").as_unit("us").asm8.astype("int64"))
    found = make_outlook(bundle, history, later, by=DIMENSIONS, paths=200)
    first = found.frame.iloc[0]
    assert (found.open_deals, first["open"], first["booked"]) == (0, 0.0, 300.0)


def test_what_a_backtest_has_learned_moves_mean_and_interval(bundle, history, as_of, total):
    def after(**terms):
        taught = replace(bundle, card={**bundle.card, "forecast": terms})
        frame = make_outlook(taught, history, as_of, paths=4000).frame
        return frame[frame["scope"] == "total"].reset_index(drop=True)

    raised, wider = after(level=1.3, widening=1.0), after(level=1.0, widening=2.0)
    to_come = total["mean"] - total["booked"]
    assert (raised["mean"] - raised["booked"]).sum() == pytest.approx(
        1.25 * to_come.sum(), rel=0.1
    )
    assert wider["mean"].sum() == pytest.approx(total["mean"].sum(), rel=0.06)
    width = (wider["p90"] - wider["p10"]) / (total["p90"] - total["p10"])
    assert 1.4 < width.mean() < 2.4
