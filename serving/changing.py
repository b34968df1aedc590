"""What changed among the open deals between two instants, deal by deal and as a bridge of sums."""

from __future__ import annotations

import numpy as np
import pandas as pd

from features.windows import Bools, Ints
from serving.answers import head, iso, records
from serving.listing import Sight, Wanted, listed
from serving.messages import ChangesRequest
from serving.ranking import take
from serving.replies import Content
from serving.view import View
from training.scoring import Scored


def changed(view: View, asked: ChangesRequest, sight: Sight = None) -> Content:
    """Answer with the deals whose p_won_90 moved most, and the bridge from then to now."""
    wanted = Wanted(owner=asked.owner, team=asked.team)
    rows = listed(view, wanted, sight).rows
    then = view.ago(asked.days)
    then = take(then, np.flatnonzero(_of_the_same(view, then, rows, wanted, sight)))
    found = view.changed(rows, asked.days)
    moved = [(row, each) for row, each in zip(rows, found, strict=True) if each is not None]
    moved.sort(key=lambda pair: -abs(pair[1].after - pair[1].before))
    shown = view.deals.iloc[[int(row) for row, _ in moved[: asked.top]]]
    before = then.frame.set_index("deal_id")["expected_revenue_90"]
    told = shown[["deal_id", "name", "owner_id", "owner"]].assign(
        p_won_90_before=[each.before for _, each in moved[: asked.top]],
        p_won_90=shown["p_won_90"],
        points=[each.after - each.before for _, each in moved[: asked.top]],
        expected_revenue_90_before=shown["deal_id"].map(before).to_numpy(float),
        expected_revenue_90=shown["expected_revenue_90"],
    )
    told["because"] = pd.Series(
        [[str(c) for c in each.changes] for _, each in moved[: asked.top]], told.index, object
    )
    ids = view.deals["deal_id"].iloc[np.sort(rows)]
    return {
        **head(view),
        "since": iso(view.instant - pd.Timedelta(days=asked.days)),
        "deals": records(told),
        "opened": ids[~ids.isin(then.frame["deal_id"])].tolist(),
        "closed": then.frame.loc[~then.frame["deal_id"].isin(ids), "deal_id"].tolist(),
        "bridge": _bridge(view, then, rows),
    }


def _of_the_same(view: View, then: Scored, rows: Ints, wanted: Wanted, sight: Sight) -> Bools:
    """(n,) deals of the earlier instant that belong, now, to the owners asked for."""
    if wanted.owner is None and wanted.team is None and sight is None:
        return np.ones(len(then.frame), bool)
    owners = set(view.deals["owner_id"].iloc[rows].dropna())
    now = pd.Series([view.owners[code] for code in then.snapshots.deal], dtype=object)
    return now.isin(owners).to_numpy(bool)


def _bridge(view: View, then: Scored, rows: Ints) -> list[Content]:
    """Sums of expected_revenue_90 (wins, where amounts are not known) from then to now."""
    value = "expected_revenue_90" if view.bundle.amount.wins else "p_won_90"
    now = view.deals.iloc[rows].set_index("deal_id")
    old = then.frame.set_index("deal_id")
    both = now.index.intersection(old.index)
    gone = old.index.difference(now.index)
    won = [deal_id for deal_id in gone if view.outcome(deal_id) == "won"]
    lost = gone.difference(won)
    amount = (now["expected_amount"] - old["expected_amount"]).loc[both] * old["p_won_90"].loc[
        both
    ]
    if value == "p_won_90":
        amount = amount * 0.0
    total = (now[value] - old[value]).loc[both]
    opened = now.index.difference(old.index)
    steps = [
        ("before", old[value].sum(), len(old)),
        ("opened", now.loc[opened, value].sum(), len(opened)),
        ("won", -old.loc[won, value].sum(), len(won)),
        ("lost", -old.loc[lost, value].sum(), len(lost)),
        ("probability", (total - amount).sum(), len(both)),
        ("amount", amount.sum(), len(both)),
        ("after", now[value].sum(), len(now)),
    ]
    return [{"step": name, "value": float(sum_), "deals": n} for name, sum_, n in steps]
