from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from serving.records import Records
from serving.records_audit import audit_lines
from serving.records_keys import (
    KeyRequestError,
    check_key,
    create_key,
    find_key,
    list_keys,
    revoke_key,
)
from serving.records_tables import keys

AT = datetime(2026, 5, 1, 9, tzinfo=UTC)


def test_the_text_of_a_key_is_that_key(records: Records) -> None:
    key, text = create_key(records, "rep", "ann", AT, "phone")
    assert check_key(records, text) == key == find_key(records, key.key_id)
    assert (key.role, key.owner_id, key.label) == ("rep", "ann", "phone")


def test_nothing_of_the_secret_is_kept(records: Records) -> None:
    _, text = create_key(records, "admin", None, AT)
    secret = text.split("_", 2)[2]
    with records.begin() as connection:
        row = connection.execute(select(keys)).one()
    assert secret not in str(row)
    assert secret not in str(audit_lines(records))


@pytest.mark.parametrize("change", [lambda t: t[:-1], lambda t: t + "x", lambda t: t.upper()])
def test_a_text_that_is_nearly_a_key_is_none(records: Records, change) -> None:
    _, text = create_key(records, "rep", "ann", AT)
    assert check_key(records, change(text)) is None


@pytest.mark.parametrize(
    "text", ["", "dealcast", "dealcast__", "dealcast_x_y", "กุญแจ", "\ud800_a_b"]
)
def test_anything_else_is_no_key(records: Records, text: str) -> None:
    assert check_key(records, text) is None


def test_a_revoked_key_is_none_and_stays_in_the_list(records: Records) -> None:
    key, text = create_key(records, "rep", "ann", AT)
    other, other_text = create_key(records, "admin", None, AT + timedelta(1))
    revoked = revoke_key(records, key.key_id, AT + timedelta(2))
    assert check_key(records, text) is None
    assert check_key(records, other_text) == other
    assert list_keys(records) == [revoked, other]
    again = revoke_key(records, key.key_id, AT + timedelta(3))
    assert again.revoked_at == AT + timedelta(2)


def test_making_and_revoking_are_audited_once_each(records: Records) -> None:
    key, _ = create_key(records, "rep", "ann", AT)
    for days in (1, 2):
        revoke_key(records, key.key_id, AT + timedelta(days))
    told = [(line.action, line.target, line.detail) for line in audit_lines(records)]
    assert told == [("key revoked", key.key_id, ""), ("key created", key.key_id, "rep ann")]


def test_who_sees_by_owner_must_be_one(records: Records) -> None:
    for role in ("rep", "manager"):
        with pytest.raises(KeyRequestError, match="--owner ID"):
            create_key(records, role, None, AT)
    with pytest.raises(KeyRequestError, match="allowed are rep, manager, admin"):
        create_key(records, "boss", "ann", AT)
    assert list_keys(records) == []


def test_a_key_that_is_not_there_cannot_be_revoked(records: Records) -> None:
    with pytest.raises(KeyRequestError, match="no key 'abc'"):
        revoke_key(records, "abc", AT)
