from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from data.settings import Settings
from data.tables import Tables
from features.history import History
from features.snapshots import STALE_DAYS, open_deals
from features.windows import DAY
from training.scoring import score

HORIZONS = (30, 60, 90, 180)
TIERS = ("table", "logistic", "blend", "full")


@pytest.fixture(scope="module", params=TIERS)
def scored(request, bundles, history, cut):
    return score(bundles[request.param], history, cut)


@pytest.fixture(scope="module")
def frame(scored):
    return scored.frame


def test_there_is_a_row_for_every_open_deal_and_no_other(frame, history, cut):
    opened = {history.deal_ids[code] for code in open_deals(history, cut).deal}
    assert len(opened) > 30
    assert set(frame["deal_id"]) == opened
    assert frame["deal_id"].is_unique


def test_every_column_of_a_score_is_there(frame):
    names = {f"p_{side}_{h}" for side in ("won", "lost") for h in (*HORIZONS, "quarter")}
    names |= {"p_won", "p_lost", "expected_amount", "expected_revenue_90", "priority"}
    names |= {"close_date_p10", "close_date_p50", "close_date_p90", "tier", "model_version"}
    names |= {"deal_id", "amount", "stage", "owner_id", "amount_missing", "stale", "as_of"}
    assert names <= set(frame.columns)


@pytest.mark.parametrize("side", ["won", "lost"])
def test_probabilities_never_fall_as_the_horizon_grows(frame, side):
    # The quarter ends 91 days on.
    names = ("30", "60", "90", "quarter", "180")
    columns = frame[[*(f"p_{side}_{by}" for by in names), f"p_{side}"]].to_numpy()
    assert (np.diff(columns, axis=1) >= 0).all()
    assert ((columns >= 0) & (columns <= 1)).all()


def test_won_and_lost_never_pass_one_together(frame):
    for horizon in (*(f"_{h}" for h in HORIZONS), "_quarter", ""):
        assert (frame[f"p_won{horizon}"] + frame[f"p_lost{horizon}"] <= 1 + 1e-9).all()


def test_quarter_is_the_horizon_to_its_last_day(scored, cut):
    end = int(pd.Timestamp("2024-07-01", tz="UTC").as_unit("us").asm8.astype("int64"))
    lost = scored.incidence.lost_by((end - cut) / DAY)[:, 0]
    assert scored.frame["p_lost_quarter"].tolist() == lost.tolist()
    near = [scored.incidence.won_by((end - cut) / DAY + days)[:, 0] for days in (-20, 20)]
    assert scored.frame["p_won_quarter"].between(*near).all()


@pytest.mark.parametrize("tier", TIERS)
def test_shortly_before_its_end_most_of_a_quarter_is_still_to_be_won(bundles, history, cut, tier):
    asked, left = cut + 80 * DAY, 11
    frame, without = (
        score(bundle, history, asked).frame
        for bundle in (bundles[tier], replace(bundles[tier], when=None))
    )
    found = frame["p_won_quarter"]
    assert found.sum() > 1.3 * (frame["p_won_30"] * left / 30).sum()
    assert (found > 1.1 * without["p_won_quarter"]).all()


def test_what_is_asked_most_is_the_curve_itself(scored):
    for horizon in (30, 90):
        said = scored.incidence.won_by(horizon)[:, 0]
        assert scored.frame[f"p_won_{horizon}"].tolist() == said.tolist()


def test_quarter_follows_the_fiscal_year(bundles, firm, cut):
    settings = Settings(fiscal_year_start_month=2)
    history = History.of(Tables.of(firm.tables), settings)
    frame = score(bundles["full"], history, cut).frame
    # From April 1st the fiscal quarter has 30 days to go.
    assert frame["p_won_quarter"].tolist() == pytest.approx(frame["p_won_30"].tolist())


def test_expected_revenue_is_chance_times_amount_and_orders_the_list(frame):
    product = frame["p_won_90"] * frame["expected_amount"]
    assert frame["expected_revenue_90"].tolist() == product.tolist()
    assert frame["priority"].tolist() == product.tolist()
    assert (frame["expected_amount"] > 0).all()


def test_deals_without_an_amount_are_listed_with_the_amount_usual_for_such_deals(frame):
    missing = frame[frame["amount_missing"]]
    assert len(missing) > 0
    assert missing["expected_amount"].notna().all()


def test_stale_deals_are_listed_and_flagged(frame):
    assert frame["stale"].dtype == bool
    quiet = frame["days_since_activity"].fillna(frame["age_days"])
    assert (quiet[frame["stale"]] > STALE_DAYS).all()


def test_history_without_amounts_is_ranked_by_probability(bundles, firm, cut):
    from dataclasses import replace

    from training.amount import AmountModel, LogModel

    nothing = LogModel(0.0, np.zeros(0))
    bundle = replace(bundles["full"], amount=AmountModel(nothing, nothing, 0))
    frame = score(bundle, History.of(Tables.of(firm.tables)), cut).frame
    assert frame["expected_revenue_90"].isna().all()
    assert frame["priority"].tolist() == frame["p_won_90"].tolist()


def test_close_dates_are_in_order_and_not_before_the_instant(frame):
    assert (frame["close_date_p10"] <= frame["close_date_p50"]).all()
    assert (frame["close_date_p50"] <= frame["close_date_p90"]).all()
    assert (frame["close_date_p10"] >= frame["as_of"].dt.floor("D")).all()
    assert (frame["close_date_p10"] == frame["close_date_p10"].dt.floor("D")).all()
    assert str(frame["close_date_p50"].dtype) == "datetime64[us, UTC]"


def test_half_of_the_wins_are_expected_by_the_middle_close_date(scored):
    days = (scored.frame["close_date_p50"] - scored.frame["as_of"]).dt.total_seconds() / 86_400
    ever = scored.incidence.won[:, -1]
    for row in range(0, len(days), 7):
        one = scored.incidence.won_by([days[row] - 7, days[row] + 8])[row]
        assert one[0] <= ever[row] / 2 + 0.02
        assert one[1] >= ever[row] / 2 - 0.02


def test_some_deals_alone_get_the_scores_they_get_in_company(bundles, history, cut, scored):
    chosen = scored.snapshots.deal[[3, 11]]
    some = score(bundles[scored.frame["tier"][0]], history, cut, chosen)
    same = scored.frame.iloc[[3, 11]].reset_index(drop=True)
    pd.testing.assert_frame_equal(some.frame, same, check_exact=True)
    assert len(some.facts) == 2


def test_deals_that_are_not_open_are_left_out(bundles, history, cut):
    closed = history.closings.group[history.closings.time < cut][:1]
    late = history.stages.last("outcome", closed, np.array([cut]))
    frame = score(bundles["full"], history, cut, closed).frame
    assert (late > 0).all()
    assert len(frame) == 0
    assert {"deal_id", "p_won_90", "p_won_quarter", "close_date_p50", "reasons"} - set(frame) == {
        "reasons"
    }


def test_scores_as_of_an_instant_do_not_depend_on_what_came_after(bundles, firm, cut):
    instant = pd.Timestamp(cut, unit="us", tz="UTC")
    tables = dict(Tables.of(firm.tables).items())
    known = {
        "deal_history": tables["deal_history"]["recorded_at"] < instant,
        "activities": tables["activities"]["recorded_at"] < instant,
        "deals": tables["deals"]["created_at"] < instant,
    }
    past = {name: frame[known[name]] if name in known else frame for name, frame in tables.items()}
    nothing = {"stage": "qualification", "closed_at": pd.NaT, "is_won": pd.NA, "amount": np.nan}
    past["deals"] = past["deals"].assign(**nothing)
    then, now = (
        score(bundles["full"], History.of(Tables.of(each)), cut).frame.set_index("deal_id")
        for each in (past, tables)
    )
    pd.testing.assert_frame_equal(then, now, check_exact=True)


def test_version_tier_and_instant_are_told(frame, cut):
    assert set(frame["tier"]) <= set(TIERS)
    assert (frame["model_version"] == "1").all()
    assert (frame["as_of"] == pd.Timestamp(cut, unit="us", tz="UTC")).all()
