"""A CRM of any size for measuring speed: plausible in shape, meaningless in content.

Drawn in one go with numpy: 200,000 deals with 5 million activities take some seconds. Its deals
live about ten weeks, so that three years of them have ten weekly snapshots a deal.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from data.contract import ACTIVITY_TYPES
from data.tables import Tables
from features.windows import DAY, Floats, Ints

END = pd.Timestamp("2025-06-30", tz="UTC")
YEARS = 3
ACTIVITIES_A_DEAL = 25
MEDIAN_DAYS, SPREAD = 50.0, 0.8
LATE = 0.05
STAGES = ("lead", "qualified", "proposal", "negotiation")
SOURCES = ("web", "referral", "event", "partner", "outbound")


def speed_tables(deals: int, seed: int = 0) -> Tables:
    """CRM of `deals` deals and ACTIVITIES_A_DEAL times as many activities."""
    rng = np.random.default_rng(seed)
    end = int(END.as_unit("us").asm8.astype(np.int64))
    created = np.sort(end - (rng.random(deals) * YEARS * 365 * DAY).astype(np.int64))
    life = (rng.lognormal(np.log(MEDIAN_DAYS), SPREAD, deals) * DAY).astype(np.int64)
    return Tables.of(
        {
            "deals": _deals(rng, created, life, end),
            "deal_history": _history(rng, created, life),
            "activities": _activities(rng, created, life, end),
            "accounts": _accounts(rng, deals // 4 + 1),
            "owners": pd.DataFrame(
                {"owner_id": ids("o", np.arange(100)), "team": ids("t", np.arange(100) % 8)}
            ),
        }
    )


def ids(prefix: str, numbers: Ints) -> pd.Series:
    """(n,) identifiers as text."""
    return pd.Series(prefix + pd.Series(numbers).astype("str"), dtype="str")


def times(at: Ints) -> pd.Series:
    """(n,) microseconds as times in UTC."""
    return pd.Series(pd.DatetimeIndex(at.astype("datetime64[us]"), tz="UTC"))


def _picked(rng: np.random.Generator, names: tuple[str, ...], size: int) -> pd.Series:
    codes = rng.integers(0, len(names), size)
    return pd.Series(np.array(names, dtype=object)[codes], dtype="str")


def _deals(rng: np.random.Generator, created: Ints, life: Ints, end: int) -> pd.DataFrame:
    size = len(created)
    closed = created + life < end
    won = rng.random(size) < 0.25
    return pd.DataFrame(
        {
            "deal_id": ids("d", np.arange(size)),
            "stage": np.where(closed, np.where(won, "closed_won", "closed_lost"), "proposal"),
            "created_at": times(created),
            "account_id": ids("a", rng.integers(0, size // 4 + 1, size)),
            "source": _picked(rng, SOURCES, size),
            "deal_type": _picked(rng, ("new", "renewal"), size),
            "pipeline": "default",
            "amount": 1.0,
            "closed_at": times(created + life).where(closed),
            "is_won": pd.Series(won, dtype="boolean").where(closed),
        }
    )


def _history(rng: np.random.Generator, created: Ints, life: Ints) -> pd.DataFrame:
    size = len(created)
    amount = np.exp(rng.normal(9, 1, size)).round()
    promised = times(created + 60 * DAY).dt.strftime("%Y-%m-%d")
    owner = ids("o", rng.integers(0, 100, size))
    won = np.where(rng.random(size) < 0.25, "closed_won", "closed_lost")
    rows: list[tuple[str, object, float]] = [
        ("stage", stage, share) for stage, share in zip(STAGES, (0, 0.2, 0.45, 0.7), strict=True)
    ]
    rows += [("amount", amount.astype(str), 0.0), ("amount", (amount * 1.25).astype(str), 0.5)]
    rows += [("owner_id", owner, 0.0), ("expected_close_date", promised, 0.0)]
    rows += [("stage", won, 1.0)]
    frames = [_change(created, life, name, value, share) for name, value, share in rows]
    frame = pd.concat(frames, ignore_index=True)
    return frame.loc[frame["changed_at"] < END]


def _change(created: Ints, life: Ints, name: str, value: object, share: float) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "deal_id": ids("d", np.arange(len(created))),
            "property": name,
            "value": value,
            "changed_at": times(created + (life * share).astype(np.int64)),
        }
    ).astype({"property": "str", "value": "str"})


def _activities(rng: np.random.Generator, created: Ints, life: Ints, end: int) -> pd.DataFrame:
    deals, size = len(created), len(created) * ACTIVITIES_A_DEAL
    deal = rng.integers(0, deals, size)
    when: Floats = rng.random(size)
    happened = np.minimum(created[deal] + (life[deal] * when).astype(np.int64), end - 1)
    late = (rng.random(size) < LATE) * (rng.random(size) * 10 * DAY).astype(np.int64)
    return pd.DataFrame(
        {
            "activity_id": ids("x", np.arange(size)),
            "deal_id": ids("d", deal),
            "type": _picked(rng, ACTIVITY_TYPES, size),
            "occurred_at": times(happened),
            "direction": _picked(rng, ("inbound", "outbound"), size),
            "contact_id": ids("c", deal * 3 + rng.integers(0, 3, size)),
            "recorded_at": times(np.minimum(happened + late, end)),
        }
    )


def _accounts(rng: np.random.Generator, size: int) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "account_id": ids("a", np.arange(size)),
            "industry": _picked(rng, ("software", "retail", "logistics"), size),
            "employees": np.exp(rng.normal(5, 2, size)).round(),
            "annual_revenue": np.exp(rng.normal(15, 2, size)).round(),
            "region": _picked(rng, ("north", "south"), size),
        }
    )
