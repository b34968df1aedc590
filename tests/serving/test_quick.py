from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from serving.quick import LONG_BYTES, PATH, QUICK_BYTES, QuickFeatures


class Quick(QuickFeatures):
    """Answers whatever it is asked, and keeps a diary."""

    def __init__(self, diary: list[str]) -> None:
        super().__init__(self.rest, SimpleNamespace())
        self.diary = diary

    async def rest(self, *_: Any) -> None:
        self.diary.append("passed on")

    def _answer(self, body: bytes) -> bytes | None:
        self.diary.append("answered")
        return body if len(body) <= QUICK_BYTES else None


async def ask(quick: Quick, body: bytes, *, more: bool = False) -> None:
    scope = {
        "type": "http",
        "path": PATH,
        "method": "POST",
        "app": SimpleNamespace(routes=[SimpleNamespace(path=PATH)]),
    }

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": more}

    async def send(_: dict[str, Any]) -> None:
        return

    await quick(scope, receive, send)


def diary_of(bodies: list[bytes], *, more: bool = False) -> list[str]:
    """What happens when all are asked at once while something else waits for the loop."""
    diary: list[str] = []

    async def other() -> None:
        for _ in bodies:
            await asyncio.sleep(0)
            diary.append("other")

    async def everything() -> None:
        quick = Quick(diary)
        await asyncio.gather(*(ask(quick, body, more=more) for body in bodies), other())

    asyncio.run(everything())
    return diary


def test_between_two_long_bodies_the_loop_turns_to_others() -> None:
    diary = diary_of([b" " * LONG_BYTES] * 4)
    assert diary.count("answered") == diary.count("other") == 4
    assert "answered answered" not in " ".join(diary)


def test_short_bodies_are_answered_in_one_round() -> None:
    assert diary_of([b" "] * 3) == ["answered"] * 3 + ["other"] * 3


@pytest.mark.parametrize(("length", "more"), [(QUICK_BYTES + 1, False), (1, True)])
def test_what_is_not_quick_is_passed_on(length: int, *, more: bool) -> None:
    assert "passed on" in diary_of([b" " * length], more=more)
