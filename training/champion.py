"""Champion and challenger: whether a newly trained bundle takes over, and why, in words."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from training.bundle import Bundle


@dataclass(frozen=True)
class Decision:
    """Whether the challenger becomes champion, with the reason."""

    promote: bool
    reason: str


def _day(cut: int) -> str:
    return f"{pd.Timestamp(cut, unit='us', tz='UTC'):%Y-%m-%d}"


def _gain(bundle: Bundle) -> tuple[float, float]:
    """Out-of-time gain over the table, in nats, and its standard error; (0, 0) for a table."""
    validation = bundle.card.get("validation")
    if not validation or bundle.tier == "table":
        return 0.0, 0.0
    return float(validation["gain"]["mean"]), float(validation["gain"]["standard_error"])


def decide(champion: Bundle | None, challenger: Bundle) -> Decision:
    """Compare both by their gain over the stage x age table, each out of time at its own cut.

    A challenger takes over where there is no champion, or where it has learned from a later (or
    the same) cut and its gain is not below the champion's by more than the standard error of the
    difference.
    """
    if champion is None:
        return Decision(True, "there was no champion")
    if challenger.cut < champion.cut:
        return Decision(
            False,
            f"the champion (version {champion.version}) has learned up to {_day(champion.cut)}, "
            f"the new bundle only up to {_day(challenger.cut)}; it answers when you ask as of its "
            "own time",
        )
    new, new_error = _gain(challenger)
    old, old_error = _gain(champion)
    error = (new_error**2 + old_error**2) ** 0.5
    if new < old - error:
        return Decision(
            False,
            f"its gain over the stage x age table ({new:+.4f}) is below that of version "
            f"{champion.version} ({old:+.4f}) by more than one standard error ({error:.4f})",
        )
    return Decision(
        True,
        f"it has learned up to {_day(challenger.cut)} and does not do worse than version "
        f"{champion.version} ({new:+.4f} against {old:+.4f} nats a snapshot over the table)",
    )
