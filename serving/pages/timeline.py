"""The timeline of a deal: stages, amounts, dates, owners and activities, the newest first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from data.contract import ACTIVITY_TYPES
from features.windows import DAY, Ints, Timeline
from serving.figures import money
from serving.pages.scope import owner_called
from serving.pages.words import Words
from serving.view import View, to_time

Event = dict[str, Any]


def timeline_of(view: View, code: int, words: Words) -> list[Event]:
    """Facts of a deal known before the view's instant: at, kind, text, icon, late_days, ahead."""
    found = [
        {"at": to_time(int(view.history.created[code])), "kind": "created",
         "text": words("event.created"), "icon": "created", "late_days": None, "ahead": False},
        *_stages(view, code, words),
        *_changes(view, code, words),
        *_activities(view, code, words),
    ]  # fmt: skip
    return sorted(found, key=lambda event: event["at"], reverse=True)


def _known(events: Timeline, code: int, as_of: int) -> Ints:
    places = np.arange(events.start[code], events.start[code + 1])
    return places[events.time[places] < as_of]


def _event(happened: float, known: int, kind: str, text: str, as_of: int) -> Event:
    late = (known - happened) / DAY
    return {
        "at": to_time(int(happened)),
        "kind": kind,
        "text": text,
        "icon": kind,
        "late_days": late if late > 1 else None,
        "ahead": bool(happened >= as_of),
    }


def _stages(view: View, code: int, words: Words) -> Iterator[Event]:
    events = view.history.stages
    for place in _known(events, code, view.as_of):
        name = view.history.stage_names[int(events.values["stage"][place])]
        kind = ("stage", "won", "lost")[int(events.values["outcome"][place])]
        happened, known = float(events.values["happened"][place]), int(events.time[place])
        yield _event(happened, known, kind, words(f"event.{kind}", stage=name), view.as_of)


def _changes(view: View, code: int, words: Words) -> Iterator[Event]:
    for name in ("amount", "expected_close_date", "owner_id"):
        events = view.history.changes[name]
        for place in _known(events, code, view.as_of):
            value = float(events.values["value"][place])
            if np.isnan(value):
                continue
            happened = float(events.values["happened"][place])
            text = words(f"event.{name}", value=_value(view, name, value, words))
            yield _event(happened, int(events.time[place]), name, text, view.as_of)


def _value(view: View, name: str, value: float, words: Words) -> str:
    if name == "amount":
        return money(value)
    if name == "expected_close_date":
        return words.day(to_time(int(value)))
    return owner_called(view, view.history.owners.names[int(value)])


def _activities(view: View, code: int, words: Words) -> Iterator[Event]:
    events = view.history.activities
    for place in _known(events, code, view.as_of):
        kind = next((k for k in ACTIVITY_TYPES if events.values[k][place]), "note")
        way = next((w for w in ("inbound", "outbound") if events.values[w][place]), "")
        happened = float(events.values["happened"][place])
        text = words(f"event.{kind}{f'.{way}' if way else ''}")
        # A meeting booked ahead is known before it happens: that is not late.
        known = int(events.values["recorded"][place])
        yield _event(happened, known, kind, text, view.as_of)
