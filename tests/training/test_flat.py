import numpy as np
import pandas as pd
import pytest

from training.basis import learn_basis
from training.flat import FlatBasis


@pytest.fixture
def features() -> pd.DataFrame:
    rng, n = np.random.default_rng(3), 400
    frame = pd.DataFrame(
        {
            "stage_code": rng.integers(0, 4, n).astype(float),
            "age_days": rng.exponential(40, n),
            "log_amount": np.where(rng.random(n) < 0.2, np.nan, rng.normal(9, 2, n)),
            "source_code": rng.integers(0, 3, n).astype(float),
            "flag": (rng.random(n) < 0.3).astype(float),
            "constant": np.ones(n),
        }
    )
    return frame.astype(np.float32)


def test_columns_made_at_once_are_those_made_by_feature_to_the_last_bit(features) -> None:
    basis = learn_basis(features, ("stage_code", "source_code"))
    assert basis.stages
    assert basis.gaps
    asked = features.copy()
    asked.iloc[::7, 1] = np.nan
    asked.iloc[::5, 0] = np.nan
    asked.iloc[::3, 2] = 1e9
    flat = FlatBasis.of(basis, list(features)).columns(asked.to_numpy(np.float32).T)
    np.testing.assert_array_equal(flat, basis.columns(asked)[0])


def test_a_row_alone_has_the_columns_it_has_among_others(features) -> None:
    basis = learn_basis(features, ("stage_code", "source_code"))
    flat = FlatBasis.of(basis, list(features))
    rows = features.to_numpy(np.float32)
    np.testing.assert_array_equal(flat.columns(rows[5:6].T)[0], flat.columns(rows.T)[5])


@pytest.mark.parametrize("left_out", [(), ("flag",)])
def test_a_slab_has_an_even_number_of_columns(features, left_out) -> None:
    known = features.drop(columns=list(left_out))
    basis = learn_basis(known, ("stage_code", "source_code"))
    flat, rows = FlatBasis.of(basis, list(known)), known.to_numpy(np.float32).T
    made, slab = flat.columns(rows), flat.slab(rows)
    assert slab.shape[1] == made.shape[1] + made.shape[1] % 2
    np.testing.assert_array_equal(slab[:, : made.shape[1]], made)
    assert not slab[:, made.shape[1] :].any()
