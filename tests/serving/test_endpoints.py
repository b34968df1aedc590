import logging

import numpy as np
import pandas as pd
import pytest

from serving import messages
from serving.engine import Engine
from serving.listing import Wanted, listed, revenue_at_risk
from serving.problems import Problem
from serving.records import Records, open_records
from serving.records_audit import audit_lines
from serving.replies import (
    ChangesAnswer,
    ExplainAnswer,
    FeedbackAnswer,
    ForecastAnswer,
    ModelAnswer,
    RankAnswer,
    ScoreAnswer,
    WhatIfAnswer,
)
from serving.scores import Scores
from serving.view import View
from training.explanation import log_odds

pytestmark = pytest.mark.slow
ORDERS = {
    "priority": "priority",
    "win_probability": "p_won_90",
    "revenue_at_risk": "revenue_at_risk",
    "closing_soonest": "close_date_p50",
}


@pytest.fixture(scope="module")
def view(engine: Engine) -> View:
    return engine.view()


@pytest.fixture
def records(tmp_path) -> Records:
    return open_records(tmp_path)


@pytest.fixture
def said(engine: Engine, client_of, records: Records):
    """A client of a service that keeps records."""
    return client_of(engine, records)


@pytest.mark.parametrize("order", ORDERS)
def test_the_list_comes_in_the_order_asked(client, order) -> None:
    answer = client.post("/rank", {"order_by": order, "top": 1000, "reasons": False}).json()
    RankAnswer.model_validate(answer)
    values = [deal[ORDERS[order]] for deal in answer["deals"]]
    assert values == sorted(values, reverse=order != "closing_soonest")


def test_filters_leave_what_they_name_and_nothing_else(client, view) -> None:
    deals = view.deals
    source, stage = deals["source"].iloc[0], deals["stage"].iloc[0]
    asked = {"source": [source.upper()], "stage": [stage], "amount_min": 1, "top": 1000}
    answer = client.post("/rank", {**asked, "reasons": False}).json()
    kept = (deals["source"] == source) & (deals["stage"] == stage) & (deals["amount"] >= 1)
    assert {deal["deal_id"] for deal in answer["deals"]} == set(deals.loc[kept, "deal_id"])
    assert answer["open_deals"] == kept.sum()


def test_an_unknown_stage_is_told_with_the_close_ones(client, view) -> None:
    response = client.post("/rank", {"stage": [view.deals["stage"].iloc[0] + "s"]})
    assert response.status_code == 404
    assert view.deals["stage"].iloc[0] in Problem.model_validate(response.json()).allowed


def test_capacity_cuts_the_list_of_each_rep(client, view) -> None:
    answer = client.post("/rank", {"capacity": 2, "top": 1000, "reasons": False}).json()
    owners = pd.Series([deal["owner_id"] for deal in answer["deals"]])
    assert owners.value_counts().max() == 2
    assert set(owners) == set(view.deals["owner_id"])
    assert answer["open_deals"] == len(view.deals)


def test_revenue_at_risk_is_amount_times_the_fall_of_a_week(view) -> None:
    before = view.ago(7).frame.set_index("deal_id")["p_won_90"]
    risk = revenue_at_risk(view)
    for row, deal in view.deals.iterrows():
        fall = max(before.get(deal["deal_id"], 0.0) - deal["p_won_90"], 0.0)
        amount = deal["amount"] if deal["amount"] > 0 else deal["expected_amount"]
        assert risk[row] == pytest.approx(amount * fall)
    assert (risk > 0).any()


def test_without_shuffling_every_deal_stands_where_it_belongs(view) -> None:
    found = listed(view, Wanted())
    assert found.usual.tolist() == list(range(len(view.deals)))


def test_shuffling_swaps_near_ties_alone_is_the_same_all_day_and_logged(client, caplog) -> None:
    asked = {"shuffle": 0.5, "top": 1000, "reasons": False}
    with caplog.at_level(logging.INFO, "dealcast.serving"):
        first = client.post("/rank", asked).json()["deals"]
    moved = [deal for deal in first if deal["rank"] != deal["usual_rank"]]
    assert moved
    assert all(abs(deal["rank"] - deal["usual_rank"]) == 1 for deal in moved)
    assert moved[0]["deal_id"] in caplog.text
    assert client.post("/rank", asked).json()["deals"] == first
    assert client.post("/rank", {**asked, "seed": 1}).json()["deals"] != first
    by_usual = sorted(first, key=lambda deal: deal["usual_rank"])
    for deal in moved:
        place = deal["usual_rank"] - 1
        other = by_usual[place + (1 if deal["rank"] > deal["usual_rank"] else -1)]
        low, high = sorted([deal["priority"], other["priority"]])
        assert low >= 0.9 * high


def test_what_changed_since_yesterday_adds_up(client, view) -> None:
    yesterday = view.ago(1).frame.set_index("deal_id")["p_won_90"]
    for deal in client.post("/rank", {"top": 1000}).json()["deals"]:
        since = deal["since_yesterday"]
        assert since["p_won_90"] == yesterday.get(deal["deal_id"])
        if since["p_won_90"] is not None:
            assert since["points"] == deal["p_won_90"] - since["p_won_90"]


def test_a_deal_is_the_same_by_rank_score_predict_and_explain(client, view) -> None:
    ranked = client.post("/rank", {"top": 3}).json()["deals"]
    ids = [deal["deal_id"] for deal in ranked]
    scored = client.post("/score", {"deal_ids": ids}).json()["deals"]
    for one, other in zip(ranked, scored, strict=True):
        assert {name: one[name] for name in other} == other
        assert client.post("/explain", {"deal_id": one["deal_id"]}).json()["deal"] == other


def test_an_explanation_adds_up_to_the_probability(client, view) -> None:
    deal = view.deals["deal_id"].iloc[3]
    answer = client.post("/explain", {"deal_id": deal}).json()
    ExplainAnswer.model_validate(answer)
    total = answer["base"] + sum(answer["groups"].values())
    assert total == pytest.approx(float(log_odds(np.array([answer["deal"]["p_won_90"]]))[0]))


def test_kept_scores_and_feedback_stand_beside_an_explanation(
    said, engine, view, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(engine, "scores", Scores(tmp_path))
    monkeypatch.delitem(view.memo, "kept", raising=False)
    deal = view.deals["deal_id"].iloc[0]
    assert engine.keep_scores()
    said.post("/feedback", {"kind": "note", "deal_id": deal, "note": "they signed"})
    answer = said.post("/explain", {"deal_id": deal}).json()
    ExplainAnswer.model_validate(answer)
    assert answer["scores"][-1]["p_won_90"] == view.deals["p_won_90"].iloc[0]
    assert [line["note"] for line in answer["feedback"]] == ["they signed"]


def test_changes_are_a_bridge_from_then_to_now(client, view) -> None:
    answer = client.post("/changes", {"days": 30, "top": 1000}).json()
    ChangesAnswer.model_validate(answer)
    steps = {step["step"]: step["value"] for step in answer["bridge"]}
    between = sum(value for name, value in steps.items() if name not in {"before", "after"})
    assert steps["before"] + between == pytest.approx(steps["after"])
    assert steps["after"] == pytest.approx(np.nansum(view.deals["expected_revenue_90"]))
    moved = [abs(deal["points"]) for deal in answer["deals"]]
    assert moved == sorted(moved, reverse=True)
    then = set(view.ago(30).frame["deal_id"])
    assert set(answer["closed"]) == then - set(view.deals["deal_id"])


def test_what_if_is_what_predict_says_of_the_changed_deal(client, view) -> None:
    deal = view.deals.loc[view.deals["amount"].notna(), "deal_id"].iloc[0]
    asked = {"deal_id": deal, "amount": 54_321.5}
    answer = client.post("/what-if", asked).json()
    WhatIfAnswer.model_validate(answer)
    assert answer["supposed"]["amount"] == 54_321.5
    assert answer["points"] == answer["supposed"]["p_won_90"] - answer["deal"]["p_won_90"]
    assert "association" in answer["reading"]
    assert client.post("/score", {"deal_ids": [deal]}).json()["deals"][0] == answer["deal"]


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({}, 422),
        ({"amount": -1}, 422),
        ({"amount": 1e16}, 422),
        ({"expected_close_date": "soon"}, 422),
        ({"expected_close_date": "3026-01-01"}, 422),
        ({"stage": "no such stage"}, 404),
        ({"stage": "closed_won"}, 422),
        ({"activity": {"type": "fax"}}, 422),
    ],
)
def test_what_cannot_be_supposed_is_told(client, view, change, status) -> None:
    response = client.post("/what-if", {"deal_id": view.deals["deal_id"].iloc[0], **change})
    assert response.status_code == status, response.text
    assert Problem.model_validate(response.json()).remedy


def test_feedback_is_kept_audited_and_moves_nothing(said, records, view) -> None:
    deal = view.deals["deal_id"].iloc[0]
    before = said.post("/score", {"deal_ids": [deal]}).json()
    asked = {"kind": "correction", "deal_id": deal, "value": 0.9, "note": "ลงนามแล้ว"}
    answer = said.post("/feedback", asked).json()
    FeedbackAnswer.model_validate(answer)
    kept = answer["kept"]
    assert (kept["value"], kept["note"], kept["by"]) == (0.9, "ลงนามแล้ว", "local")
    assert kept["model_version"] == view.bundle.version
    assert [line.target for line in audit_lines(records)] == [deal]
    assert said.post("/score", {"deal_ids": [deal]}).json() == before


@pytest.mark.parametrize(
    ("asked", "status", "field"),
    [
        ({"kind": "correction"}, 422, "deal_id"),
        ({"kind": "commit"}, 422, "owner_id"),
        ({"kind": "commit", "owner_id": "O1"}, 422, "period"),
        ({"kind": "commit", "owner_id": "nobody", "period": "2026-Q2"}, 404, "owner_id"),
        ({"kind": "commit", "owner_id": "nobody", "period": "soon"}, 422, "period"),
        ({"kind": "note", "deal_id": "no such deal"}, 404, "deal_ids"),
        ({"kind": "praise", "deal_id": "x"}, 422, "kind"),
    ],
)
def test_feedback_of_nothing_is_refused(said, records, asked, status, field) -> None:
    response = said.post("/feedback", asked)
    assert (response.status_code, response.json()["field"]) == (status, field)
    assert audit_lines(records) == []


def test_feedback_without_records_is_a_503_with_the_reason(client, view) -> None:
    asked = {"kind": "note", "deal_id": view.deals["deal_id"].iloc[0]}
    response = client.post("/feedback", asked)
    assert response.status_code == 503
    assert "records" in response.json()["detail"]


def test_the_same_question_gets_the_same_bytes_and_whoever_else_asks_his_own(
    engine, client_of, view
) -> None:
    client = client_of(engine)
    view.memo.pop("answers", None)
    first = client.post("/rank", {"top": 2})
    again = client.post("/rank", {"top": 2})
    assert len(view.memo["answers"].answers) == 1
    assert (again.content, again.status_code) == (first.content, 200)
    assert len(again.headers.raw) == len(first.headers.raw)
    assert client.post("/rank", {"top": 3}).json() != first.json()
    assert client.post("/rank", {"top": 0}).status_code == 422
    assert len(view.memo["answers"].answers) == 2


def test_requests_are_counted_by_address_and_status(client) -> None:
    client.post("/rank", {"top": 0})
    client.post("/rank", {"top": 2})
    client.post("/rank", {"top": 2})
    text = client.get("/metrics").text
    counted = {
        line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1])
        for line in text.splitlines()
        if line.startswith("dealcast_request")
    }
    assert counted['dealcast_requests_total{path="/rank",status="200"}'] >= 2
    assert counted['dealcast_requests_total{path="/rank",status="422"}'] >= 1
    assert counted['dealcast_request_seconds_count{path="/rank"}'] >= 3
    assert "dealcast_open_deals_p_won_90_bucket" in text


def test_the_model_tells_its_card_and_how_fresh_the_data_are(client, view) -> None:
    answer = client.get("/model").json()
    ModelAnswer.model_validate(answer)
    assert answer["card"]["reason"] == view.bundle.card["reason"]
    assert answer["open_deals"] == len(view.deals)
    assert answer["data_age_seconds"] > 0


def test_alive_and_ready_are_said(client) -> None:
    assert client.get("/healthz").json() == {"status": "alive"}
    assert client.get("/readyz").json() == {"status": "ready"}


def test_every_request_has_examples_that_its_own_rules_let_through() -> None:
    requests = [kind for kind in vars(messages).values() if isinstance(kind, type)]
    asked = [kind for kind in requests if kind.__name__.endswith("Request")]
    assert len(asked) > 7
    for kind in asked:
        if kind is not messages.Request:
            for example in kind.model_config["json_schema_extra"]["examples"]:
                kind.model_validate(example)


class TestSight:
    """A caller who may see the deals of one owner alone."""

    @pytest.fixture
    def owner(self, view: View) -> str:
        return str(view.deals["owner_id"].iloc[0])

    @pytest.fixture
    def rep(self, engine, client_of, records, owner):
        return client_of(engine, records, lambda _, __: frozenset({owner}))

    @pytest.fixture
    def other(self, view, owner):
        return view.deals[view.deals["owner_id"] != owner].iloc[0]

    def test_only_own_deals_are_listed_and_scored(self, rep, view, owner) -> None:
        mine = set(view.deals.loc[view.deals["owner_id"] == owner, "deal_id"])
        for path in ("/rank", "/score"):
            answer = rep.post(path, {"reasons": False}).json()
            assert {deal["deal_id"] for deal in answer["deals"]} == mine
        ScoreAnswer.model_validate(answer)
        changes = rep.post("/changes", {"days": 90}).json()
        assert {deal["owner_id"] for deal in changes["deals"]} <= {owner}
        seen = {*changes["opened"], *changes["closed"]}
        assert all(view.knows(deal_id, frozenset({owner})) for deal_id in seen)

    @pytest.mark.parametrize("path", ["/explain", "/what-if", "/feedback"])
    def test_the_deal_of_another_is_answered_like_one_that_does_not_exist(
        self, rep, other, path
    ) -> None:
        body = {"amount": 1} if path == "/what-if" else {}
        body |= {"kind": "note"} if path == "/feedback" else {}
        hidden = rep.post(path, {**body, "deal_id": other["deal_id"]})
        absent = rep.post(path, {**body, "deal_id": "no such deal"})
        assert (hidden.status_code, absent.status_code) == (404, 404)
        assert hidden.text.replace(other["deal_id"], "no such deal") == absent.text

    def test_no_filter_or_suggestion_names_another(self, rep, other) -> None:
        response = rep.post("/rank", {"owner": other["owner"]})
        assert response.status_code == 404
        assert other["owner_id"] not in response.text
        assert rep.post("/score", {"deal_ids": [other["deal_id"]]}).status_code == 404
        team = rep.post("/rank", {"team": "no such team"})
        assert team.status_code == 404

    def test_the_forecast_is_of_the_owner_alone(self, rep, owner) -> None:
        answer = rep.post("/forecast", {"by": ["team", "pipeline"]}).json()
        ForecastAnswer.model_validate(answer)
        assert {(r["scope"], r["scope_id"]) for r in answer["rows"]} <= {("owner", owner)}
        assert answer["rows"]
