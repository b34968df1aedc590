"""The commands that make, list and revoke the keys of the API and the dashboard."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from commands.common import (
    Json,
    WorkFailedError,
    app,
    bad_arguments,
    err,
    opened_records,
    out,
    print_json,
    read_clock,
    say_table,
    state,
)

group = typer.Typer(
    help="Make, list and revoke the keys by which people and programs ask the service.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(group, name="keys")


@group.command("create")
def create_command(
    role: Annotated[
        str, typer.Option(help="rep (own deals), manager (those of the team) or admin (all)")
    ],
    owner: Annotated[str, typer.Option(help="identifier of the owner whose key it is")] = "",
    label: Annotated[str, typer.Option(help="what it is for, for example `night job`")] = "",
    json_: Json = False,
) -> None:
    """Make a key and print it, once: only its digest is kept."""
    from serving.records_keys import ROLES, KeyRequestError, create_key

    found = next((each for each in ROLES if each == role), None)
    if found is None:
        bad_arguments(f"--role {role!r}: allowed are {', '.join(ROLES)}")
    _check_owner(owner)
    try:
        key, text = create_key(opened_records(), found, owner or None, read_clock(), label)
    except KeyRequestError as error:
        bad_arguments(str(error))
    if json_:
        print_json({**asdict(key), "key": text})
        return
    out.print(text, markup=False)
    err.print(
        f"key {key.key_id} ({key.role}{f' {owner}' if owner else ''}): keep it now, it is not "
        "shown again. Send it as `Authorization: Bearer KEY`, or sign in with it on the dashboard",
        markup=False,
    )


@group.command("list")
def list_command(json_: Json = False) -> None:
    """List the keys, without what is secret in them."""
    from serving.records_keys import list_keys

    found = list_keys(opened_records())
    if json_:
        print_json([asdict(key) for key in found])
        return
    rows = [
        (
            key.key_id,
            key.role,
            key.owner_id or "",
            key.label,
            f"{key.created_at:%Y-%m-%d %H:%M}",
            f"{key.revoked_at:%Y-%m-%d %H:%M}" if key.revoked_at else "",
        )
        for key in found
    ]
    heads = ("key", "role", "owner", "label", "created (UTC)", "revoked (UTC)")
    say_table(f"{len(found)} keys", [(name, "left") for name in heads], rows)


@group.command("revoke")
def revoke_command(key_id: str) -> None:
    """Revoke KEY_ID for good; sessions that it opened end within seconds."""
    from serving.records_keys import KeyRequestError, revoke_key

    try:
        key = revoke_key(opened_records(), key_id, read_clock())
    except KeyRequestError as error:
        raise WorkFailedError(str(error)) from error
    out.print(f"key {key.key_id} was revoked at {key.revoked_at:%Y-%m-%d %H:%M} UTC", markup=False)


def _check_owner(owner: str) -> None:
    """Refuse an owner that the store does not know; without a store none can be known."""
    from data.store import Store
    from features.history import History
    from serving.names import UnknownNameError, find_ids
    from serving.ranking import owner_names

    store = Store(state["workspace"] / "store")
    if not owner or not store.exists():
        return
    names = owner_names(History.of(store.read()))
    if owner in names:
        return
    try:
        ids = sorted(find_ids("owner", owner, names))
    except UnknownNameError as error:
        bad_arguments(f"--owner: {error}")
    bad_arguments(f"--owner {owner!r} is a name: write the identifier {' or '.join(ids)}")
