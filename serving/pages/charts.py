"""Charts as data: what a plot holds, written into an attribute that the script reads."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np


def series(kind: str, name: str, y: Sequence[Any], colour: str, **more: Any) -> dict[str, Any]:
    """One series: kind is area, bar, line, band (with low and high), dots or steps."""
    return {"kind": kind, "name": name, "y": y, "colour": colour, **more}


def chart(x: Sequence[Any], found: Sequence[dict[str, Any]], **options: Any) -> str:
    """Write a chart as JSON; numbers that are none become null.

    Options: `format` (d3 format of y), `xformat`, `stacked`, `xtitle`, `ytitle`, `horizontal`,
    `linear` (x is a number), `diagonal` (the line y = x), `marks` (instants with a label).
    """
    told = {"x": list(x), "series": list(found), **options}
    return json.dumps(_plain(told), ensure_ascii=False, allow_nan=False)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [_plain(each) for each in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return round(value, 6) if math.isfinite(value) else None
    return value


def sparkline(values: Sequence[float], width: int = 64, height: int = 18) -> str:
    """Points of a small line in a box of `width` x `height`; empty for fewer than two values."""
    known = [(k, v) for k, v in enumerate(values) if v is not None and math.isfinite(v)]
    if len(known) < 2:
        return ""
    low, high = min(v for _, v in known), max(v for _, v in known)
    across, up = (width - 4) / (len(values) - 1), (height - 4) / max(high - low, 1e-9)
    return " ".join(f"{2 + k * across:.1f},{height - 2 - (v - low) * up:.1f}" for k, v in known)
