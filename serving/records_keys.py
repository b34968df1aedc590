"""API keys: made, listed, revoked and looked up. Only a digest of a key is kept.

A key is `dealcast_<identifier>_<secret>` with 256 random bits as the secret: what cannot be
guessed needs no slow digest, and one SHA-256 costs a request nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Literal, get_args

from sqlalchemy import RowMapping, insert, select, update

from serving.records import Records
from serving.records_audit import AuditLine, write_line
from serving.records_tables import keys

Role = Literal["rep", "manager", "admin"]
ROLES: tuple[Role, ...] = get_args(Role)
PREFIX = "dealcast"
COMMAND_LINE = "command line"


class KeyRequestError(ValueError):
    """A key that cannot be made or revoked; the message says why and what is allowed."""


@dataclass(frozen=True)
class Key:
    """A key without its secret.

    Attributes
    ----------
    role : rep (own deals), manager (those of the team), admin (all)
    owner_id : the owner who is asking; None for an admin who is none
    label : what it is for, in the words of who made it
    """

    key_id: str
    role: Role
    owner_id: str | None
    label: str
    created_at: datetime
    revoked_at: datetime | None


def create_key(
    records: Records, role: Role, owner_id: str | None, at: datetime, label: str = ""
) -> tuple[Key, str]:
    """Make a key; the text given beside it is told once and kept nowhere.

    Raises
    ------
    KeyRequestError
        Where the role and the owner do not go together.
    """
    if role not in ROLES:
        raise KeyRequestError(f"role {role!r}: allowed are {', '.join(ROLES)}")
    if role != "admin" and not owner_id:
        raise KeyRequestError(f"a {role} sees by whom they own: name the owner with --owner ID")
    key_id, secret = secrets.token_hex(5), secrets.token_urlsafe(32)
    made = Key(key_id, role, owner_id, label, at, None)
    line = AuditLine(at, COMMAND_LINE, "key created", key_id, f"{role} {owner_id or ''}".strip())
    with records.begin() as connection:
        connection.execute(insert(keys).values(**vars(made), digest=_digest(secret)))
        write_line(connection, line)
    return made, f"{PREFIX}_{key_id}_{secret}"


def revoke_key(records: Records, key_id: str, at: datetime) -> Key:
    """Revoke a key for good; revoking it again changes nothing.

    Raises
    ------
    KeyRequestError
        Where there is no such key.
    """
    with records.begin() as connection:
        holding = (keys.c.key_id == key_id) & keys.c.revoked_at.is_(None)
        if connection.execute(update(keys).where(holding).values(revoked_at=at)).rowcount:
            write_line(connection, AuditLine(at, COMMAND_LINE, "key revoked", key_id))
    found = find_key(records, key_id)
    if found is None:
        raise KeyRequestError(f"no key {key_id!r}: `dealcast keys list` shows those there are")
    return found


def list_keys(records: Records) -> list[Key]:
    """Give all keys, revoked ones too, the oldest first."""
    asked = select(keys).order_by(keys.c.created_at, keys.c.key_id)
    with records.begin() as connection:
        return [_key(row) for row in connection.execute(asked).mappings()]


def find_key(records: Records, key_id: str) -> Key | None:
    """Look a key up by its identifier, revoked or not."""
    found = _row(records, key_id)
    return None if found is None else _key(found)


def check_key(records: Records, text: str) -> Key | None:
    """Give the key that a text is, unless it was revoked; None for what is no key of ours."""
    prefix, _, rest = text.partition("_")
    key_id, _, secret = rest.partition("_")
    if prefix != PREFIX or not secret:
        return None
    found = _row(records, key_id)
    if found is None or not hmac.compare_digest(found["digest"], _digest(secret)):
        return None
    return _key(found) if found["revoked_at"] is None else None


def _row(records: Records, key_id: str) -> RowMapping | None:
    with records.begin() as connection:
        asked = select(keys).where(keys.c.key_id == key_id)
        return connection.execute(asked).mappings().one_or_none()


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def _key(row: RowMapping) -> Key:
    return Key(**{field.name: row[field.name] for field in fields(Key)})
