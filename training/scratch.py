"""Memory that a thread uses again: to get new pages takes longer than to fill them.

A slab of rows needs some megabytes for a millisecond, thousands of times over. Allocated anew each
time they cost two thirds of that millisecond.
"""

from __future__ import annotations

from math import prod
from threading import local
from typing import Any

import numpy as np
import numpy.typing as npt


class Scratch(local):
    """Arrays of this thread by name, as large as the largest that was asked for."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, Any], npt.NDArray[Any]] = {}

    def array(self, name: str, shape: tuple[int, ...], kind: Any) -> npt.NDArray[Any]:
        """Give an array of any content; who asks for the same name next overwrites it."""
        size, key = prod(shape), (name, kind)
        flat = self._kept.get(key)
        if flat is None or len(flat) < size:
            flat = self._kept[key] = np.empty(size, kind)
        return flat[:size].reshape(shape)
