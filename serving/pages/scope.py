"""Whose figures a page tells: the firm's, a team's or an owner's, as far as the reader may see."""

from __future__ import annotations

from typing import Literal

import numpy as np

from features.windows import Bools
from serving.listing import whole_teams
from serving.pages.asked import Asked
from serving.view import View

Scope = tuple[Literal["total", "team", "owner"], str]
FIRM: Scope = ("total", "")


def scope_of(view: View, asked: Asked) -> Scope:
    """Give whose figures stand at the head: whoever is asked for, else all that is in sight.

    A reader who sees one owner, or owners of one team and all of them, gets that owner's or that
    team's figures; one who sees several parts of the firm has to choose.
    """
    if asked.text("owner"):
        return "owner", asked.text("owner")
    if asked.text("team"):
        return "team", asked.text("team")
    if asked.sight is None:
        return FIRM
    if len(asked.sight) == 1:
        return "owner", next(iter(asked.sight))
    owners = view.history.tables.owners
    teams = {str(team) for team in owners["team"][owners["owner_id"].isin(asked.sight)].dropna()}
    return ("team", teams.pop()) if len(teams) == 1 else FIRM


def told_whole(view: View, asked: Asked, scope: Scope) -> bool:
    """Whether the reader may see the figures of a whole scope."""
    kind, member = scope
    if asked.sight is None:
        return True
    return member in (asked.sight if kind == "owner" else whole_teams(view, asked.sight))


def members_of(view: View, asked: Asked) -> frozenset[str] | None:
    """Give the owners whose figures are asked for and may be seen; None for everyone."""
    kind, member = scope_of(view, asked)
    if kind == "total":
        return asked.sight
    team = asked.text("team") if kind == "owner" else member
    found = _of_team(view, team) if team else frozenset({member})
    if kind == "owner":
        found &= {member}
    return found if asked.sight is None else found & asked.sight


def _of_team(view: View, team: str) -> frozenset[str]:
    owners = view.history.tables.owners
    return frozenset(owners.loc[owners["team"] == team, "owner_id"])


def whose_deals(view: View, asked: Asked) -> Bools | None:
    """(deals,) deals of the owners that the reader sees and asks for; None for all."""
    members = members_of(view, asked)
    if members is None:
        return None
    return np.array([each in members for each in view.owners], bool)


def owner_called(view: View, owner: str) -> str:
    """Name of an owner, or the identifier."""
    if "owner_names" not in view.memo:
        table = view.history.tables.owners
        named = table.dropna(subset=["name"])
        view.memo["owner_names"] = dict(zip(named["owner_id"], named["name"], strict=True))
    return str(view.memo["owner_names"].get(owner, owner))
