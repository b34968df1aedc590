"""Deals sent whole by a caller with few owners in sight: they draw on nothing of the others.

A score reads what the store knows of a deal's account, contacts and owner. A caller who may not
see the deals of an account could read of them in the reasons of a made-up deal; so an account or
a contact that none of the caller's own deals has is not looked up, whether or not it exists, and
an owner out of sight is answered like one that is not there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from serving.listing import Sight
from serving.messages import SentActivity, SentChange, SentDeal
from serving.names import UnknownNameError
from serving.view import View

APART = "sent:"
"""Begins the contacts that are not looked up: still told apart, and like none of the store."""


@dataclass(frozen=True)
class Circle:
    """Accounts and contacts of the deals in sight."""

    accounts: frozenset[str]
    contacts: frozenset[str]

    @classmethod
    def of(cls, view: View, sight: frozenset[str]) -> Circle:
        """Collect those of the deals whose owners, as of now, are in sight."""
        tables = view.history.tables
        owners = zip(view.history.deal_ids, view.owners, strict=True)
        own = {deal for deal, owner in owners if owner in sight}
        accounts = tables.deals.loc[tables.deals["deal_id"].isin(own), "account_id"].dropna()
        met = tables.activities.loc[tables.activities["deal_id"].isin(own), "contact_id"]
        listed = tables.contacts.loc[tables.contacts["account_id"].isin(accounts), "contact_id"]
        return cls(frozenset(accounts), frozenset({*met.dropna(), *listed.dropna()}))


def within_sight(
    deals: Sequence[SentDeal], view: View, sight: Sight
) -> tuple[list[SentDeal], list[str]]:
    """Give the deals with what is not in sight left out, and what must be said of it.

    Raises
    ------
    UnknownNameError
        For an owner out of sight, whether or not there is one.
    """
    if sight is None:
        return list(deals), []
    for deal in deals:
        _check_owners(deal, sight)
    kept: dict[frozenset[str], Circle] = view.memo.setdefault("circles", {})
    if sight not in kept:
        kept[sight] = Circle.of(view, sight)
    circle = kept[sight]
    left = {d.account_id for d in deals if d.account_id} - circle.accounts
    note = f"{len(left)} accounts sent are of none of your deals: nothing is read of them"
    return [_apart(deal, circle) for deal in deals], [note] if left else []


def _check_owners(deal: SentDeal, sight: frozenset[str]) -> None:
    told = [deal.owner_id, *(str(c.value) for c in _of_owner(deal.history) if c.value is not None)]
    for owner in told:
        if owner is not None and owner not in sight:
            raise UnknownNameError("owner_id", owner, sorted(sight)[:5])


def _of_owner(changes: Iterable[SentChange]) -> list[SentChange]:
    return [change for change in changes if change.property.strip().lower() == "owner_id"]


def _apart(deal: SentDeal, circle: Circle) -> SentDeal:
    account = deal.account_id if deal.account_id in circle.accounts else None
    activities = [_activity(each, circle) for each in deal.activities]
    return deal.model_copy(update={"account_id": account, "activities": activities})


def _activity(activity: SentActivity, circle: Circle) -> SentActivity:
    contact = activity.contact_id
    if contact is None or contact in circle.contacts:
        return activity
    return activity.model_copy(update={"contact_id": f"{APART}{contact}"})
