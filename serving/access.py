"""Who asks, and whose deals they may see: keys, roles, and the limit on how often.

With keys off everybody who reaches the service is its admin, and nobody reaches it from another
machine (`access_gate`). With keys on, every request has a caller, by a key or by a session that a
key opened; a caller without owners in sight sees no deal.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import anyio.to_thread
import pandas as pd
from fastapi import Request

from data.settings import Settings
from features.history import History
from serving.access_rate import Rate
from serving.engine import Clock
from serving.names import plain
from serving.ranking import owner_names, team_names
from serving.records import Records
from serving.records_keys import Key, Role, check_key, find_key
from serving.sessions import Session, Sessions, session_secret
from serving.view import View

KNOWN_SECONDS = 2.0
"""How long a key that was looked up is believed: a revoked one opens nothing after that."""
MOST_KNOWN = 10_000
Sight = frozenset[str] | None
"""Owners whose deals may be seen; None for all."""


@dataclass(frozen=True)
class Viewer:
    """Who asks.

    Attributes
    ----------
    key_id : identifier of the key; `local` where keys are off
    owner_id : the owner who asks; None for one who owns no deals
    """

    key_id: str
    role: Role
    owner_id: str | None = None

    @property
    def by(self) -> str:
        """Name under which feedback and audit keep what is done."""
        return self.owner_id or self.key_id


LOCAL = Viewer("local", "admin")


class Access:
    """Decides who asks and what they see.

    Attributes
    ----------
    on : whether keys are asked for
    most_bytes : largest body of a request
    most_seconds : how long a request may take
    """

    def __init__(
        self, settings: Settings, records: Records, sessions: Sessions, clock: Clock
    ) -> None:
        self.on, self.records = settings.access == "keys", records
        self.sessions, self.clock = sessions, clock
        self.most_bytes = int(settings.body_limit_mb * 1_000_000)
        self.most_seconds = settings.time_limit_seconds
        self.rate = Rate(settings.rate_per_minute, settings.rate_burst)
        self._known: OrderedDict[str, tuple[Viewer | None, pd.Timestamp]] = OrderedDict()

    @classmethod
    def of(cls, workspace: Path, settings: Settings, records: Records, clock: Clock) -> Access:
        """Set up access as the settings say."""
        sessions = Sessions(
            session_secret(workspace, settings), settings.session_hours, https=settings.https
        )
        return cls(settings, records, sessions, clock)

    async def by_key(self, text: str) -> Viewer | None:
        """Give the holder of a key; None for what is no key, or a revoked one.

        Raises
        ------
        RecordsError
            Where keys cannot be looked up now.
        """
        return await self._lookup(f"key {text}", partial(check_key, self.records, text))

    async def by_session(self, session: Session) -> Viewer | None:
        """Give whose session it is; None once its key was revoked.

        Raises
        ------
        RecordsError
            Where keys cannot be looked up now.
        """
        look = partial(find_key, self.records, session.key_id)
        return await self._lookup(f"session {session.key_id}", look)

    async def _lookup(self, name: str, look: Callable[[], Key | None]) -> Viewer | None:
        """Look a key up off the event loop, or believe what was found a moment ago."""
        now = self.clock()
        found = self._known.get(name)
        if found is None or (now - found[1]).total_seconds() >= KNOWN_SECONDS:
            found = self._known[name] = (_viewer(await anyio.to_thread.run_sync(look)), now)
            while len(self._known) > MOST_KNOWN:
                self._known.popitem(last=False)
        return found[0]

    def sight(self, request: Request, view: View) -> Sight:
        """Give the owners whose deals the caller of a request sees; None for all."""
        return sight_of(caller_of(request), view)


def caller_of(request: Request) -> Viewer:
    """Give who asks.

    Raises
    ------
    AttributeError
        Where no gate let the request in: nobody is taken for somebody.
    """
    caller: Viewer = request.state.caller
    return caller


def sight_of(viewer: Viewer, view: View) -> Sight:
    """Give the owners whose deals a viewer sees in a view; kept with the view."""
    kept: dict[Viewer, Sight] = view.memo.setdefault("sight", {})
    if viewer not in kept:
        kept[viewer] = allowed(viewer, view.history)
    return kept[viewer]


def allowed(viewer: Viewer, history: History) -> Sight:
    """Give the owners whose deals a viewer sees: own, with those of the whole team, or all (None).

    A manager's team are the owners whose `manager_id` is the manager, their teams included.
    """
    if viewer.role == "admin":
        return None
    if viewer.owner_id is None:
        return frozenset()
    found, asked = {viewer.owner_id}, [viewer.owner_id]
    if viewer.role == "manager":
        owners = history.tables.owners
        reports = owners.groupby("manager_id")["owner_id"].agg(list).to_dict()
        while asked:
            new = set(reports.get(asked.pop(), ())) - found
            found |= new
            asked.extend(new)
    return frozenset(found)


def hidden(viewer: Viewer, view: View, name: str) -> bool:
    """Whether a name is of a deal, an owner or a team that there is, out of the viewer's sight."""
    sight = sight_of(viewer, view)
    if sight is None:
        return False
    if name in view.history.position_of:
        return not view.knows(name, sight)
    owners = view.history.tables.owners
    called = {
        owner: names for owner, names in owner_names(view.history).items() if owner not in sight
    }
    teams = set(team_names(view.history)) - set(
        owners.loc[owners["owner_id"].isin(sight), "team"].dropna()
    )
    others = {plain(each) for names in called.values() for each in names} | set(map(plain, teams))
    return plain(name) in others


def _viewer(key: Key | None) -> Viewer | None:
    if key is None or key.revoked_at is not None:
        return None
    return Viewer(key.key_id, key.role, key.owner_id)
