"""Logs: a line of JSON an event, with the request it belongs to, and nothing of a customer in it.

A request is told by the pattern of its address, never by what fills it; an error by its kind and
place, never by its message, for that may quote a value.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import time
import traceback
import uuid
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, TextIO

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADER = "X-Request-ID"
GOOD_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
"""An identifier that a caller may choose; any other is replaced."""
OURS = "dealcast"
MOST_FRAMES = 12
ENCODER = json.JSONEncoder(ensure_ascii=False, default=str)
request_id: ContextVar[str] = ContextVar("request_id", default="")
log = logging.getLogger("dealcast.request")


class JsonLines(logging.Formatter):
    """Writes a record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Write the line: time, level, logger, message, request, and what was given beside it."""
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line: dict[str, Any] = {
            "time": at.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if found := request_id.get():
            line["request_id"] = found
        line |= getattr(record, "told", {})
        if record.exc_info and record.exc_info[1]:
            line["error"] = type(record.exc_info[1]).__name__
            line["at"] = _places(record.exc_info[1])
        return ENCODER.encode(line)


def _places(error: BaseException) -> list[str]:
    """Where an error came from, the innermost place last; not what it says."""
    frames = traceback.extract_tb(error.__traceback__)[-MOST_FRAMES:]
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]


def log_to(stream: TextIO, level: str) -> None:
    """Send what our loggers say to a stream as lines of JSON, and nowhere else."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    ours = logging.getLogger(OURS)
    ours.handlers[:] = [handler]
    ours.setLevel(level.upper())
    ours.propagate = False


def log_to_stderr(level: str) -> None:
    """Send what our loggers say to the standard error stream."""
    log_to(sys.stderr, level)


class RequestLog:
    """Gives each request an identifier, and logs it when it was answered.

    The identifier is that of the header X-Request-ID where it is a plain word, else a new one; the
    answer carries it back, and whatever is logged or audited meanwhile has it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and log its answer."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        asked = Headers(scope=scope).get(HEADER, "")
        found = asked if GOOD_ID.fullmatch(asked) else uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = found
        token, status, started = request_id.set(found), 500, time.perf_counter()

        async def with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[HEADER] = found
            await send(message)

        try:
            await self.app(scope, receive, with_id)
        finally:
            if log.isEnabledFor(logging.INFO):
                log.info("answered", extra={"told": _told(scope, status, started)})
            request_id.reset(token)


def _told(scope: Scope, status: int, started: float) -> dict[str, Any]:
    """Tell of a request what tells nothing of a customer."""
    caller = scope.get("state", {}).get("caller")
    route = scope.get("route")
    return {
        "method": scope["method"],
        "path": getattr(route, "path", None) or "(none)",
        "status": status,
        "ms": round((time.perf_counter() - started) * 1000, 2),
        "key": getattr(caller, "key_id", ""),
    }
