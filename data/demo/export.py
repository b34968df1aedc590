"""The tables deals and deal_history, as the log of the simulation tells them."""

import numpy as np
import pandas as pd

from data.demo import lexicon
from data.demo.calendar import Floats, Ints
from data.demo.firm import Firm
from data.demo.log import Log
from data.demo.stamps import Stamps, labels, pick

PRODUCTS = ("Starter", "Team", "Platform", "Rollout", "Support", "Training ✨")
PROPERTIES = ("stage", "amount", "expected_close_date", "owner_id")


def deal_tables(
    firm: Firm, log: Log, stamps: Stamps, accounts: pd.DataFrame, rng: np.random.Generator
) -> dict[str, pd.DataFrame]:
    """Make the tables deals and deal_history."""
    created = log.frame("created")
    ids = labels("D", firm.born)
    foreign = created["foreign"].to_numpy()
    history = pd.concat(
        [
            _stage_rows(firm, log, created),
            _amount_rows(log, created, np.where(foreign, firm.world.other_rate, 1.0)),
            _due_rows(log, created, stamps),
            _owner_rows(firm, log, created),
        ],
        ignore_index=True,
    )
    history["changed_at"] = stamps.change(history["deal"].to_numpy(), history["day"].to_numpy())
    # Two changes of one property on one day: the later one is what was left in the evening.
    history = history.drop_duplicates(["deal", "property", "changed_at"], keep="last")
    history = history.sort_values(["deal", "changed_at"], kind="stable", ignore_index=True)
    history["recorded_at"] = history["changed_at"]
    history.insert(0, "deal_id", pick(ids, history["deal"].to_numpy()))
    deals = _deals(firm, created, ids, accounts, rng)
    born = stamps.change(created["deal"].to_numpy(), created["day"].to_numpy())
    deals.insert(2, "created_at", born)
    return {
        "deals": with_current(deals, history),
        "deal_history": history[["deal_id", "property", "value", "changed_at", "recorded_at"]],
    }


def with_current(deals: pd.DataFrame, history: pd.DataFrame) -> pd.DataFrame:
    """Set stage, amount, expected close date, owner and closing to the last of the history."""
    last = history.sort_values("changed_at", kind="stable").drop_duplicates(
        ["deal_id", "property"], keep="last"
    )
    now = {p: rows.set_index("deal_id") for p, rows in last.groupby("property", observed=True)}
    blank = last.iloc[:0].set_index("deal_id")
    values = {p: deals["deal_id"].map(now.get(p, blank)["value"]) for p in PROPERTIES}
    closed = values["stage"].isin([lexicon.WON, lexicon.LOST])
    moved = deals["deal_id"].map(now["stage"]["changed_at"])
    due = pd.to_datetime(values["expected_close_date"], utc=True, format="%Y-%m-%d")
    return deals.assign(
        stage=values["stage"].astype("str"),
        owner_id=values["owner_id"].astype("str"),
        amount=values["amount"].astype("float64"),
        expected_close_date=due.astype("datetime64[us, UTC]"),
        closed_at=moved.where(closed).astype("datetime64[us, UTC]"),
        is_won=(values["stage"] == lexicon.WON).astype("boolean").where(closed),
    )


def _deals(
    firm: Firm,
    created: pd.DataFrame,
    ids: "pd.Series[str]",
    accounts: pd.DataFrame,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Columns fixed at creation."""
    world = firm.world
    account = created["account"].to_numpy()
    product = pick(pd.Series(PRODUCTS, dtype="str"), rng.integers(0, len(PRODUCTS), len(ids)))
    main = pd.Series(world.currency, index=ids.index, dtype="str")
    return pd.DataFrame(
        {
            "deal_id": ids,
            "name": pick(accounts["name"], account) + " – " + product,
            "account_id": pick(accounts["account_id"], account),
            "pipeline": _word(tuple(world.stages), created["pipeline"]),
            "source": _word(lexicon.SOURCES, created["source"]),
            "deal_type": _word(lexicon.DEAL_TYPES, created["deal_type"]),
            "currency": main.mask(created["foreign"], world.other_currency),
        }
    )


def _stage_rows(firm: Firm, log: Log, created: pd.DataFrame) -> pd.DataFrame:
    """Stage at creation, every move, every closing."""
    depth = max(map(len, firm.world.stages.values()))
    words = [
        stage
        for stages in firm.world.stages.values()
        for stage in (*stages, *[""] * (depth - len(stages)))
    ]
    moves = pd.concat([created, log.frame("stages")])[["deal", "day", "pipeline", "stage"]]
    closed = log.frame("closed")
    code = (moves["pipeline"] * depth + moves["stage"]).to_numpy()
    return pd.concat(
        [
            _rows(moves, "stage", _word(tuple(words), pd.Series(code))),
            _rows(closed, "stage", _word((lexicon.LOST, lexicon.WON), closed["won"].astype(int))),
        ]
    )


def _amount_rows(log: Log, created: pd.DataFrame, rate: Floats) -> pd.DataFrame:
    """Amounts in the currency of the deal, in tens as people enter them."""
    rows = pd.concat([created[created["known"]], log.frame("amounts")])
    amount = np.exp(rows["amount"]) / rate[rows["deal"].to_numpy()]
    return _rows(rows, "amount", np.maximum(amount.round(-1), 10.0).astype("str"))


def _due_rows(log: Log, created: pd.DataFrame, stamps: Stamps) -> pd.DataFrame:
    rows = pd.concat([created[created["due"] >= 0], log.frame("dues")])
    return _rows(rows, "expected_close_date", _dates(stamps, rows["due"].to_numpy()))


def _dates(stamps: Stamps, days: Ints) -> "pd.Series[str]":
    """ISO dates; worked out once for each day, as days are few and rows many."""
    first = int(days.min(initial=0))
    span = np.arange(first, int(days.max(initial=0)) + 1)
    texts = stamps.at(span, np.zeros(len(span))).dt.strftime("%Y-%m-%d").astype("str")
    return pick(texts, days - first)


def _owner_rows(firm: Firm, log: Log, created: pd.DataFrame) -> pd.DataFrame:
    rows = pd.concat([created, log.frame("owners")])

    ids = labels("O", len(firm.owners.team))
    return _rows(rows, "owner_id", pick(ids, rows["owner"].to_numpy()))


def _rows(events: pd.DataFrame, name: str, value: "pd.Series[str]") -> pd.DataFrame:
    frame = pd.DataFrame({"deal": events["deal"].to_numpy(), "property": name})
    return frame.assign(value=value.to_numpy(), day=events["day"].to_numpy()).astype(
        {"property": "str", "value": "str"}
    )


def _word(words: tuple[str, ...], code: "pd.Series[int]") -> "pd.Series[str]":
    return pick(pd.Series(words, dtype="str"), np.asarray(code, np.int64))
