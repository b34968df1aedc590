import numpy as np
import pytest

from experiments.serving_rivals import Plain
from serving import quick as quick_module
from serving.readymade import chances
from serving.replies import FeaturesAnswer

pytestmark = pytest.mark.slow
IDENTITY = {"x-request-id": ""}


@pytest.fixture(scope="module")
def rows(engine):
    features = engine.view().scored.features.iloc[:5].astype(object)
    return {
        "columns": list(features.columns),
        "data": features.where(features.notna(), None).to_numpy().tolist(),
    }


def test_features_of_a_deal_give_its_scores_to_the_last_digit(client, engine, rows) -> None:
    answer = client.post("/predict/features", rows).json()
    FeaturesAnswer.model_validate(answer)
    frame = engine.view().scored.frame
    for row, (_, deal) in zip(answer["rows"], frame.iloc[:5].iterrows(), strict=True):
        assert row == {name: deal[name] for name in row}


def test_the_order_of_the_columns_does_not_matter(client, rows) -> None:
    turned = {"columns": rows["columns"][::-1], "data": [row[::-1] for row in rows["data"]]}
    answers = [client.post("/predict/features", body).json()["rows"] for body in (rows, turned)]
    assert answers[0] == answers[1]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"columns": ["no such feature"], "data": [[1.0]]}, "columns"),
        ({"columns": ["age_days", "age_days"], "data": [[1.0, 2.0]]}, "columns"),
        ({"columns": ["age_days"], "data": []}, "data"),
        ({"columns": ["age_days"], "data": [[1.0, 2.0]]}, "data"),
        ({"columns": ["age_days"], "data": [["old"]]}, "data"),
        ({"columns": ["age_days"], "data": [[1e300]]}, "data"),
        ({"columns": ["age_days"]}, None),
        ([], None),
    ],
)
def test_what_are_no_features_is_told(client, body, field) -> None:
    response = client.post("/predict/features", body)
    assert response.status_code == 422
    assert response.json()["field"] == field
    assert response.json()["remedy"]


def test_what_is_no_json_is_told(client) -> None:
    assert client.post("/predict/features", content=b"{").status_code == 400


def test_a_long_body_is_answered_by_the_application_with_the_same_bytes(
    client, rows, monkeypatch
) -> None:
    quick = client.post("/predict/features", rows)
    monkeypatch.setattr(quick_module, "QUICK_BYTES", 0)
    slow = client.post("/predict/features", rows)
    assert quick.content == slow.content
    assert dict(quick.headers) | IDENTITY == dict(slow.headers) | IDENTITY


def test_the_rivals_of_the_speed_page_answer_with_the_same_probabilities(engine) -> None:
    view = engine.view()
    rows = view.scored.features.to_numpy(np.float32)
    rival = Plain(view.bundle).chances(rows, view.as_of)
    ours = chances(view.bundle, rows, view.as_of)
    np.testing.assert_allclose(rival, ours, rtol=0, atol=1e-12)
