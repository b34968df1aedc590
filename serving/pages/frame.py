"""What stands around every page: where one is, the instant, the model, the data, what is said."""

from __future__ import annotations

from typing import Any

import pandas as pd

from serving.answers import currency
from serving.pages.asked import Asked
from serving.pages.words import LANGUAGES, Words
from serving.view import View

NAVIGATION = (
    ("today", "/"),
    ("forecast", "/forecast"),
    ("pipeline", "/pipeline"),
    ("team", "/team"),
    ("sources", "/sources"),
    ("data", "/data"),
    ("model", "/model-card"),
)
"""Pages by name and address, in the order of the navigation."""


def frame_of(name: str, asked: Asked, view: View | None) -> dict[str, Any]:
    """Give what every template reads; without a view only what needs none."""
    return {
        "page_name": name,
        "asked": asked,
        "t": asked.words,
        "navigation": NAVIGATION,
        "languages": [
            (code, called, asked.link(lang=code, page=asked.text("page")))
            for code, called in LANGUAGES.items()
        ],
        "served": _served(view, asked) if view else None,
    }


def _served(view: View, asked: Asked) -> dict[str, Any]:
    card = view.bundle.card
    return {
        "as_of": view.instant.tz_convert(view.history.settings.timezone),
        "tier": view.bundle.tier,
        "version": view.bundle.version,
        "reason": card.get("reason", ""),
        "last_fact": view.last_fact,
        "age": age_of(view, asked.now, asked.words),
        "notes": view.notes_in(asked.words),
        "currency": currency(view.history),
    }


def age_of(view: View, now: pd.Timestamp, words: Words) -> str:
    """Say how old the newest fact is, in words."""
    if view.last_fact is None:
        return words("age.none")
    hours = (now - view.last_fact) / pd.Timedelta(hours=1)
    if hours < 1:
        return words("age.fresh")
    return (
        words.count("age.hours", int(hours))
        if hours < 48
        else words.count("age.days", int(hours // 24))
    )
