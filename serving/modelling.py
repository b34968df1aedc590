"""The answer about the model: its card, its figures out of time, and how fresh the data are."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd

from serving.answers import head, iso
from serving.replies import Content
from serving.view import View, to_time


def told(view: View, now: pd.Timestamp) -> Content:
    """Answer with what is known of the model and of the data."""
    cut, last = to_time(view.bundle.cut), view.last_fact
    return {
        **head(view),
        "card": json.loads(json.dumps(_finite(dict(view.bundle.card)), default=str)),
        "cut": iso(cut),
        "features": len(view.bundle.features),
        "last_fact": None if last is None else iso(last),
        "data_age_seconds": None if last is None else (now - last).total_seconds(),
        "model_age_seconds": (now - cut).total_seconds(),
        "open_deals": len(view.scored.frame),
    }


def _finite(value: Any) -> Any:
    """Write what is no number, at any depth, as null."""
    if isinstance(value, dict):
        return {str(name): _finite(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    if isinstance(value, np.generic):
        return _finite(value.item())
    return None if isinstance(value, float) and not np.isfinite(value) else value
