import numpy as np
import pandas as pd

from data.tables import Tables
from features.history import History
from training.bundle import Bundle
from training.insights.replay import replayed
from training.insights.stages import promised, slipped, stage_table, to_close_out
from training.scoring import score
from training.train import train

DAY = 86_400_000_000


def micros(text: str) -> int:
    """Microseconds of a time."""
    return int(pd.Timestamp(text, tz="UTC").as_unit("us").asm8.astype("int64"))


def trained(tables: Tables, at: str) -> tuple[History, Bundle]:
    """History and the table learned from it."""
    history = History.of(tables)
    return history, train(history, micros(at)).bundle


def test_stages_hold_the_open_deals_in_the_order_of_the_funnel(five_deals: Tables) -> None:
    history, bundle = trained(five_deals, "2024-07-01")
    scored = score(bundle, history, micros("2024-07-01"))
    told = stage_table(history, scored, bundle.vocabulary, micros("2024-07-01"))
    assert told["stage"].tolist() == ["qualified", "proposal"]
    assert told["deals"].tolist() == [2, 1]
    assert told["amount"].tolist() == [300.0, 800.0]
    assert (told[["fresh", "ageing", "old"]].sum(axis=1) == told["deals"]).all()


def test_flow_counts_where_deals_went(five_deals: Tables) -> None:
    history, bundle = trained(five_deals, "2024-07-01")
    at = micros("2024-03-16")
    scored = score(bundle, history, at)
    told = stage_table(history, scored, bundle.vocabulary, at).set_index("stage")
    assert told.loc["proposal", ["entered", "won", "lost"]].tolist() == [1, 1, 0]
    assert told.loc["qualified", ["advanced", "lost"]].tolist() == [1, 1]
    nobody = stage_table(
        history, scored, bundle.vocabulary, at, np.zeros(history.size, bool)
    ).set_index("stage")
    assert nobody.loc["proposal", "won"] == 0


def with_dates(tables: Tables, rows: list[tuple[str, str, str]]) -> Tables:
    """Add expected close dates: deal, date, when it was said."""
    added = pd.DataFrame(
        [(d, "expected_close_date", v, at) for d, v, at in rows],
        columns=["deal_id", "property", "value", "changed_at"],
    )
    frames = dict(tables.items())
    frames["deal_history"] = pd.concat([frames["deal_history"], added], ignore_index=True)
    return Tables.of(frames)


def test_slipped_are_the_overdue_and_the_pushed_out(five_deals: Tables) -> None:
    tables = with_dates(
        five_deals,
        [
            ("O", "2024-06-10", "2024-02-01"),
            ("R", "2024-06-20", "2024-04-05"),
            ("R", "2024-08-20", "2024-06-12"),
            ("S", "2024-09-01", "2024-01-20"),
        ],
    )
    history, bundle = trained(tables, "2024-07-01")
    at = micros("2024-06-20")
    scored = score(bundle, history, at)
    told = slipped(history, scored, micros("2024-07-01"), at)
    ids = scored.frame["deal_id"].iloc[told["row"]].tolist()
    assert dict(zip(ids, told["kind"], strict=True)) == {"O": "overdue", "R": "pushed"}


def test_an_overdue_date_counts_as_promised_now(five_deals: Tables) -> None:
    tables = with_dates(
        five_deals, [("O", "2024-05-10", "2024-02-01"), ("R", "2024-08-20", "2024-04-05")]
    )
    history, bundle = trained(tables, "2024-07-01")
    at = micros("2024-06-20")
    scored = score(bundle, history, at)
    now = promised(history, scored, micros("2024-04-01"), micros("2024-07-01"))
    later = promised(history, scored, micros("2024-07-01"), micros("2024-10-01"))
    assert (now.sum(), later.sum()) == (800.0, 300.0)


def test_what_is_hardly_ever_won_is_to_close_out(five_deals: Tables) -> None:
    history, bundle = trained(five_deals, "2024-07-01")
    scored = score(bundle, history, micros("2024-07-01"))
    scored.frame["p_won"] = [0.01, 0.09, 0.5]
    scored.frame["stale"] = [False, True, True]
    assert len(to_close_out(scored)) == 2


def test_the_replay_covers_the_weeks_in_which_the_deal_was_open(five_deals: Tables) -> None:
    history, bundle = trained(five_deals, "2024-07-01")
    told = replayed(bundle, history, history.position_of["R"], micros("2024-07-01"), weeks=30)
    times = pd.to_datetime(told["time"], unit="us", utc=True)
    away = (times > "2024-02-11") & (times <= "2024-04-02")
    assert not away.any()
    assert len(told) > 10
    assert told["p_won"].between(0, 1).all()
    now = score(bundle, history, micros("2024-07-01")).frame.set_index("deal_id")
    assert told["p_won"].iloc[-1] == now.loc["R", "p_won_90"]
