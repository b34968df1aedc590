"""A Poisson regression with normal priors: columns that are known, and pushes to a climate.

The climate of a block of days is what is left of the pushes of that block and of those before it;
each fades from block to block.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from features.windows import Floats, Ints

YEAR_BLOCKS = 12
NEWTON_STEPS = 30


@dataclass(frozen=True)
class Design:
    """Columns: level, growth, calendar, season (`season`), and a push to the climate a block.

    The oldest block's push comes first; each fades from block to block by `keep`.
    """

    columns: Floats
    sd: Floats
    season: slice
    keep: float
    blocks: int

    def left(self, block: Ints) -> Floats:
        """(n, blocks) what is left of each push in a block, 0 being the newest."""
        since = np.arange(self.blocks)[::-1] - block[:, None]
        found: Floats = np.where(since >= 0, self.keep ** np.maximum(since, 0), 0.0)
        return found

    def scaled(self, season: Floats, drift: float) -> Floats:
        """(columns,) prior standard deviations, for scales of the columns of the season."""
        sd = self.sd.copy()
        sd[self.season] *= season
        kept = self.keep**2
        year = (1 - kept**YEAR_BLOCKS) / (1 - kept) if kept < 1 else YEAR_BLOCKS
        pushes = np.full(self.blocks, drift / np.sqrt(year))
        # What a climate that forgets nothing began with is the level.
        pushes[:1] = pushes[0] / np.sqrt(1 - kept) if self.keep < 0.99 else 1e-6
        return np.concatenate([sd, pushes])


@dataclass(frozen=True)
class Fit:
    """Coefficients; `climate` (blocks,) newest first; `pushes` (blocks,) left in the newest."""

    beta: Floats
    covariance: Floats
    evidence: float
    dispersion: float
    climate: Floats
    pushes: Floats


def fit_poisson(
    of: Design,
    counts: Floats,
    exposure: Floats,
    sd: Floats,
    dispersion: float,
    start: Floats | None = None,
) -> Fit:
    """Penalised Newton steps; counts weigh as if their variance were `dispersion` x mean."""
    design, precision = of.columns, 1 / sd**2
    beta = np.zeros(len(sd))
    if start is None:
        start = np.array([np.log(max(counts.sum(), 0.5) / max(exposure.sum(), 0.5))])
    beta[: len(start)] = start
    hessian = np.diag(precision)
    for _ in range(NEWTON_STEPS):
        mean = exposure * np.exp(np.clip(design @ beta, -30, 30))
        gradient = design.T @ (counts - mean) / dispersion - precision * beta
        hessian = design.T @ (design * (mean / dispersion)[:, None]) + np.diag(precision)
        step = np.linalg.solve(hessian, gradient)
        largest = float(np.abs(step).max())
        beta = beta + step * min(1.0, 2.0 / max(largest, 1e-9))
        if largest < 1e-4:
            break
    mean = exposure * np.exp(np.clip(design @ beta, -30, 30))
    likelihood = float(counts @ np.log(np.maximum(mean, 1e-300)) - mean.sum()) / dispersion
    determinants = np.log(precision).sum() - np.linalg.slogdet(hessian)[1]
    evidence = likelihood + float(determinants - precision @ beta**2) / 2
    free = max(len(counts) - len(beta) / 2, 1.0)
    spread = float(((counts - mean) ** 2 / np.maximum(mean, 1e-9)).sum()) / free
    covariance = np.asarray(np.linalg.inv(hessian), np.float64)
    left = of.left(np.arange(of.blocks))
    climate = left @ beta[len(beta) - of.blocks :]
    return Fit(beta, covariance, evidence, max(spread, 1.0), climate, left[0])
