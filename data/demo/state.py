"""The state of the open deals: one array a property, one place a deal."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from data.demo.calendar import Bools, Floats, Ints

ALIVE, DEAD, ASLEEP = 0, 1, 2
"""Alive; lost in truth but left open by its owner; lost and closed, to be reopened later."""

_KINDS = {str(Ints): np.int64, str(Floats): np.float64, str(Bools): np.bool_}

Array = npt.NDArray[Any]


@dataclass
class Deals:
    """Deals that may still change, all arrays of shape (deals,). Days count from the start.

    Attributes
    ----------
    index, path, account, pipeline, source, owner
        Codes: which deal, which simulated path (0 in the history itself), and so on.
    quality, pace
        Log effects fixed at creation: on winning against losing, and on the speed of everything.
    size
        Amount relative to what the account suggests, in standard deviations.
    mood
        Level to which engagement returns.
    chief
        Place of the first chief among the account's contacts.
    people
        Contacts the account has; at most that many get involved.
    stage, since
        Place in the pipeline, and the day it was reached.
    engagement, heard, chased
        Engagement; the last day the buyer was heard of; recent outbound touches, fading.
    contacts
        Contacts involved so far.
    meeting
        Day of the meeting that is booked; -1 for none.
    amount, known
        Log amount in the main currency, and whether it was entered.
    due
        Day of the expected close date; -1 for none.
    status, wake
        ALIVE, DEAD or ASLEEP, and the day an ASLEEP deal is reopened.
    """

    index: Ints
    path: Ints
    account: Ints
    pipeline: Ints
    source: Ints
    owner: Ints
    quality: Floats
    pace: Floats
    size: Floats
    mood: Floats
    chief: Ints
    people: Ints
    stage: Ints
    since: Ints
    engagement: Floats
    heard: Ints
    chased: Floats
    contacts: Ints
    meeting: Ints
    amount: Floats
    known: Bools
    due: Ints
    status: Ints
    wake: Ints

    def __len__(self) -> int:
        return len(self.index)

    def take(self, which: Bools | Ints) -> "Deals":
        """Copy the deals chosen by a mask or by positions."""
        return self._map(lambda values: values[which])

    def repeat(self, times: int) -> "Deals":
        """Copy every deal into paths 0 .. times - 1, path by path."""
        copies = self._map(lambda values: np.tile(values, times))
        copies.path = np.repeat(np.arange(times), len(self))
        return copies

    def join(self, other: "Deals") -> "Deals":
        """Put other deals behind these."""
        return Deals(
            *(
                np.concatenate([getattr(self, f.name), getattr(other, f.name)])
                for f in fields(self)
            )
        )

    @classmethod
    def none(cls) -> "Deals":
        """No deals at all."""
        return cls(*(np.empty(0, _KINDS[str(f.type)]) for f in fields(cls)))

    def _map(self, change: Callable[[Array], Array]) -> "Deals":
        return Deals(*(change(getattr(self, f.name)) for f in fields(self)))
