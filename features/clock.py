"""Units of time and the kinds of arrays: instants are int64 microseconds since 1970 UTC."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Column = npt.NDArray[Any]

SECOND = 1_000_000
HOUR = 3_600 * SECOND
DAY = 86_400 * SECOND
NEVER = np.int64(2**62)
"""Later than every instant: the time of what has not happened."""
