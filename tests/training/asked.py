"""Models asked together, for several test modules."""

from __future__ import annotations

import numpy as np

from training.together import together


def logits_of(models, features):
    """(n, models) log-odds of deals whose features are a frame."""
    return together(models, features.columns.tolist()).logits(features.to_numpy(np.float32))
