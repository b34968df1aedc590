"""Firms of known truth: the demo's as drawn, on other terms, or written apart from it."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Protocol

import pandas as pd

from data.demo import DEFAULT_DIRT, Simulated, World, simulate
from data.demo.dirt import DIRT, PROCESS
from data.demo.truth import true_incidence, true_wins
from experiments.other_world import dirt as other_dirt
from experiments.other_world.living import OtherFirm

HIDDEN, SHOWN = 0.05, 3.0
"""Factors on what the CRM never tells, and on what stands in it."""
MOOD = 0.2
"""Factor on how far engagement strays from what is seen of it."""
TOUCHES = 6.0
"""Factor on how much is logged."""
YEARS = 3
SLOWLY = 0.4
"""Factor on the speed of a slow firm: half of the wins take half a year or more."""


class Dirt(StrEnum):
    """How much is wrong with an export: nothing, with the firm alone, the usual, all at once."""

    NONE = "none"
    PROCESS = "process"
    USUAL = "usual"
    ALL = "all"


class Kind(StrEnum):
    """Which firms are drawn."""

    PLAIN = "plain"
    TELLING = "telling"
    OTHER = "other"
    SLOW = "slow"


SAID = {
    Kind.PLAIN: "",
    Kind.TELLING: ", most of it telling",
    Kind.OTHER: ", written apart",
    Kind.SLOW: ", written apart and slow",
}


class KnownFirm(Protocol):
    """A firm whose true process is known, with the tables that its CRM exports at its `end`."""

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """Tables of the contract."""

    @property
    def end(self) -> pd.Timestamp:
        """Midnight UTC of the export."""

    def incidence(self, as_of: pd.Timestamp, horizons: Sequence[int], draws: int) -> pd.DataFrame:
        """True chances of the deals open at a midnight: deal_id, p_won_<days> ..., p_won."""

    def wins(self, as_of: pd.Timestamp, months: int, draws: int) -> pd.DataFrame:
        """Wins to come, a row each: path, month, revenue, deal_id (none where not yet created)."""


@dataclass(frozen=True)
class DemoFirm:
    """A firm of the demo."""

    simulated: Simulated

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """Tables of the contract."""
        return self.simulated.tables

    @property
    def end(self) -> pd.Timestamp:
        """Midnight UTC of the export."""
        return self.simulated.end

    def incidence(self, as_of: pd.Timestamp, horizons: Sequence[int], draws: int) -> pd.DataFrame:
        """True chances of the deals open, and known to be, at a midnight."""
        return true_incidence(self.simulated, as_of, horizons, draws=draws)

    def wins(self, as_of: pd.Timestamp, months: int, draws: int) -> pd.DataFrame:
        """Draw the wins of the months to come."""
        return true_wins(self.simulated, as_of, months=months, draws=draws)


def known_firm(
    kind: Kind, seed: int, deals: int, end: pd.Timestamp, dirt: Dirt = Dirt.USUAL
) -> KnownFirm:
    """Draw a firm and let it live for YEARS until `end`."""
    if kind in (Kind.OTHER, Kind.SLOW):
        speed = SLOWLY if kind == Kind.SLOW else 1.0
        kinds_of_dirt = other_dirt.KINDS[dirt]
        return OtherFirm.simulate(
            seed, deals=deals, years=YEARS, end=end, dirt=kinds_of_dirt, speed=speed
        )
    world = World.draw(seed)
    world = telling(world) if kind == Kind.TELLING else world
    kinds = {
        Dirt.NONE: frozenset[str](),
        Dirt.PROCESS: PROCESS,
        Dirt.USUAL: DEFAULT_DIRT,
        Dirt.ALL: DIRT,
    }
    return DemoFirm(
        simulate(world, deals=deals, years=YEARS, end=end, seed=seed, dirt=kinds[dirt])
    )


def telling(world: World) -> World:
    """The same firm with most of what decides a deal in its CRM.

    The quality of accounts and of single deals, which nobody enters, hardly varies; source,
    segment, industry, size, owner, contacts, engagement and silence matter more; and more is
    logged. A deal's own pace stays hidden.
    """

    def stronger(effects: dict[str, float]) -> dict[str, float]:
        return {name: SHOWN * effect for name, effect in effects.items()}

    return replace(
        world,
        account_sd=HIDDEN * world.account_sd,
        noise_sd=HIDDEN * world.noise_sd,
        source_effect=stronger(world.source_effect),
        segment_effect=stronger(world.segment_effect),
        industry_effect=stronger(world.industry_effect),
        type_effect=stronger(world.type_effect),
        owner_sd=SHOWN * world.owner_sd,
        size_effect=SHOWN * world.size_effect,
        engagement_effect=SHOWN * world.engagement_effect,
        contact_effect=SHOWN * world.contact_effect,
        exec_effect=SHOWN * world.exec_effect,
        silence_effect=SHOWN * world.silence_effect,
        engagement_sd=MOOD * world.engagement_sd,
        market_sd=0.03,
        touches=TOUCHES * world.touches,
        few_share=0.0,
    )


def add_kinds(parser: argparse.ArgumentParser) -> None:
    """Let the command line choose the kind of firms."""
    parser.set_defaults(kind=Kind.PLAIN)
    kinds = parser.add_mutually_exclusive_group()
    for kind, says in (
        (Kind.TELLING, "firms of which the CRM tells much"),
        (Kind.OTHER, "firms written apart from the demo"),
        (Kind.SLOW, "the same with deals that live two and a half times as long"),
    ):
        kinds.add_argument(f"--{kind}", dest="kind", action="store_const", const=kind, help=says)
