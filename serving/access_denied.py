"""Reads that were denied: told to the caller as if nothing were there, kept in the audit."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from urllib.parse import parse_qsl, unquote

import anyio.to_thread
from starlette.types import Message, Scope, Send

from serving.access import Access, Viewer, hidden
from serving.engine import Engine, NotReadyError
from serving.problems import Problem
from serving.records import RecordsError
from serving.records_audit import AuditLine, add_audit

NOBODY = "nobody"
MOST_TOLD = 20
"""Denied names of one request that the audit keeps, each with a line."""
log = logging.getLogger("dealcast.access")


async def keep_denied(access: Access, scope: Scope, refused: Problem) -> None:
    """Keep that a request was refused at the gate."""
    caller = scope["state"].get("caller")
    by = caller.by if caller else NOBODY
    await _write(access, scope, by, "denied", scope["path"], refused.detail)


class Watched:
    """Watches what a caller with few owners in sight is told: 404 for what is there is audited."""

    def __init__(self, access: Access, engine: Engine, scope: Scope, send: Send) -> None:
        self._access, self._engine, self._scope, self._send = access, engine, scope, send
        self._missing, self._body = False, b""

    async def send(self, message: Message) -> None:
        """Pass a message on."""
        if message["type"] == "http.response.start":
            self._missing = message["status"] == 404
        elif self._missing:
            self._body += message.get("body", b"")
            if not message.get("more_body", False):
                await self._tell()
        await self._send(message)

    async def _tell(self) -> None:
        caller: Viewer = self._scope["state"]["caller"]
        try:
            view = self._engine.view()
        except NotReadyError:
            return
        names = dict.fromkeys(_named(self._scope, self._body))
        denied = [name for name in names if hidden(caller, view, name)]
        for name in denied[:MOST_TOLD]:
            path = self._scope["path"]
            await _write(self._access, self._scope, caller.by, "denied read", name, path)


def _named(scope: Scope, body: bytes) -> Iterator[str]:
    """Names that a request asked for in vain: of its address, and of the problem answered."""
    yield from (unquote(part) for part in scope["path"].split("/") if part)
    yield from (value for _, value in parse_qsl(scope["query_string"].decode("latin-1")))
    try:
        told = json.loads(body)
    except ValueError:
        return
    faults = told.get("errors") or [told]
    yield from (str(each["value"]) for each in faults if each.get("value") is not None)


async def _write(
    access: Access, scope: Scope, by: str, action: str, target: str, detail: str
) -> None:
    """Add a line to the audit; where that fails the log says so: the denial stands anyway."""
    request_id = str(scope["state"].get("request_id", ""))
    line = AuditLine(access.clock(), by, action, target, detail, request_id)
    try:
        await anyio.to_thread.run_sync(add_audit, access.records, line)
    except RecordsError as error:
        log.error("not audited: %s by %s: %s", line.action, line.by, error)  # noqa: TRY400
