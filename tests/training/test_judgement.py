from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from data.settings import Settings
from data.tables import Tables
from features.history import History
from features.windows import DAY
from features.worlds import Worlds, pinned
from training.judgement import judged_deals, statements
from training.judgement_scores import accuracy, judged_past, judgement_sums
from training.refitted import refitted
from training.standing import Span

AS_OF = int(pd.Timestamp("2024-05-10", tz="UTC").as_unit("us").asm8.astype("int64"))
LATER = int(pd.Timestamp("2024-08-01", tz="UTC").as_unit("us").asm8.astype("int64"))
Q2 = Span.named("2024-Q2")

# deal, owner, amount, expected close, category, closed as, on
DEALS = """
in_time  ann 100 2024-06-01 Commit     closed_won  2024-06-20
slipped  ann 200 2024-02-01 commit     closed_lost 2024-06-21
dateless bob 300 -          COMMIT     closed_won  2024-07-15
later    bob 400 2024-08-01 commit     closed_won  2024-06-22
best     bob 500 2024-06-05 Best__Case closed_won  2024-06-23
upside   ann 600 2024-06-06 upside     -           -
plain    ann 700 2024-06-07 pipeline   closed_won  2024-06-24
unpriced ann -   2024-06-08 commit     -           -
gone     ann 800 2024-04-08 commit     closed_won  2024-05-01
"""


def tables(prop="forecast_category"):
    deals, rows = [], []
    for line in DEALS.strip().splitlines():
        deal, owner, amount, due, category, end, at = line.split()
        start = "2024-01-05"
        facts = [("stage", "open", start), ("owner_id", owner, start), (prop, category, start)]
        facts += [("amount", amount, start)] * (amount != "-")
        facts += [("expected_close_date", due, start)] * (due != "-")
        facts += [("stage", end, at)] * (end != "-")
        rows += [(deal, name, value, when) for name, value, when in facts]
        deals.append((deal, end if end != "-" else "open", start, owner))
    columns = ["deal_id", "property", "value", "changed_at"]
    return Tables.of(
        {
            "deals": pd.DataFrame(deals, columns=["deal_id", "stage", "created_at", "owner_id"]),
            "deal_history": pd.DataFrame(rows, columns=columns),
        }
    )


@pytest.fixture(scope="module")
def crm():
    return History.of(tables())


def at(day):
    return int(pd.Timestamp(day, tz="UTC").as_unit("us").asm8.astype("int64"))


def said(*rows):
    names = ("at", "kind", "value", "deal_id", "owner_id", "period")
    return pd.DataFrame([dict(zip(names, row, strict=True)) for row in rows])


def test_commit_and_best_case_are_read_in_any_spelling(crm):
    found = judged_deals(crm, AS_OF).set_index("deal_id")
    assert set(found.index[found["judgement"] == "commit"]) == {
        *("in_time", "slipped", "dateless", "later", "unpriced")
    }
    assert set(found.index[found["judgement"] == "best case"]) == {"best", "upside"}


def test_commit_is_for_the_period_of_the_expected_close_or_the_running_one(crm):
    period = judged_deals(crm, AS_OF).set_index("deal_id")["period"]
    assert period[["in_time", "slipped", "dateless"]].tolist() == ["2024-Q2"] * 3
    assert period["later"] == "2024-Q3"
    assert judged_deals(crm, AS_OF, "month").set_index("deal_id")["period"]["in_time"] == "2024-06"


def test_what_was_said_later_is_not_known_yet(crm):
    before = at("2024-01-04")
    assert judged_deals(crm, before).empty
    late = said((pd.Timestamp("2024-05-10", tz="UTC"), "commit", 5, "plain", None, None))
    assert judged_deals(crm, AS_OF, said=late).equals(judged_deals(crm, AS_OF))


def test_statement_about_a_deal_stands_beside_the_category_and_the_history_keeps_both(crm):
    told = said(
        ("2024-05-01", "commit", 650, "plain", "ann", None),
        ("2024-05-02", "commit", 90, "in_time", "ann", "2024-Q3"),
        ("2024-05-03", "note", 1, "best", "bob", None),
    )
    found = judged_deals(crm, AS_OF, said=told).set_index("deal_id")
    assert found.loc["plain", ["judgement", "amount", "by"]].tolist() == [
        *("commit", 650.0, "statement")
    ]
    assert found.loc["in_time", ["period", "amount"]].tolist() == ["2024-Q3", 90.0]
    assert found.loc["best", "judgement"] == "best case"
    category = crm.tables.deal_history.query("deal_id == 'plain'").set_index("property")["value"]
    assert category["forecast_category"] == "pipeline"


def test_last_statement_counts():
    told = said(
        ("2024-05-02", "commit", 70, None, "ann", "2024-Q2"),
        ("2024-05-01", "commit", 50, None, "ann", "2024-Q2"),
        ("2024-05-01", "commit", 10, None, "ann", "2024-Q3"),
        ("2024-05-01", None, 20, None, "bob", "2024-Q2"),
    )
    found = statements(told, AS_OF)
    assert sorted(zip(found["owner_id"], found["period"], found["amount"], strict=True)) == [
        ("ann", "2024-Q2", 70.0),
        ("ann", "2024-Q3", 10.0),
        ("bob", "2024-Q2", 20.0),
    ]
    assert statements(None, AS_OF).empty
    assert statements(told.to_dict("records"), AS_OF).equals(found)


def test_sums_are_booked_plus_commits_plus_best_cases(crm):
    told = said(("2024-05-02", "commit", 1000, None, "ann", "2024-Q2"))
    found = judgement_sums(crm, AS_OF, [Q2], told).set_index("owner_id")
    assert found.loc["ann", ["booked", "deals", "commit", "best_case", "stated"]].tolist() == [
        *(800.0, 3, 800.0 + 300.0, 800.0 + 300.0 + 600.0, 1000.0)
    ]
    assert found.loc["bob", ["booked", "deals", "commit", "best_case"]].tolist() == [
        *(0.0, 1, 300.0, 800.0)
    ]
    assert np.isnan(found.loc["bob", "stated"])


def test_another_property_and_other_words_are_read_where_the_settings_name_them():
    settings = Settings(forecast_category="call", commit_words=["pipeline"], best_case_words=[])
    history = History.of(tables("call"), settings)
    found = judged_deals(history, AS_OF)
    assert found["deal_id"].tolist() == ["plain"]
    assert judged_deals(History.of(tables("call")), AS_OF).empty


def test_commits_are_scored_against_what_came(crm):
    past = judged_past(crm, [(AS_OF, Q2)], LATER).set_index("owner_id")
    assert past.loc["ann", ["deals", "won", "actual"]].tolist() == [3, 1, 800.0 + 100.0 + 700.0]
    assert past.loc["bob", ["deals", "won", "actual"]].tolist() == [1, 0, 400.0 + 500.0]
    found = accuracy(past.reset_index())
    assert (found.deals, found.won, found.hit_rate) == (4, 1, 0.25)
    assert found.low < 0.25 < found.high
    assert found.wape["commit"] == pytest.approx(abs(1100 + 300 - 2500) / 2500)
    assert found.bias["best_case"] == pytest.approx((1700 + 800 - 2500) / 2500)
    by_owner = accuracy(past.reset_index(), by_owner=True)
    assert by_owner.wape["commit"] == pytest.approx((500 + 600) / 2500)
    assert "stated" not in found.wape


def test_model_is_scored_on_the_same_rows_where_its_forecasts_are_given(crm):
    instant = pd.Timestamp(AS_OF, unit="us", tz="UTC")
    model = pd.DataFrame(
        {"as_of": instant, "period": "2024-Q2", "scope": ["owner", "owner", "total"]}
    ).assign(scope_id=["ann", "bob", ""], mean=[1500.0, 1000.0, 9.0])
    past = judged_past(crm, [(AS_OF, Q2)], LATER, model=model)
    found = accuracy(past)
    assert found.wape["model"] == 0.0
    assert found.compared["model"] == found.compared["commit"] == 1
    assert accuracy(past, by_owner=True).wape["model"] == pytest.approx(200 / 2500)


def test_period_that_is_not_over_is_not_scored(crm):
    past = judged_past(crm, [(AS_OF, Q2)], AS_OF + DAY)
    assert past.empty
    found = accuracy(past)
    assert (found.deals, found.periods, found.wape) == (0, 0, {})
    assert np.isnan(found.hit_rate)


def test_history_without_judgement_has_none(history):
    plain = History.of(
        Tables.of(
            {
                **{name: history.tables[name] for name in ("deals", "owners")},
                "deal_history": history.tables.deal_history.query(
                    "property != 'forecast_category'"
                ),
            }
        )
    )
    assert judged_deals(plain, AS_OF).empty
    assert (
        judgement_sums(plain, AS_OF, [Q2])["commit"].sum()
        == judgement_sums(plain, AS_OF, [Q2])["booked"].sum()
    )


def test_demo_reps_commit_too_much_and_are_of_some_use(history):
    asked = [(Span.named(q).begin + 30 * DAY, Span.named(q)) for q in ("2023-Q3", "2023-Q4")]
    found = accuracy(judged_past(history, asked, AS_OF))
    assert found.deals > 5
    assert 0.15 < found.hit_rate < 0.9


@pytest.mark.slow
def test_model_learned_for_a_past_quarter_knows_nothing_of_what_came_later(history):
    at = Span.named("2024-Q1").begin + 30 * DAY
    worlds = Worlds(History.of(pinned(history.tables)), at, np.random.default_rng(0))
    answers = [
        refitted(History.of(tables), at + 60 * DAY, [(at, Span.named("2024-Q1"))])
        for tables in (worlds.history.tables, worlds.deleted(), worlds.altered())
    ]
    means = [frame[frame["scope"] == "owner"]["mean"].to_numpy() for frame in answers]
    assert means[0].sum() > 0
    assert means[1] == pytest.approx(means[0], rel=1e-6)
    assert means[2] == pytest.approx(means[0], rel=1e-6)


def test_no_model_is_learned_for_a_quarter_with_too_little_before_it(history):
    early = Span.holding(int(history.known_from.min()) + 40 * DAY, "quarter")
    assert refitted(history, AS_OF, [(early.begin + 30 * DAY, early)]) is None
