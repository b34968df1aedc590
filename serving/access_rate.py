"""A limit on how often each caller asks: a bucket of tokens each, in memory."""

from __future__ import annotations

from collections import OrderedDict

MOST_BUCKETS = 10_000
"""Callers remembered; the one that asked longest ago is forgotten first, with a full bucket."""


class Rate:
    """Lets each caller ask `burst` times at once and `per_minute` times a minute on average.

    Each process that serves counts for itself.
    """

    def __init__(self, per_minute: float, burst: float) -> None:
        self._per_second, self._burst = per_minute / 60, burst
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, caller: str, now: float) -> float:
        """Take a token; the seconds until there is one where there is none, else 0.

        Parameters
        ----------
        now : seconds of any clock that goes forward

        Examples
        --------
        >>> rate = Rate(per_minute=60, burst=1)
        >>> rate.wait("ann", 0.0), rate.wait("ann", 0.25), rate.wait("ann", 1.0)
        (0.0, 0.75, 0.0)
        """
        tokens, then = self._buckets.pop(caller, (self._burst, now))
        tokens = min(self._burst, tokens + (now - then) * self._per_second)
        lacking = max(0.0, 1 - tokens)
        self._buckets[caller] = (tokens if lacking else tokens - 1, now)
        while len(self._buckets) > MOST_BUCKETS:
            self._buckets.popitem(last=False)
        return lacking / self._per_second
