"""Columns filled in when deals close, and every feature that reads them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from data.tables import Tables
from features.catalogue import CATALOGUE
from features.history import History
from features.trust import filled_later, trusted

START = pd.Timestamp("2024-01-01", tz="UTC")
CUT = int(pd.Timestamp("2025-01-01", tz="UTC").as_unit("us").asm8.astype("int64"))


def history(known: dict[str, str]) -> History:
    """800 deals, each with an account of its own; `known` says of which deals a column tells."""
    rng, size = np.random.default_rng(0), 800
    created = START + pd.to_timedelta(rng.uniform(0, 360, size), unit="D")
    closed = rng.random(size) < 0.6
    shown = {"closed": closed, "some": rng.random(size) < 0.6}
    ids = pd.Series([f"D{n}" for n in range(size)], dtype="str")
    accounts = pd.DataFrame({"account_id": ids, "industry": "retail", "employees": 50.0})
    for column, who in known.items():
        accounts[column] = accounts[column].where(shown[who])
    deals = pd.DataFrame({"deal_id": ids, "account_id": ids, "created_at": created})
    deals["closed_at"] = pd.Series(created + pd.Timedelta(days=1)).where(closed)
    deals["is_won"] = pd.Series(rng.random(size) < 0.5, dtype="boolean").where(closed)
    deals["stage"] = "lead"
    return History.of(Tables.of({"deals": deals, "accounts": accounts}))


def test_figure_of_the_account_known_of_closed_deals_only_is_found() -> None:
    found = filled_later(history({"employees": "closed"}), CUT)
    assert list(found) == ["accounts.employees"]
    assert "100% of open and 0% of closed" in found["accounts.employees"]


def test_figure_missing_by_chance_is_trusted() -> None:
    assert filled_later(history({"employees": "some", "industry": "some"}), CUT) == {}


@pytest.mark.parametrize(
    ("column", "readers"),
    [
        ("accounts.employees", {"log_employees", "employees_fit", "icp_fit", "icp_band"}),
        ("deals.deal_type", {"deal_type_code", "segment_win_rate_lift", "amount_against_segment"}),
        ("deals.account_id", {"account_won_count", "log_employees", "icp_fit"}),
    ],
)
def test_whatever_reads_a_distrusted_column_is_distrusted(column: str, readers: set[str]) -> None:
    left_out = {name for name, each in CATALOGUE.items() if not trusted(each, {column: "said"})}
    assert readers <= left_out
    assert "age_days" not in left_out
