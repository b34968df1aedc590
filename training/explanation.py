"""The served probability of winning within 90 days, taken apart without a remainder.

The contributions of features to the log-odds are exact for each learner (TreeSHAP for trees,
Lundberg 2018; coefficient x column for the logistic; cell against mean for the table), averaged
with the learners' weights at the knot of 90 days, passed through the calibration and summed by
theme. Calibration bends the log-odds z to g(z): a deal's contributions are all scaled by the same
(g(z) - g(base)) / (z - base), so that they add up to g(z), whatever g is. What the curve adds by
being made coherent is named `curve`. So for every deal

    base + sum of groups = log-odds of the served p_won_90.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import pandas as pd

from features.windows import Floats
from training.bundle import Bundle
from training.calibration import calibrate
from training.close import CloseModel
from training.incidence import KNOTS, Incidence
from training.learners import Groups
from training.scoring import Scored
from training.themes import CURVE, theme_of

DAYS = 90
"""Horizon whose probability is explained."""
LEAST_ODDS = 1e-15
"""Probabilities are kept this far from 0 and 1 before their log-odds are taken."""
YARDSTICK = 1_000
"""Deals that make the usual one; with more of them, evenly chosen ones."""
FEW = 20
"""With so few deals or fewer there is no usual one to compare with."""


@dataclass(frozen=True)
class Parts:
    """Log-odds of `p_won_90` of n deals, taken apart.

    Attributes
    ----------
    base : (n,) what the deals share
    themes : names of what is added: themes and, last, `curve`
    added : (n, themes) what each of them adds
    """

    base: Floats
    themes: tuple[str, ...]
    added: Floats

    @property
    def groups(self) -> pd.DataFrame:
        """(n, themes) what each theme adds, as a table."""
        return pd.DataFrame(self.added, columns=list(self.themes))

    def logits(self) -> Floats:
        """(n,) log-odds of the served probability: the sum of all."""
        total: Floats = self.base + self.added.sum(axis=1)
        return total

    def against(self, usual: Mapping[str, float]) -> Parts:
        """Move what is usual of each theme into the base: the others are told against it."""
        moved = np.array([usual.get(theme, 0.0) for theme in self.themes])
        return Parts(self.base + moved.sum(), self.themes, self.added - moved)


def parts_of(bundle: Bundle, features: pd.DataFrame, incidence: Incidence) -> Parts:
    """Take the served log-odds of n deals apart.

    Parameters
    ----------
    features : (n, features) as the models read them
    incidence : the curves served for the same n deals
    """
    if not len(features):
        return Parts(np.zeros(0), (CURVE,), np.zeros((0, 1)))
    themes = _themes(tuple(features.columns.to_numpy(object).tolist()))
    base, by_theme = _knot(bundle.close, KNOTS.index(DAYS), features, themes)
    served = log_odds(incidence.won_by(DAYS)[:, 0])
    curve = served - base - by_theme.sum(axis=1)
    return Parts(base, (*themes.names, CURVE), np.column_stack([by_theme, curve]))


@lru_cache(maxsize=8)
def _themes(features: tuple[str, ...]) -> Groups:
    """Features by the theme that each belongs to."""
    return Groups.of([theme_of(name) for name in features])


def _knot(
    close: CloseModel, knot: int, features: pd.DataFrame, themes: Groups
) -> tuple[Floats, Floats]:
    """(n,) base and (n, themes) parts of the calibrated log-odds of winning by a knot."""
    raw = close.won[knot].contributions(features)
    base, by_theme = raw[:, -1], themes.sums(raw[:, :-1])
    added = by_theme.sum(axis=1)
    slope, offset = close.slope[0], close.offset[0]
    start = log_odds(calibrate(base, slope, offset))
    risen = log_odds(calibrate(base + added, slope, offset)) - start
    # Where nothing is added nothing rises; any factor tells that truth.
    factor = risen / np.where(np.abs(added) > 1e-12, added, 1.0)
    return start, by_theme * factor[:, None]


def usual_groups(bundle: Bundle, scored: Scored) -> dict[str, float]:
    """Median of each theme over the scored deals: what all deals share is no reason for one.

    Asked once of all open deals and handed to whoever explains some of them, it makes a deal's
    reasons independent of which others are asked for. Zeros where there are too few deals.
    """
    many = len(scored.frame)
    spread = np.linspace(0, many - 1, min(many, YARDSTICK)).astype(np.int64)
    curves = scored.incidence
    curves = replace(curves, won=curves.won[spread], lost=curves.lost[spread])
    parts = parts_of(bundle, scored.features.iloc[spread], curves)
    if many <= FEW:
        return dict.fromkeys(parts.themes, 0.0)
    return dict(zip(parts.themes, np.median(parts.added, axis=0).tolist(), strict=True))


def log_odds(p: Floats) -> Floats:
    """Log-odds of probabilities."""
    inside = np.clip(p, LEAST_ODDS, 1 - LEAST_ODDS)
    out: Floats = np.log(inside) - np.log1p(-inside)
    return out


def points_each(before: Floats, after: Floats) -> Floats:
    """(n,) probability that one unit of log-odds is worth on the way between two probabilities.

    Parts of the difference of their log-odds, times this, add up to the difference itself.
    """
    way = log_odds(after) - log_odds(before)
    still = np.abs(way) < 1e-9
    each: Floats = np.where(still, after * (1 - after), (after - before) / np.where(still, 1, way))
    return each
