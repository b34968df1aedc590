"""Parts cut out of a history: some of its deals as a history of their own."""

from __future__ import annotations

from dataclasses import replace

from features.facts import Codes
from features.history import History
from features.windows import Ints

ACCOUNT = ("deals", "account_id")


def part_of(history: History, deals: Ints) -> History:
    """Some deals of a history as one of their own; its codes of names stay."""
    accounts = history.encoded(*ACCOUNT)
    return replace(
        history,
        deal_ids=tuple(history.deal_ids[deal] for deal in deals),
        created=history.created[deals],
        known_from=history.known_from[deals],
        stages=history.stages.only(deals),
        changes={name: changes.only(deals) for name, changes in history.changes.items()},
        activities=history.activities.only(deals),
        indexes={f"codes:{'.'.join(ACCOUNT)}": Codes(accounts.names, accounts.code[deals])},
    )
