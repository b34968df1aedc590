"""Themes: groups of features that say one thing about a deal, as a person would."""

from __future__ import annotations

from features.catalogue import CATALOGUE

THEMES = {
    "meetings": ("meeting",),
    "contacts": ("contact", "seniority"),
    "replies": ("inbound", "answer", "unanswered", "inflation"),
    "activity": (
        "activit", "email", "call", "note", "task", "outbound", "pace", "silence", "gap",
    ),
    "close date": ("close_date", "push", "overdue", "promised"),
    "stage": ("stage", "step", "speed", "stay", "reopened"),
    "age": ("age_days", "age_against", "cycle"),
    "owner": ("owner", "team"),
    "amount": ("amount", "size_win_rate"),
}  # fmt: skip
"""By theme: parts of names; the first theme that has one in a feature's name takes it."""
CURVE = "curve"
"""What is no feature's: how the curve passes between its knots and is kept coherent."""


def theme_of(feature: str) -> str:
    """Theme of a feature; else its family."""
    for theme, words in THEMES.items():
        if any(word in feature for word in words):
            return theme
    found = CATALOGUE.get(feature)
    return found.family if found else "custom"
