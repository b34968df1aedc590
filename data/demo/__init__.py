"""A demo CRM whose truth is known: a firm is drawn, lives day by day, and is exported.

It is a convincing demo and a bench: ``true_incidence`` and ``true_revenue`` tell what the best
possible model would say.
"""

from data.demo.simulate import DEFAULT_DIRT, Simulated, simulate
from data.demo.truth import true_incidence, true_revenue
from data.demo.world import World
from data.demo.write import read_truth, write

__all__ = [
    "DEFAULT_DIRT",
    "Simulated",
    "World",
    "read_truth",
    "simulate",
    "true_incidence",
    "true_revenue",
    "write",
]
