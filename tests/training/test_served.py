from __future__ import annotations

import numpy as np
import pytest

from training.origins import monthly_origins
from training.served import Served
from training.table import Table
from training.tiers import TierChoice
from training.train import train


class Mine(Table):
    """A learner that is quick, and told from the baseline's table by its type."""


def quick(*_):
    return Mine()


@pytest.fixture(scope="module")
def known(past):
    return past.at(monthly_origins(past, 1)[0])


@pytest.mark.slow
def test_at_an_origin_it_answers_what_training_then_would_have_served(
    history, past, known, monkeypatch
):
    monkeypatch.setattr("training.gate.choose", lambda *_: TierChoice("blend", "asked"))
    answers = Served(past).fit(known, (30, 90))(known.features)
    bundle = train(history, known.cut).bundle
    features = known.features[list(bundle.features)]
    assert bundle.tier == "blend"
    expected = bundle.close.incidence(features).won_by([30, 90])
    assert answers == pytest.approx(expected, abs=1e-6)
    assert bundle.close.slope != (1.0, 1.0)


def test_it_says_which_tier_would_have_been_served(past, known):
    served = Served(past, learner=quick)
    served.fit(known, (30,))
    assert set(served.tiers) == {known.cut}


def test_a_model_that_does_not_beat_the_table_is_replaced_by_it(past, known):
    served = Served(past, learner=lambda *_: Table())
    p = served.fit(known, (30,))(known.features)
    assert served.tiers[known.cut] == "table"
    assert ((p > 0) & (p < 1)).all()


def test_no_origin_is_fitted_twice(past, monkeypatch):
    fitted = []

    def counted(panel, learner, longest, until=None):
        if type(learner) is Mine:
            fitted.append((panel.cut, until))
        return real(panel, learner, longest, until)

    from training import served as module

    real = module.fit_close
    monkeypatch.setattr(module, "fit_close", counted)
    contender = Served(past, learner=quick)
    for cut in sorted(monthly_origins(past, 2)):
        contender.fit(past.at(cut), (30,))
    assert len(fitted) == len(set(fitted))
    before = list(fitted)
    contender.fit(past.at(cut), (30,))
    assert fitted == before


def test_earlier_origins_are_judged_by_what_had_come_by_then(past, known, monkeypatch):
    seen = []

    def spied(models, features, asked, later, horizons):
        seen.append((asked, later))
        return real(models, features, asked, later, horizons)

    from training import served as module

    real = module.answered
    monkeypatch.setattr(module, "answered", spied)
    Served(past, learner=quick).fit(known, (30,))
    assert seen
    for asked, later in seen:
        closed = np.isfinite(later.days)
        assert (asked.time < known.cut).all()
        assert (asked.time[closed] + later.days[closed] * 86_400e6 < known.cut).all()


def test_what_is_fitted_at_an_origin_is_kept_apart_by_the_columns_that_it_reads(past, known):
    served = Served(past, learner=quick)
    few = known.panel.snapshots.take(np.arange(1))
    shorter = past.at(known.cut, like=few)
    assert len(shorter.panel.features.columns) < len(known.panel.features.columns)
    one, other = (served._fitted(each, "blend", None) for each in (known, shorter))
    assert one[0] is not other[0]
    assert served._fitted(known, "blend", None)[0] is one[0]
