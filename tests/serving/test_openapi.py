"""Whatever the OpenAPI document lets through, or does not: no failure, every answer as it says.

Some cases of each address here; `make schema` asks thousands.
"""

import os

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode, checks

from serving.app import make_app
from serving.records import open_records

pytestmark = pytest.mark.slow
CASES = int(os.environ.get("SCHEMA_CASES", "8"))
POSTS = (
    *("/rank", "/score", "/predict", "/explain", "/changes", "/what-if", "/forecast"),
    "/feedback",
    "/predict/features",
)
SLOWER = {"/forecast": 4}
"""Simulates 10,000 paths for each other question: so many times fewer cases."""
GETS = ("/model", "/healthz", "/readyz", "/metrics")
CHECKS = [
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
]


@pytest.fixture(scope="module")
def api(engine, tmp_path_factory):
    app = make_app(engine, open_records(tmp_path_factory.mktemp("records")))
    return schemathesis.openapi.from_asgi("/openapi.json", app)


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize("path", POSTS)
def test_no_question_makes_the_service_fail_or_answer_otherwise_than_documented(
    api, engine, path, mode
) -> None:
    known = st.sampled_from(engine.view().deals["deal_id"].tolist())

    @settings(
        max_examples=max(3, CASES // SLOWER.get(path, 1)),
        deadline=None,
        database=None,
        derandomize=CASES < 100,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=api[path]["POST"].as_strategy(mode), deal_id=known, real=st.booleans())
    def ask(case, deal_id, real) -> None:
        if real and isinstance(case.body, dict) and "deal_id" in case.body:
            case.body["deal_id"] = deal_id  # most other names are of no deal
        case.validate_response(case.call(), checks=CHECKS)

    ask()


@pytest.mark.parametrize("path", GETS)
def test_what_is_told_unasked_is_as_documented(api, path) -> None:
    case = api[path]["GET"].Case()
    case.validate_response(case.call(), checks=CHECKS)
