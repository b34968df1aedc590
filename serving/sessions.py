"""Sessions of the dashboard: a key opens one, a signed cookie carries it, nothing is kept of it.

The cookie holds the identifier of the key, never the key. It is read with every request, and so is
the key it names: a session ends with its key.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from fastapi import Request, Response
from itsdangerous import BadData, URLSafeSerializer

from data.settings import Settings
from serving.records_keys import Key

COOKIE = "dealcast_session"
FIELD, HEADER = "csrf_token", "X-CSRF-Token"
"""Where a page's form, or its script, sends the token back."""
SECRET_FILE = "session.key"  # noqa: S105 - a name, no secret


@dataclass(frozen=True)
class Session:
    """A session: the key that opened it, when (seconds since 1970), and a random word."""

    key_id: str
    opened: float
    word: str


class Sessions:
    """Opens and reads sessions.

    Parameters
    ----------
    secret : signs the cookies; whoever knows it can make any
    hours : age at which a session ends
    https : whether the cookie is for https alone
    """

    def __init__(self, secret: str, hours: float, *, https: bool) -> None:
        self._hours, self._https = hours, https
        self._signer, self._csrf = _serializer(secret, "session"), _serializer(secret, "csrf")

    def open(self, response: Response, key: Key, now: pd.Timestamp) -> None:
        """Give the browser a session of a key."""
        value = self._signer.dumps([key.key_id, now.timestamp(), secrets.token_urlsafe(16)])
        age = round(self._hours * 3600)
        response.set_cookie(COOKIE, value, max_age=age, **self._flags())

    def close(self, response: Response) -> None:
        """Take the session from the browser."""
        response.delete_cookie(COOKIE, **self._flags())

    def _flags(self) -> dict[str, Any]:
        return {"secure": self._https, "httponly": True, "samesite": "strict", "path": "/"}

    def read(self, cookie: str, now: pd.Timestamp) -> Session | None:
        """Give the session of a cookie; None for a cookie that is not ours, or too old."""
        try:
            session = Session(*self._signer.loads(cookie))
        except (BadData, TypeError):
            return None
        age = now.timestamp() - session.opened
        return session if 0 <= age < self._hours * 3600 else None

    def csrf(self, session: Session) -> str:
        """Token that only a page of this session knows: every form of it carries it."""
        return str(self._csrf.dumps(session.word))

    def is_csrf(self, session: Session, token: str) -> bool:
        """Whether a token is of a page of this session."""
        try:
            return bool(self._csrf.loads(token) == session.word)
        except BadData:
            return False


def _serializer(secret: str, purpose: str) -> URLSafeSerializer:
    signing = {"key_derivation": "hmac", "digest_method": hashlib.sha256}
    return URLSafeSerializer(secret, salt=f"dealcast {purpose}", signer_kwargs=signing)


def session_secret(workspace: Path, settings: Settings) -> str:
    """Give the secret of the settings, else the workspace's own; a random one is made at need.

    The file can be read by its owner alone. Processes that make it at once end with the same.
    """
    if told := settings.session_secret.get_secret_value():
        return told
    path = workspace / SECRET_FILE
    workspace.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        partial = workspace / f"{SECRET_FILE}.{os.getpid()}"
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as stream:
            stream.write(secrets.token_urlsafe(32))
        with suppress(FileExistsError):  # another process was first: its secret holds
            os.link(partial, path)
        partial.unlink()
    return path.read_text(encoding="utf-8")


def csrf_token(request: Request) -> str:
    """Give the token for the forms of the page that answers a request; empty without a session."""
    return str(getattr(request.state, "csrf_token", ""))
