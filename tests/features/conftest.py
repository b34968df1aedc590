"""Small histories readable by eye, and one way to ask them for a feature."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
import pytest

from data.demo import World, simulate
from data.settings import Settings
from data.tables import Tables
from features.at import At
from features.custom import custom_features
from features.history import History
from features.pipeline import CATALOGUE
from features.vocabulary import Vocabulary, learn_vocabulary

Build = Callable[..., Tables]
Ask = Callable[..., float]


def micros(text: str) -> int:
    return int(pd.Timestamp(text, tz="UTC").as_unit("us").asm8.astype("int64"))


def from_text(text: str) -> pd.DataFrame:
    """Words in columns, `-` where missing."""
    head, *rows = (line.split() for line in text.strip().splitlines())
    return pd.DataFrame(rows, columns=head, dtype="str").replace({"-": pd.NA})


@pytest.fixture(scope="session")
def instant() -> Callable[[str], int]:
    """Microseconds of a time written as text."""
    return micros


@pytest.fixture(scope="session")
def build() -> Build:
    """Tables from text: `build(deals=..., deal_history=...)`."""

    def make(**texts: str) -> Tables:
        frames = {name: from_text(text) for name, text in texts.items()}
        deals = frames["deals"]
        if "is_won" in deals:
            frames["deals"] = deals.assign(
                is_won=deals["is_won"].map({"true": True, "false": False})
            )
        if "stage" not in deals:
            frames["deals"] = frames["deals"].assign(stage="qualified")
        return Tables.of(frames)

    return make


@pytest.fixture(scope="session")
def ask() -> Ask:
    """One feature of one deal at an instant, in full precision."""

    def value(
        tables: Tables,
        name: str,
        deal: str,
        as_of: str,
        settings: Settings | None = None,
        vocabulary: Vocabulary | None = None,
    ) -> float:
        history = History.of(tables, settings)
        at = micros(as_of)
        words = vocabulary or learn_vocabulary(history, at)
        code = np.array([history.position_of[deal]])
        features: Mapping = CATALOGUE | custom_features(words)
        with np.errstate(divide="ignore", invalid="ignore"):
            found = features[name].compute(At(history, words, code, np.array([at])))
        return float(found[0])

    return value


@pytest.fixture(scope="session")
def demo_tables() -> Tables:
    """A demo CRM of some 300 deals with everything that is wrong with real ones."""
    dirt = frozenset(
        {"late_logged", "missing_amounts", "reopened", "stale", "backdated", "bulk_import"}
    )
    end = pd.Timestamp("2025-06-30", tz="UTC")
    made = simulate(World.demo(), deals=300, years=1.5, end=end, seed=11, dirt=dirt)
    return Tables.of(made.tables)
