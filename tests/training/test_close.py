from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from data.tables import Tables
from features.fiscal import days_to_quarter_end
from features.history import LOST, WON, History
from features.pipeline import compute_features
from features.snapshots import panel as weekly
from features.vocabulary import learn_vocabulary
from features.windows import DAY
from training.close import BUILT_ON, CloseModel, _fit_side, fit_close, make_panel
from training.incidence import KNOTS
from training.learners import Learner, Model, expit
from training.logistic import Logistic
from training.table import Table
from training.tiers import learner_of
from training.train import train

CUT = pd.Timestamp("2024-06-01", tz="UTC")
MICROS = int(CUT.as_unit("us").asm8.astype("int64"))


def before(days):
    return CUT - pd.Timedelta(days=days)


class Spy(Learner):
    """Learns nothing, answers a fixed chance and remembers each target with its rows."""

    def __init__(self, chance=0.3):
        self.chance, self.seen = chance, []

    def prepare(self, features, _thin, _deal=None):
        return len(features)

    def fit(self, _prepared, target, rows, _start=None):
        self.seen.append((target.copy(), rows.copy()))
        return Fixed(self.chance)

    def answers(self, prepared, _model):
        return np.full(prepared, np.log(self.chance / (1 - self.chance)))


class Fixed(Model):
    kind = "fixed"

    def __init__(self, chance):
        self.chance = chance

    def logits(self, features):
        return np.full(len(features), np.log(self.chance / (1 - self.chance)))

    def contributions(self, features):
        raise NotImplementedError

    def to_json(self):
        return {}


def panel_of(history, cut=MICROS):
    chosen = weekly(history, cut)
    features = pd.DataFrame({"age_days": np.arange(len(chosen), dtype=float)})
    return make_panel(history, chosen, features, cut)


@pytest.fixture
def three(make_history):
    """Won after 20 days, lost after 40, still open; all created 70 days before the cut."""
    return make_history(
        {
            "created": [before(70)] * 3,
            "closed": [before(50), before(30), pd.NaT],
            "won": [True, False, None],
        }
    )


def test_rows_one_step_later_are_of_the_same_deal_at_that_time(history, cut):
    panel = panel_of(history, cut)
    for step, later in panel.next_row.items():
        has = later >= 0
        assert has.any()
        assert (panel.snapshots.deal[later[has]] == panel.snapshots.deal[has]).all()
        ahead = panel.snapshots.time[later[has]] - panel.snapshots.time[has]
        assert (ahead == step * DAY).all()


def test_row_without_one_later_is_minus_one(three):
    panel = panel_of(three)
    last = panel.snapshots.time == MICROS
    assert last.sum() == 1
    assert (panel.next_row[28][last] == -1).all()


def test_thinned_rows_are_a_quarter_and_four_weeks_apart(history, cut):
    panel = panel_of(history, cut)
    assert panel.thin.mean() == pytest.approx(0.25, abs=0.02)
    thin = panel.snapshots.take(panel.thin)
    apart = np.diff(thin.time)[np.diff(thin.deal) == 0]
    assert (apart >= 28 * DAY).all()


def test_closed_deals_of_a_panel_are_those_with_a_known_outcome(three):
    assert panel_of(three).closed_deals == 2


FIRST_STEP = list(BUILT_ON).index(62)
"""Place of the first fit that builds on an earlier horizon, of the 28 days before it."""


def fitted_targets(history, kind):
    """Targets of the rows that teach, by (deal, days back), of every fit of one outcome."""
    spy, panel = Spy(), panel_of(history)
    models, _ = _fit_side(panel, spy, spy.prepare(panel.features, panel.thin), kind, 365.0, None)
    assert len(models) == len(KNOTS) + 1
    back = (MICROS - panel.snapshots.time) // DAY
    return [
        {
            (int(panel.snapshots.deal[n]), int(back[n])): float(target[n])
            for n in np.flatnonzero(rows)
        }
        for target, rows in spy.seen
    ]


def test_first_target_is_one_where_won_in_the_step_and_zero_where_lost(three):
    won = fitted_targets(three, WON)[0]
    lost = fitted_targets(three, LOST)[0]
    # Rows 63 and 56 days back of the deal that was won 50 days back.
    assert won[0, 63] == won[0, 56] == 1.0
    assert lost[0, 63] == lost[0, 56] == 0.0
    # The deal lost 30 days back: within the step from 56 days back on, not yet from 63.
    assert (won[1, 63], won[1, 56]) == (0.0, 0.0)
    assert (lost[1, 63], lost[1, 56]) == (0.0, 1.0)
    assert won[2, 35] == lost[2, 35] == 0.0


def test_row_whose_step_has_not_ended_by_the_cut_teaches_nothing(make_history):
    recent = make_history(
        {
            "created": [before(70)] * 2,
            "closed": [before(6), pd.NaT],
            "won": [True, None],
        }
    )
    first = fitted_targets(recent, WON)[0]
    assert {back for _, back in first} == {35, 42, 49, 56, 63}
    assert first[0, 35] == 1.0


def test_open_deal_takes_the_later_answer_and_a_closed_one_its_outcome(three):
    second = fitted_targets(three, WON)[FIRST_STEP]
    assert second[0, 56] == 1.0
    assert second[1, 56] == 0.0
    assert second[2, 35] == pytest.approx(0.3)
    assert second[2, 28] == pytest.approx(0.3)
    assert (2, 21) not in second


def test_deal_reopened_within_the_step_teaches_its_loss_and_not_its_second_life(make_history):
    lost = make_history(
        {"created": [before(70)] * 2, "closed": [before(50), pd.NaT], "won": [False, None]}
    )
    again = {"deal_id": "D0", "property": "stage", "value": "qualified", "changed_at": before(40)}
    rows = pd.concat([lost.tables.deal_history, pd.DataFrame([again])], ignore_index=True)
    reopened = History.of(Tables.of({**dict(lost.tables.items()), "deal_history": rows}))
    second = fitted_targets(reopened, LOST)[FIRST_STEP]
    assert second[0, 56] == 1.0
    assert second[0, 35] == pytest.approx(0.3)


def test_later_steps_count_outcomes_of_their_own_length(three):
    long_step = fitted_targets(three, LOST)[list(BUILT_ON).index(202)]
    assert set(long_step) == set()


def test_deal_that_came_back_after_its_loss_teaches_both_lives(five_deals):
    history = History.of(five_deals)
    cut = int(pd.Timestamp("2024-07-01", tz="UTC").as_unit("us").asm8.astype("int64"))
    panel = panel_of(history, cut)
    mine = panel.snapshots.deal == history.position_of["R"]
    assert set(panel.outcomes.kind[mine]) == {0, LOST}


def test_incidence_is_calibrated_by_slope_and_offset_of_each_side():
    models = tuple(Fixed(p) for p in np.linspace(0.1, 0.35, len(KNOTS) + 1))
    features = pd.DataFrame({"age_days": [1.0, 2.0]})
    plain = CloseModel(models, models, 120.0, 730.0)
    found = replace(plain, slope=(1.0, 2.0), offset=(0.5, 0.0)).incidence(features)
    assert plain.incidence(features).won[0] == pytest.approx(np.linspace(0.1, 0.35, len(models)))
    logits = np.array([m.logits(features)[0] for m in models])
    assert found.won[0] == pytest.approx(expit(logits + 0.5))
    assert found.lost[0] == pytest.approx(expit(2 * logits))


def test_model_of_no_deals_answers_with_no_rows(bundles, panel):
    for bundle in bundles.values():
        assert bundle.close.incidence(panel.features.iloc[:0]).won.shape == (0, len(KNOTS) + 1)


def test_deal_alone_gets_the_curve_it_gets_in_company(bundles, panel):
    for bundle in bundles.values():
        some = panel.features.iloc[::97].iloc[:40]
        together = bundle.close.incidence(some)
        alone = bundle.close.incidence(some.iloc[[7]])
        assert alone.won.tolist() == together.won[[7]].tolist()
        assert alone.lost.tolist() == together.lost[[7]].tolist()


def test_curves_of_every_tier_are_a_competing_risk_pair(bundles, panel):
    for bundle in bundles.values():
        found = bundle.close.incidence(panel.features)
        assert (np.diff(found.won, axis=1) >= 0).all()
        assert (np.diff(found.lost, axis=1) >= 0).all()
        assert (found.won + found.lost <= 1 + 1e-9).all()


def of_constant_hazard(make_history, seed, count, days, mean):
    """Panel of deals of so many days that close on any day alike, four in ten won."""
    rng = np.random.default_rng(seed)
    created = before(days) + pd.to_timedelta(rng.uniform(0, days, count), unit="D").round("s")
    closed = created + pd.to_timedelta(rng.exponential(mean, count), unit="D").round("s")
    deals = pd.DataFrame({"created": created, "closed": closed, "won": rng.random(count) < 0.4})
    deals["closed"] = deals["closed"].where(deals["closed"] < CUT)
    panel = panel_of(make_history(deals))
    age = (panel.snapshots.time - MICROS) / DAY
    return replace(panel, features=panel.features.assign(age_days=age - age.min()))


def test_constant_hazard_is_recovered(make_history):
    """The curves are known."""
    panel = of_constant_hazard(make_history, 0, 6_000, 600, 50)
    found = fit_close(panel, Table(), 600.0).incidence(panel.features.iloc[::50])
    for day in KNOTS:
        closed_by = 1 - np.exp(-day / 50)
        assert found.won_by(day).mean() == pytest.approx(0.4 * closed_by, abs=0.03)
        assert found.lost_by(day).mean() == pytest.approx(0.6 * closed_by, abs=0.03)
    assert found.won[:, -1].mean() == pytest.approx(0.4, abs=0.04)


def test_ever_goes_as_far_as_deals_live(make_history):
    """Closings take a year on average: at the last knot not half of them have come."""
    panel = of_constant_hazard(make_history, 1, 4_000, 1_800, 365)
    asked = panel.features.iloc[::50]
    curves = fit_close(panel, Table(), 730.0).incidence(asked)
    assert curves.won[:, -2].mean() == pytest.approx(
        0.4 * (1 - np.exp(-KNOTS[-1] / 365)), abs=0.02
    )
    assert curves.won[:, -1].mean() == pytest.approx(0.4 * (1 - np.exp(-2)), abs=0.03)
    soon = fit_close(panel, Table(), 290.0).incidence(asked)
    assert soon.won[:, -1].mean() == pytest.approx(0.4 * (1 - np.exp(-290 / 365)), abs=0.03)


RUSH = (30, 62)


def test_rush_at_the_end_of_the_quarter_is_expected_once_it_is_within_reach(make_history):
    """Deals close five times as often in the last week of a quarter; all else is chance."""
    rng, days, count = np.random.default_rng(2), 1_100, 6_000
    at = MICROS + np.arange(-days, 120) * DAY
    hazard = np.where(days_to_quarter_end(at) <= 7, 0.05, 0.01)
    passed = np.concatenate([[0.0], np.cumsum(hazard)])
    born = rng.integers(0, days, count)
    died = np.searchsorted(passed, passed[born] + rng.exponential(1.0, count)) - rng.random(count)
    closed = before(days) + pd.to_timedelta(died, unit="D").round("s")
    deals = pd.DataFrame({"created": before(days) + pd.to_timedelta(born, unit="D")})
    history = make_history(deals.assign(closed=closed.where(closed < CUT), won=True))
    panel, vocabulary = panel_of(history), learn_vocabulary(history, MICROS)
    names = ["quarter_end_days", *(f"quarter_rush_{knot}d_days" for knot in RUSH)]
    asked = compute_features(history, vocabulary, panel.snapshots, names)
    found = fit_close(replace(panel, features=asked), Logistic(), 365.0).incidence(asked)
    first = (panel.snapshots.time - at[0]) // DAY
    for knot in RUSH:
        true = 1 - np.exp(passed[first] - passed[first + knot])
        assert np.abs(found.won_by(knot)[:, 0] - true).max() < 0.06


def test_fold_fits_up_to_its_horizon_and_the_nearest_knot_stands_in_for_the_rest(panel):
    model = fit_close(panel, Table(), 365.0, until=90)
    whole = fit_close(panel, Table(), 365.0)
    first, last = KNOTS.index(30), KNOTS.index(90)
    for fitted in range(first, last + 1):
        assert model.won[fitted].cells.tolist() == whole.won[fitted].cells.tolist()
    assert all(each is model.won[first] for each in model.won[:first])
    assert all(each is model.won[last] for each in model.won[last:])
    assert all(each is model.lost[first] for each in model.lost)
    assert model.lost[first].cells.tolist() == whole.lost[first].cells.tolist()


def flipped_after(tables, cut):
    """The same history up to an instant; every closing known from then on is the other one."""
    other = {"closed_won": "closed_lost", "closed_lost": "closed_won"}
    rows = tables.deal_history
    late = rows["recorded_at"].fillna(rows["changed_at"]) >= cut
    closing = late & (rows["property"] == "stage") & rows["value"].isin(list(other))
    rows = rows.assign(value=rows["value"].where(~closing, rows["value"].map(other)))
    deals = tables.deals
    late = deals["deal_id"].isin(rows.loc[closing, "deal_id"])
    deals = deals.assign(
        stage=deals["stage"].where(~late, deals["stage"].replace(other)),
        is_won=deals["is_won"].where(~late, ~deals["is_won"]),
    )
    assert closing.sum() > 20
    return Tables.of({**dict(tables.items()), "deal_history": rows, "deals": deals})


@pytest.mark.slow
def test_no_outcome_known_after_the_cut_changes_anything(firm, trained, cut, tmp_path):
    """The purge: what is learned as of an instant is the same to the last bit in any future."""
    from training.bundle import FILES, save_bundle

    instant = pd.Timestamp(cut, unit="us", tz="UTC")
    future = History.of(flipped_after(Tables.of(firm.tables), instant))
    save_bundle(trained.bundle, tmp_path / "one")
    save_bundle(train(future, cut).bundle, tmp_path / "other")
    for name in FILES:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "other" / name).read_bytes()


def test_no_model_of_any_tier_depends_on_outcomes_after_the_cut(firm, panel, categorical, cut):
    instant = pd.Timestamp(cut, unit="us", tz="UTC")
    future = History.of(flipped_after(Tables.of(firm.tables), instant))
    other = make_panel(future, panel.snapshots, panel.features, cut)
    learner = learner_of("logistic", categorical)
    one, two = (fit_close(each, learner, 365.0, until=30) for each in (panel, other))
    assert one.won[1].logits(panel.features).tolist() == two.won[1].logits(panel.features).tolist()
