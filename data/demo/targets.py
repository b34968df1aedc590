"""The quotas: a tenth more than the year before, shared among those at work."""

import numpy as np
import pandas as pd

STRETCH = 1.1
ROUND_TO = 1000.0


def targets(
    tables: dict[str, pd.DataFrame], start: pd.Timestamp, end: pd.Timestamp
) -> pd.DataFrame:
    """Quotas of teams and owners for every quarter, up to the one after `end`.

    A team's quota is what it won in a quarter of the year before, on average, times STRETCH; in
    its first year the average of the year itself. Owners share it equally.
    """
    quarters = pd.period_range(
        start.tz_localize(None), end.tz_localize(None) + pd.DateOffset(months=3), freq="Q"
    )
    quota = _quota(tables, quarters)
    team = pd.DataFrame(
        {
            "period": np.repeat([str(q).replace("Q", "-Q") for q in quarters], quota.shape[1]),
            "amount": _round(quota.to_numpy().ravel()),
            "team": np.tile(quota.columns, len(quarters)),
        }
    )
    size = tables["owners"]["team"].value_counts()
    each = team.merge(tables["owners"][["owner_id", "team"]], on="team")
    each["amount"] = _round((each["amount"] / each["team"].map(size)).to_numpy())
    rows = pd.concat([team, each.drop(columns="team")], ignore_index=True)
    return rows[["period", "amount", "owner_id", "team"]].astype(
        {"period": "str", "owner_id": "str", "team": "str"}
    )


def _quota(tables: dict[str, pd.DataFrame], quarters: pd.PeriodIndex) -> pd.DataFrame:
    """Quota by quarter (rows) and team (columns)."""
    deals, owners = tables["deals"], tables["owners"]
    won = deals[deals["is_won"].fillna(value=False)]
    team = won["owner_id"].map(owners.set_index("owner_id")["team"])
    quarter = won["closed_at"].dt.tz_localize(None).dt.to_period("Q")
    won = won.assign(team=team, quarter=quarter)
    sums = won.pivot_table(index="quarter", columns="team", values="amount", aggfunc="sum")
    sums = sums.reindex(index=quarters, columns=owners["team"].unique())
    sums = sums.fillna(0.0)
    year_before = sums.rolling(4).mean().shift(1)
    return STRETCH * year_before.fillna(sums.iloc[:4].mean())


def _round(amounts: np.ndarray) -> np.ndarray:
    return np.asarray(np.maximum(np.round(amounts / ROUND_TO), 1) * ROUND_TO)
