"""Problems: what was wrong with a request, as RFC 9457 problem details with a remedy."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, Field

MEDIA_TYPE = "application/problem+json"
SHOWN = 200
"""Characters of a bad value that are said back."""
TITLES = {
    400: "The request cannot be read",
    401: "Who asks is not known",
    403: "This is not allowed to whoever asks",
    404: "There is no such thing",
    405: "This address does not take this method",
    409: "The deal is not open",
    413: "The request is too large",
    422: "The request is not allowed",
    429: "Too many requests",
    500: "The service failed",
    503: "The service is not ready",
    504: "The answer takes too long",
}


class Problem(BaseModel):
    """Problem details: what was got, what is allowed, what to try."""

    type: str = Field("about:blank", description="kind of problem")
    title: str = Field(description="the problem in a few words, the same for all of its kind")
    status: int = Field(description="HTTP status")
    detail: str = Field(description="what is wrong with this request")
    field: str | None = Field(None, description="where, for example deals[0].created_at")
    value: Any = Field(None, description="what was got there, shortened")
    allowed: Any = Field(None, description="what is allowed there")
    remedy: str = Field(description="what to do")
    errors: list[Any] = Field(
        default_factory=list, description="every fault found, the first is told above"
    )


class ProblemError(Exception):
    """Carries a problem to whoever answers the request."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem


def problem(
    status: int,
    detail: str,
    remedy: str,
    *,
    field: str | None = None,
    value: Any = None,
    allowed: Any = None,
    errors: Sequence[dict[str, Any]] = (),
) -> ProblemError:
    """Make the error to raise."""
    return ProblemError(
        Problem(
            title=TITLES[status],
            status=status,
            detail=detail,
            field=field,
            value=shortened(value),
            allowed=allowed,
            remedy=remedy,
            errors=list(errors),
        )
    )


def shortened(value: Any) -> Any:
    """Give a bad value in a form that can be said back: short, and plain JSON."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float) and abs(value) < 1e300:
        return value
    text = value if isinstance(value, str) else repr(value)[: 10 * SHOWN]
    return text if len(text) <= SHOWN else text[:SHOWN] + "…"


def to_json(content: Any) -> bytes:
    """Write JSON in UTF-8, numbers in full; what is no text in Unicode becomes a question mark."""
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode("utf-8", "replace")
