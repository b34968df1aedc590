from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from features.history import LOST, OPEN, WON
from features.outcomes import Outcomes
from features.snapshots import Snapshots
from features.windows import DAY
from training.close import fit_close
from training.learners import expit
from training.level import drift
from training.logistic import Logistic
from training.table import Table
from training.validation import Verdict, answered

CUT = int(pd.Timestamp("2024-06-01", tz="UTC").as_unit("us").asm8.astype("int64"))
DAYS, WITHIN = 3 * 365, 30
CHANCE = 0.01
"""Of being won on a day."""


def lived(factor, deals_a_day=12.0, seed=0):
    """Weekly snapshots and outcomes of deals whose chance a day is CHANCE x `factor` (days,)."""
    rng, days = np.random.default_rng(seed), len(factor)
    begin = CUT - days * DAY
    born = np.sort(rng.uniform(0, days, int(days * deals_a_day)))
    passed = np.concatenate([[0.0], np.cumsum(CHANCE * factor)])
    at_birth = np.interp(born, np.arange(days + 1), passed)
    won = np.interp(
        at_birth + rng.exponential(size=len(born)), passed, np.arange(days + 1), right=np.inf
    )
    lost = born + rng.exponential(60, len(born))
    end, kind = np.minimum(won, lost), np.where(won < lost, WON, LOST)
    asked = [
        np.arange(np.ceil(b / 7) * 7, min(e, days), 7) for b, e in zip(born, end, strict=True)
    ]
    deal = np.repeat(np.arange(len(born)), [len(each) for each in asked])
    day = np.concatenate(asked)
    known = end[deal] < days
    found = Outcomes(
        np.where(known, kind[deal], OPEN),
        np.where(known, end[deal] - day, np.inf),
        days - day,
        np.zeros(len(deal), np.int64),
    )
    return Snapshots(deal, begin + (day * DAY).astype(np.int64)), found


def asked_of(snapshots, found, usual):
    return drift(snapshots, found, np.full(len(snapshots), usual), WITHIN, CUT)


def usual_of(found):
    """Share won in time of the rows watched for long enough."""
    return float(found.won(WITHIN)[found.watched >= WITHIN].mean())


def test_chances_that_stay_do_not_drift():
    snapshots, found = lived(np.ones(DAYS))
    assert asked_of(snapshots, found, usual_of(found)) == pytest.approx(0, abs=0.05)


@pytest.mark.parametrize("growth", [-0.4, 0.4])
def test_chances_that_grow_or_fall_are_told_as_they_are_now(growth):
    years = (np.arange(DAYS) - DAYS) / 365.25
    snapshots, found = lived(np.exp(growth * years))
    row = (snapshots.time - CUT) / DAY / 365.25
    right = -np.log(np.exp(growth * row).mean())
    assert asked_of(snapshots, found, usual_of(found)) == pytest.approx(right, abs=0.17)


def test_half_a_year_of_few_wins_is_believed_the_less_the_fewer_deals_there_are():
    factor = np.where(np.arange(DAYS) > DAYS - 180, 0.6, 1.0)
    many, few = (
        asked_of(*told, usual_of(told[1])) for told in (lived(factor), lived(factor, 0.15))
    )
    assert many < -0.25
    assert abs(few) < 0.15


def test_rows_of_every_fourth_week_say_what_all_of_them_say():
    snapshots, found = lived(np.where(np.arange(DAYS) > DAYS - 180, 0.6, 1.0))
    some = ((CUT - snapshots.time) // (7 * DAY) + snapshots.deal) % 4 == 0
    parts = (getattr(found, name)[some] for name in Outcomes.__dataclass_fields__)
    thin = asked_of(snapshots.take(some), Outcomes(*parts), usual_of(found))
    assert thin == pytest.approx(asked_of(snapshots, found, usual_of(found)), abs=0.06)


def test_without_rows_or_wins_nothing_drifts():
    snapshots, found = lived(np.ones(DAYS), 0.2)
    nothing = replace(found, kind=np.where(found.kind == WON, LOST, found.kind))
    assert asked_of(snapshots, nothing, 0.1) == 0
    none = Snapshots(snapshots.deal[:0], snapshots.time[:0])
    assert asked_of(none, Outcomes(*(np.zeros(0),) * 4), 0.1) == 0


def faded(panel):
    """The panel of which the wins of the last year are losses."""
    snapshots, found = panel.snapshots, panel.outcomes
    late = snapshots.time + np.minimum(found.days, 1e6) * DAY > panel.cut - 300 * DAY
    kind = np.where(late & (found.kind == WON), LOST, found.kind)
    return replace(panel, outcomes=replace(found, kind=kind))


def test_a_model_is_fitted_with_its_drift_and_the_table_without(panel):
    steady = fit_close(panel, Logistic(), 365.0, until=30)
    fallen = fit_close(faded(panel), Logistic(), 365.0, until=30)
    assert fallen.offset[0] < steady.offset[0] - 0.15
    assert fit_close(faded(panel), Table(), 365.0, until=30).offset == (0.0, 0.0)


def test_out_of_time_answers_and_what_is_served_have_the_drift(panel):
    model, table = (fit_close(panel, each, 365.0, until=30) for each in (Logistic(), Table()))
    plain, moved = (
        answered(
            (replace(model, offset=offset), table),
            panel.features.iloc[:50],
            panel.snapshots.take(np.arange(50)),
            Outcomes(*(getattr(panel.outcomes, n)[:50] for n in Outcomes.__dataclass_fields__)),
            (30,),
        )
        for offset in ((0.0, 0.0), (-0.5, 0.25))
    )
    assert moved.model[30] == pytest.approx(plain.model[30] - 0.5)
    assert moved.parts[30] == pytest.approx(plain.parts[30] - 0.5)
    assert moved.lost_model == pytest.approx(plain.lost_model + 0.25)
    assert moved.lost_parts == pytest.approx(plain.lost_parts + 0.25)
    verdict = Verdict(None, {}, (0.9, 0.8), (0.1, 0.2))
    served = verdict.applied(replace(model, offset=(-0.5, 0.25)))
    right = expit(0.1 + 0.9 * moved.model[30])
    assert served.incidence(panel.features.iloc[:50]).won_by(30)[:, 0] == pytest.approx(right)
