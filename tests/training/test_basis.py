from __future__ import annotations

import numpy as np
import pandas as pd

from tests.training.drawn import staged
from training.basis import MOST_SLOPES, learn_basis


def test_column_that_never_varies_has_no_part_in_the_basis():
    features = pd.DataFrame(
        {"age_days": np.arange(100.0), "same": np.ones(100), "empty": np.full(100, np.nan)}
    )
    assert learn_basis(features, ()).features == ("age_days",)
    assert learn_basis(features.assign(code=1.0), ("code",)).features == ("age_days",)


def test_infinite_values_do_not_spoil_the_basis():
    features = pd.DataFrame({"age_days": [*np.arange(100.0), np.inf]})
    basis = learn_basis(features, ())
    assert np.isfinite(basis.mean).all()
    assert np.isfinite(basis.columns(features)[0]).all()


def test_with_slopes_every_number_has_a_slope_by_stage():
    features = staged(3, 4)
    plain = learn_basis(features, ("stage_code",))
    rich = learn_basis(features, ("stage_code",), slopes=True)
    assert plain.by_stage == ("age_days",)
    assert rich.by_stage == ("age_days", *(f"number_{n}" for n in range(4)))


def test_slopes_by_stage_are_bounded_where_stages_are_many():
    rich = learn_basis(staged(40, 30), ("stage_code",), slopes=True)
    assert rich.by_stage[0] == "age_days"
    assert len(rich.by_stage) * len(rich.stages) <= MOST_SLOPES
