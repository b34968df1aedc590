"""Work that is done side by side in threads: numpy lets others run while it counts."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

THREADS = min(4, os.cpu_count() or 1)


def side_by_side(work: Callable[[T], None], items: Sequence[T]) -> Iterator[float]:
    """Do the work of every item; give the share that is done after each, in the order given.

    Errors are raised here. One item is done where it is asked for.
    """
    if len(items) == 1:
        work(items[0])
        yield 1.0
    elif items:
        with ThreadPoolExecutor(THREADS) as pool:
            for done, _ in enumerate(pool.map(work, items), 1):
                yield done / len(items)
