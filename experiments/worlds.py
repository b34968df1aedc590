"""Firms drawn on other terms than the demo's."""

from __future__ import annotations

from dataclasses import replace

from data.demo import World

HIDDEN, SHOWN = 0.05, 3.0
"""Factors on what the CRM never tells, and on what stands in it."""
MOOD = 0.2
"""Factor on how far engagement strays from what is seen of it."""
TOUCHES = 6.0
"""Factor on how much is logged."""


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
