"""Requests that are refused before anything is computed, told in the words of the problem."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any

import pandas as pd
from fastapi.exceptions import RequestValidationError

from serving.problems import ProblemError, problem, shortened

ISO_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
MOST_ERRORS = 100
LIMITS = ("ge", "le", "gt", "lt", "min_length", "max_length", "expected", "pattern")


def parse_as_of(text: str | None) -> pd.Timestamp | None:
    """Read an as-of; None where none is asked.

    Raises
    ------
    ProblemError
        422 where it is no ISO-8601 date or instant.
    """
    if text is None:
        return None
    with suppress(ValueError, OverflowError):
        if ISO_DAY.match(text):
            at = pd.Timestamp(text)
            return at.tz_localize("UTC") if at.tzinfo is None else at.tz_convert("UTC")
    raise problem(
        422,
        f"as_of {text[:50]!r} is no date or instant",
        "write it like 2026-03-31T09:00:00Z, or leave it out for the service's own instant",
        field="as_of",
        value=text,
        allowed="ISO-8601, not after now",
    )


def from_validation(error: RequestValidationError) -> ProblemError:
    """Tell what is wrong with the body: 400 where it is no JSON, else 422 with every fault."""
    faults = [_fault(found) for found in error.errors()[:MOST_ERRORS]]
    first = faults[0]
    unreadable = error.errors()[0]["type"] == "json_invalid"
    return problem(
        400 if unreadable else 422,
        f"{first['field'] or 'body'}: {first['detail']}",
        first["remedy"],
        field=first["field"],
        value=first["value"],
        allowed=first["allowed"],
        errors=faults,
    )


def _fault(found: dict[str, Any]) -> dict[str, Any]:
    kind, context = found["type"], found.get("ctx") or {}
    remedy = {
        "json_invalid": "send JSON in UTF-8",
        "missing": "add this field",
        "model_attributes_type": "send a JSON object, with Content-Type: application/json",
        "extra_forbidden": "leave this field out, or correct its name; see /openapi.json",
    }
    allowed = "; ".join(f"{name} {context[name]}" for name in LIMITS if name in context)
    unreadable = kind == "json_invalid"
    detail = context.get("error", found["msg"]) if unreadable else found["msg"]
    return {
        "field": None if unreadable else path_of(found["loc"]),
        "value": None if kind in {"missing", "json_invalid"} else shortened(found.get("input")),
        "detail": f"not JSON: {detail}" if unreadable else detail.removeprefix("Value error, "),
        "allowed": allowed or None,
        "remedy": remedy.get(kind, "send a value that is allowed; see /openapi.json"),
    }


def path_of(location: tuple[str | int, ...]) -> str | None:
    """Write a place in the body like deals[0].created_at; None for the body itself."""
    path = ""
    for part in location[1:] if location and location[0] == "body" else location:
        path += f"[{part}]" if isinstance(part, int) else f".{part}"
    return path.lstrip(".") or None
