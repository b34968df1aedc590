"""A limit on how long a request may take: whoever asked is told, whatever still goes on."""

from __future__ import annotations

import asyncio
import logging

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.access_refusals import refusal
from serving.problems import problem

log = logging.getLogger("dealcast.serving")


class TimeLimit:
    """Answers 504 where the application has not begun to answer in time.

    What was begun in a thread cannot be stopped: it ends by itself, and its answer is dropped.
    """

    def __init__(self, app: ASGIApp, seconds: float) -> None:
        self.app, self.seconds = app, seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and wait."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun = late = False

        async def in_time(message: Message) -> None:
            nonlocal begun
            if not late:
                begun = True
                await send(message)

        task = asyncio.ensure_future(self.app(scope, receive, in_time))
        try:
            await asyncio.wait({task}, timeout=self.seconds)
        except asyncio.CancelledError:  # the caller went away
            task.cancel()
            raise
        if task.done() or begun:
            await task
            return
        late = True
        task.add_done_callback(_end)
        remedy = "ask for less at once: fewer deals, periods or roll-ups"
        told = problem(504, f"no answer within {self.seconds:g} seconds", remedy).problem
        await refusal(scope, told, {})(scope, receive, send)


def _end(task: asyncio.Future[None]) -> None:
    """Take note of how a late answer ended."""
    if not task.cancelled() and task.exception() is not None:
        log.error("a late answer failed", exc_info=task.exception())
