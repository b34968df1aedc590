"""What takes seconds to work out: made once a day of the data, in the background."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as Late
from typing import Any, TypeVar

from features.windows import DAY
from serving.view import View

WAIT_SECONDS = 2.0
"""A reader waits so long before the page says that it is being worked out."""
T = TypeVar("T")
_workers = ThreadPoolExecutor(1, thread_name_prefix="insights")
_lock = threading.Lock()


class PreparingError(RuntimeError):
    """The answer is being worked out; ask again in some seconds."""


def day_of(view: View) -> int:
    """Beginning of the view's day, microseconds: what insights are told as of."""
    return view.as_of - view.as_of % DAY


def kept(view: View, name: str, build: Callable[[], T]) -> T:
    """Give what `build` makes for the history and model of a view on its day; made once.

    Raises
    ------
    PreparingError
        While it is being made.
    """
    indexes: dict[str, Any] = view.history.indexes
    key = f"insight:{name}:{view.bundle.version}:{day_of(view)}"
    with _lock:
        future: Future[T] | None = indexes.get(key)
        if future is None or (future.done() and future.exception() is not None):
            future = indexes[key] = _workers.submit(build)
    try:
        return future.result(timeout=WAIT_SECONDS)
    except Late as late:
        raise PreparingError(name) from late
