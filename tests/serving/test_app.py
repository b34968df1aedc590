import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from serving import limits
from serving.engine import Engine
from serving.metrics import metrics_text
from serving.problems import Problem
from serving.replies import ExplainAnswer, ForecastAnswer, RankAnswer, ScoreAnswer
from serving.view import View
from training.outlook import make_outlook
from training.reasons import reasons

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def view(engine: Engine) -> View:
    return engine.view()


@pytest.fixture(scope="module")
def open_ids(view: View) -> list[str]:
    return view.deals["deal_id"].tolist()


@pytest.fixture(scope="module")
def closed(view: View) -> pd.Series:
    deals = view.history.tables.deals
    return deals[deals["is_won"].fillna(value=False)].iloc[0]


def message(view: View, deal_id: str) -> dict[str, Any]:
    """A deal of the store as one would send it."""

    def rows(table: str) -> list[dict[str, Any]]:
        frame = view.history.tables.select([deal_id])[table]
        found = json.loads(frame.to_json(orient="records", date_format="iso", date_unit="us"))
        return [{k: v for k, v in row.items() if v is not None} for row in found]

    def inner(table: str) -> list[dict[str, Any]]:
        return [{k: v for k, v in row.items() if k != "deal_id"} for row in rows(table)]

    return {
        **rows("deals")[0],
        "history": inner("deal_history"),
        "activities": inner("activities"),
    }


def test_the_list_has_the_numbers_of_the_scores_to_the_last_digit(client, view) -> None:
    answer = client.post("/rank", {"top": 1000}).json()
    RankAnswer.model_validate(answer)
    frame = view.scored.frame.set_index("deal_id")
    assert answer["open_deals"] == len(frame) == len(answer["deals"])
    for deal in answer["deals"]:
        for name in ("p_won_30", "p_won", "p_lost_quarter", "expected_revenue_90", "priority"):
            told = frame.loc[deal["deal_id"], name]
            assert deal[name] == told or (deal[name] is None and np.isnan(told))
    priorities = [deal["priority"] for deal in answer["deals"]]
    assert priorities == sorted(priorities, reverse=True)


def test_the_list_of_an_owner_holds_that_owner_alone(client, view) -> None:
    owner = view.deals["owner_id"].iloc[0]
    name = view.deals["owner"].iloc[0]
    by_id = client.post("/rank", {"owner": owner}).json()["deals"]
    by_name = client.post("/rank", {"owner": name.upper()}).json()["deals"]
    assert {deal["owner_id"] for deal in by_id} == {owner}
    assert by_id == by_name


def test_every_open_deal_is_scored_where_none_is_named(client, open_ids) -> None:
    answer = client.post("/score", {}).json()
    ScoreAnswer.model_validate(answer)
    assert [deal["deal_id"] for deal in answer["deals"]] == open_ids
    assert answer == client.post("/score").json()


def test_a_closed_deal_is_answered_with_how_it_ended(client, closed, open_ids) -> None:
    asked = [open_ids[0], closed["deal_id"]]
    found = client.post("/score", {"deal_ids": asked}).json()["deals"]
    assert [deal["deal_id"] for deal in found] == asked
    assert [deal["status"] for deal in found] == ["open", "won"]
    assert found[1]["closed_at"]


def test_a_deal_that_nobody_knew_yet_is_said_to_be_so(client, view) -> None:
    newest = view.history.tables.deals.sort_values("created_at").iloc[-1]
    asked = {"deal_ids": [newest["deal_id"]], "as_of": "2025-01-01"}
    assert client.post("/score", asked).json()["deals"][0]["status"] == "not yet known"


def test_reasons_are_those_of_the_layer_below(client, view) -> None:
    told = {deal["deal_id"]: deal for deal in client.post("/score").json()["deals"]}
    for deal_id, found in zip(
        view.deals["deal_id"], reasons(view.bundle, view.scored), strict=True
    ):
        up = [reason.text for reason in found if reason.contribution > 0]
        assert told[deal_id]["reasons_for"] == up


def test_the_forecast_is_that_of_the_layer_below_to_the_last_digit(client, view) -> None:
    asked = {"period": "quarter", "periods": 2, "by": ["owner", "source"]}
    answer = client.post("/forecast", asked).json()
    ForecastAnswer.model_validate(answer)
    frame = make_outlook(
        view.bundle, view.history, view.as_of, period="quarter", periods=2, by=("owner", "source")
    ).frame
    assert len(answer["rows"]) == len(frame)
    for row, told in zip(answer["rows"], frame.to_dict("records"), strict=True):
        for name in ("scope", "scope_id", "booked", "open", "new", "mean", "p10", "p50", "p90"):
            assert row[name] == told[name]


def test_one_deal_is_explained_by_reasons_and_a_curve_that_never_falls(client, open_ids) -> None:
    answer = client.post("/explain", {"deal_id": open_ids[0]}).json()
    ExplainAnswer.model_validate(answer)
    won = [point["p_won"] for point in answer["curve"]]
    assert (np.diff(won) >= -1e-12).all()
    assert won[0] == 0.0
    texts = [r["text"] for r in answer["reasons"] if r["contribution"] > 0]
    assert texts == answer["deal"]["reasons_for"]


def test_an_answer_tells_instant_model_data_and_tier(client, view) -> None:
    for path in ("/rank", "/score", "/forecast"):
        answer = client.post(path).json()
        assert answer["as_of"] == "2026-06-01T09:00:42Z"
        assert answer["model_version"] == view.bundle.version
        assert answer["data_version"] == view.data_version
        assert answer["tier"] == view.bundle.tier
        assert answer["currency"] == "EUR"


def test_a_deal_sent_whole_is_scored_as_the_same_deal_in_the_store(client, view, open_ids) -> None:
    asked = open_ids[:4]
    stored = client.post("/score", {"deal_ids": asked}).json()
    sent = client.post("/predict", {"deals": [message(view, each) for each in asked]}).json()
    ScoreAnswer.model_validate(sent)
    assert sent["deals"] == stored["deals"]
    assert sent["as_of"] == stored["as_of"]


def test_a_deal_sent_in_another_state_is_scored_anew_and_not_kept(client, view, open_ids) -> None:
    before = client.post("/score", {"deal_ids": open_ids[:1]}).json()["deals"]
    changed = message(view, open_ids[0])
    changed["history"].append(
        {"property": "amount", "value": 987654.25, "changed_at": "2026-06-01T08:00:00Z"}
    )
    sent = client.post("/predict", {"deals": [changed]}).json()["deals"][0]
    assert sent["amount"] == 987654.25
    assert client.post("/score", {"deal_ids": open_ids[:1]}).json()["deals"] == before


def test_a_new_deal_in_any_script_comes_back_as_it_was_sent(client) -> None:
    deal = {
        "deal_id": "Ξ–ดีล/٣ 🙂",
        "stage": "qualified",
        "created_at": "2026-05-20T10:00:00+07:00",
        "name": "شركة <b>الأفق</b>",
        "history": [
            {"property": "stage", "value": "qualified", "changed_at": "2026-05-20T10:00:00+07:00"}
        ],
        "activities": [
            {"type": "Email", "direction": "IN", "occurred_at": "2026-05-25"},
            {
                "type": "meeting",
                "occurred_at": "2026-06-09T09:00:00Z",
                "recorded_at": "2026-05-30",
            },
        ],
    }
    response = client.post("/predict", {"deals": [deal]})
    found = response.json()["deals"][0]
    assert found["deal_id"] == deal["deal_id"]
    assert found["name"] == deal["name"]
    assert found["status"] == "open"
    assert deal["deal_id"] in response.content.decode("utf-8")


def test_what_became_known_after_the_instant_moves_the_instant_to_now(client) -> None:
    changed = {"property": "stage", "value": "qualified", "changed_at": "2026-06-01T09:00:10Z"}
    deal = {"deal_id": "n", "stage": "qualified", "created_at": "2026-06-01T09:00:10Z"}
    body = {"deals": [{**deal, "history": [changed]}]}
    answer = client.post("/predict", body).json()
    assert answer["as_of"] == "2026-06-01T09:00:42Z"
    assert answer["deals"][0]["status"] == "open"
    pinned = client.post("/predict", {**body, "as_of": "2026-06-01T09:00:00Z"}).json()
    assert pinned["deals"][0]["status"] == "not yet known"


def test_an_amount_that_no_history_tells_is_said_not_to_be_read(client) -> None:
    deal = {"deal_id": "n", "stage": "qualified", "created_at": "2026-05-01", "amount": 5}
    notes = client.post("/predict", {"deals": [deal]}).json()["notes"]
    assert any("history" in note for note in notes)


DEAL = {"deal_id": "x", "stage": "qualified", "created_at": "2026-05-01"}
CHANGE = {"property": "amount", "value": "5", "changed_at": "2026-05-02"}
CALL = {"type": "call", "occurred_at": "2026-05-02"}
HERE = "deals[0].history[0].value"
LONG = "é" * 100_000
BAD = [
    ("/rank", {"top": 0}, 422, "top"),
    ("/rank", {"top": 1001}, 422, "top"),
    ("/rank", {"top": "5"}, 422, "top"),
    ("/rank", {"top": True}, 422, "top"),
    ("/rank", {"tpo": 5}, 422, "tpo"),
    ("/rank", {"owner": ""}, 422, "owner"),
    ("/rank", {"owner": "nobody at all"}, 404, "owner"),
    ("/rank", {"team": "ทีมที่ไม่มี"}, 404, "team"),
    ("/rank", {"owner": LONG}, 422, "owner"),
    ("/rank", {"as_of": "yesterday"}, 422, "as_of"),
    ("/rank", {"as_of": "2026-13-01"}, 422, "as_of"),
    ("/rank", {"as_of": "2026-06-02"}, 422, "as_of"),
    ("/rank", {"as_of": "9999999-01-01"}, 422, "as_of"),
    ("/rank", [], 422, None),
    ("/score", {"deal_ids": ["no such deal"]}, 404, "deal_ids"),
    ("/score", {"deal_ids": "D00001"}, 422, "deal_ids"),
    ("/score", {"deal_ids": [5]}, 422, "deal_ids[0]"),
    ("/forecast", {"periods": 25}, 422, "periods"),
    ("/forecast", {"period": "week"}, 422, "period"),
    ("/forecast", {"by": ["stage"]}, 422, "by[0]"),
    ("/explain", {}, 422, "deal_id"),
    ("/explain", {"deal_id": "no such deal"}, 404, "deal_ids"),
    ("/predict", {"deals": []}, 422, "deals"),
    ("/predict", {"deals": [{}]}, 422, "deals[0].deal_id"),
    ("/predict", {"deals": [DEAL, DEAL]}, 422, "deals[1].deal_id"),
    ("/predict", {"deals": [{**DEAL, "created_at": "soon"}]}, 422, "deals[0].created_at"),
    ("/predict", {"deals": [{**DEAL, "created_at": "2027-01-01"}]}, 422, "deals[0].created_at"),
    ("/predict", {"deals": [{**DEAL, "amount": -1}]}, 422, "deals[0].amount"),
    ("/predict", {"deals": [{**DEAL, "amount": "5"}]}, 422, "deals[0].amount"),
    ("/predict", {"deals": [{**DEAL, "is_won": True}]}, 422, "deals[0].closed_at"),
    ("/predict", {"deals": [{**DEAL, "nested": {"a": 1}}]}, 422, "deals[0].nested"),
    ("/predict", {"deals": [{**DEAL, "history": [{**CHANGE, "value": [5]}]}]}, 422, HERE),
    ("/predict", {"deals": [{**DEAL, "stage": "no such stage"}]}, 422, "deals[0].stage"),
    (
        "/predict",
        {
            "deals": [
                DEAL,
                {**DEAL, "deal_id": "y", "history": [CHANGE, {**CHANGE, "value": "-5"}]},
            ]
        },
        422,
        "deals[1].history[1].value",
    ),
    (
        "/predict",
        {"deals": [{**DEAL, "activities": [CALL, {**CALL, "type": "fax"}]}]},
        422,
        "deals[0].activities[1].type",
    ),
    (
        "/predict",
        {"deals": [{**DEAL, "activities": [{**CALL, "occurred_at": "2026-06-05"}]}]},
        422,
        "deals[0].activities[0].occurred_at",
    ),
]


@pytest.mark.parametrize(("path", "body", "status", "field"), BAD)
def test_bad_input_is_told_with_field_and_remedy(client, path, body, status, field) -> None:
    response = client.post(path, body)
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    found = Problem.model_validate(response.json())
    assert (found.status, found.field) == (status, field)
    assert found.detail
    assert found.remedy
    assert len(response.content) < 5_000


RAW = [
    (b"{", 400),
    (b"\xff\xfe{", 400),
    (b"[" * 200_000, 400),
    (b'{"owner": "\\ud800"}', 422),
    (b'{"top": NaN}', 422),
    (b'{"top": 1e999}', 422),
    (b'{"top": ' + b"9" * 5_000 + b"}", 400),
    (b"null", 200),
    (b"", 200),
]


@pytest.mark.parametrize(("body", "status"), RAW)
def test_a_broken_body_is_never_a_failure_of_the_service(client, body, status) -> None:
    response = client.post("/rank", content=body, headers={"content-type": "application/json"})
    assert response.status_code == status
    assert "Traceback" not in response.text


def test_a_body_of_another_type_is_told_to_be_sent_as_json(client) -> None:
    response = client.post("/rank", data={"top": 5})
    assert response.status_code == 422
    assert "application/json" in response.json()["remedy"]


def test_a_body_above_the_limit_is_refused(client) -> None:
    response = client.post("/predict", content=b" " * (limits.MOST_BYTES + 1))
    assert response.status_code == 413
    assert response.json()["remedy"]


def test_a_body_that_does_not_tell_its_length_is_counted(client) -> None:
    async def parts():
        for _ in range(11):
            yield b" " * 1024 * 1024

    assert client.post("/predict", content=parts()).status_code == 413


def test_an_unforeseen_failure_has_no_traceback(client, monkeypatch) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr("serving.answers.ranked", fail)
    response = client.post("/rank", {"top": 987})
    assert response.status_code == 500
    assert response.json()["title"]
    assert "secret" not in response.text


def test_an_unknown_address_or_method_is_a_problem_too(client) -> None:
    assert client.get("/nothing").json()["status"] == 404
    assert client.get("/rank").json()["status"] == 405


def test_missing_numbers_are_null(client, view) -> None:
    missing = view.deals.loc[view.deals["amount"].isna(), "deal_id"].iloc[0]
    found = client.post("/score", {"deal_ids": [missing]}).json()["deals"][0]
    assert found["amount"] is None
    assert "no amount" in found["flags"]


def test_the_metrics_tell_what_is_served(engine, view) -> None:
    text = metrics_text(engine)
    assert f"dealcast_open_deals {len(view.deals)}\n" in text
    assert f'tier="{view.bundle.tier}"' in text
    assert "dealcast_ready 1\n" in text
