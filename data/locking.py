"""One importer at a time: an exclusive lock on a file, freed by the kernel if its holder dies."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

PAUSE = 0.05
"""Seconds between two attempts."""


class LockedError(TimeoutError):
    """Somebody else held the lock for as long as we were willing to wait."""


@contextmanager
def exclusive(path: Path, timeout: float) -> Iterator[None]:
    """Hold the lock on a file; wait at most `timeout` seconds for it.

    Raises
    ------
    LockedError
        Where the lock could not be had in time.
    """
    with path.open("w") as stream:
        _wait(stream, attempts=max(1, round(timeout / PAUSE)))
        yield


def _wait(stream: IO[str], attempts: int) -> None:
    for attempt in range(attempts):
        if attempt:
            time.sleep(PAUSE)
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        return
    raise LockedError
