from __future__ import annotations

import numpy as np
import pytest

from features.history import LOST, OPEN, WON
from features.outcomes import Outcomes
from training.close import fit_close
from training.direct import EVER_DAYS, LEAST_ROWS, fit_direct, mature_labels
from training.incidence import KNOTS
from training.table import Table

FOUND = Outcomes(
    kind=np.array([WON, WON, LOST, OPEN, WON]),
    days=np.array([10.0, 50.0, 10.0, np.inf, 10.0]),
    watched=np.array([400.0, 100.0, 100.0, 100.0, 20.0]),
    closing=np.array([0, 1, 2, -1, 3]),
)


def test_a_row_is_labelled_by_what_came_within_the_horizon():
    labels, rows = mature_labels(FOUND, WON, 28)
    assert labels[rows].tolist() == [1, 0, 0, 0]
    labels, rows = mature_labels(FOUND, LOST, 28)
    assert labels[rows].tolist() == [0, 0, 1, 0]


def test_a_row_not_watched_for_the_whole_horizon_stays_out_even_where_its_deal_has_closed():
    assert mature_labels(FOUND, WON, 28)[1].tolist() == [True, True, True, True, False]
    assert mature_labels(FOUND, WON, 100)[1].tolist() == [True, True, True, True, False]
    assert mature_labels(FOUND, WON, 101)[1].tolist() == [True, False, False, False, False]


def test_ever_needs_a_year_of_watching_or_half_of_a_shorter_history():
    assert mature_labels(FOUND, WON, np.inf, 2 * EVER_DAYS)[1].tolist() == [True] + [False] * 4
    assert mature_labels(FOUND, WON, np.inf, 200.0)[1].tolist() == [True] * 4 + [False]


def test_every_knot_and_ever_has_a_model_of_won_and_of_lost(panel):
    model = fit_direct(panel, Table(), 400.0)
    assert len(model.won) == len(model.lost) == len(KNOTS) + 1
    curve = model.incidence(panel.features[:50])
    assert (np.diff(curve.won, axis=1) >= 0).all()
    assert (curve.won[:, -1] + curve.lost[:, -1] <= 1 + 1e-9).all()


def test_without_mature_rows_a_knot_is_answered_by_the_one_before(panel):
    known, unknown = KNOTS.index(30), KNOTS.index(62)
    short = panel.outcomes.watched.max() - KNOTS[unknown]
    rows = panel.outcomes.watched >= short
    assert rows.sum() > LEAST_ROWS
    young = Outcomes(
        panel.outcomes.kind,
        panel.outcomes.days,
        np.minimum(panel.outcomes.watched, KNOTS[known]),
        panel.outcomes.closing,
    )
    model = fit_direct(type(panel)(**{**vars(panel), "outcomes": young}), Table(), 730.0)
    assert model.won[known] is not model.won[known - 1]
    assert all(each is model.won[known] for each in model.won[unknown:])


def test_first_knot_is_learned_as_the_served_model_learns_it(panel):
    direct, served = fit_direct(panel, Table(), 400.0), fit_close(panel, Table(), 400.0)
    here = panel.features[:100]
    assert direct.won[0].logits(here) == pytest.approx(served.won[0].logits(here))
