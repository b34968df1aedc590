"""A real history from import to scores: loan applications of BPI Challenge 2012."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import dealcast
from data.store import Store
from features.history import History
from features.outcomes import outcomes
from training.metrics import log_loss, paired
from training.scoring import score
from training.tracking import Tracker

SOURCE = Path(__file__).parents[1].parent / "shared" / "data" / "bpic2012"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not SOURCE.is_dir(), reason=f"no real data at {SOURCE}"),
    # What MLflow asks of SQLAlchemy is its own affair.
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy"),
]
DAY = "2012-02-01"
AS_OF = int(pd.Timestamp(DAY, tz="UTC").as_unit("us").asm8.astype("int64"))


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """Imported, trained as of a day in its past, scored as of that day."""
    folder = tmp_path_factory.mktemp("bpic2012")
    for command in (
        ["import", str(SOURCE)],
        ["train", "--as-of", DAY],
        ["score", "--as-of", DAY, "--out", str(folder / "scores.parquet")],
    ):
        sys.argv = ["dealcast", "--workspace", str(folder), *command]
        with pytest.raises(SystemExit) as end:
            dealcast.main()
        assert not end.value.code
    return folder


@pytest.fixture(scope="module")
def history(workspace):
    return History.of(Store(workspace / "store").read())


def test_loans_of_later_are_foretold_better_than_by_the_table(workspace, history):
    bundle = Tracker(workspace).champion()
    assert bundle.tier == "full"
    assert bundle.cut == AS_OF
    scored = score(bundle, history, AS_OF)
    later = outcomes(history, scored.snapshots, AS_OF + 40 * 86_400_000_000)
    won = later.won(30)
    assert 50 < won.sum() < len(won)
    table = bundle.table.incidence(scored.features).won_by(30)[:, 0]
    served = scored.frame["p_won_30"].to_numpy()
    gain = paired(scored.snapshots.deal, log_loss(won, table) - log_loss(won, served))
    assert gain.better
    assert served.sum() == pytest.approx(won.sum(), rel=0.35)


def test_file_of_scores_holds_what_the_library_computes(workspace, history):
    frame = pd.read_parquet(workspace / "scores.parquet")
    scored = score(Tracker(workspace).champion(), history, AS_OF).frame
    assert frame["deal_id"].tolist() == scored["deal_id"].tolist()
    for name in ("p_won_30", "p_won", "p_lost_90"):
        assert frame[name].tolist() == scored[name].tolist()
    assert not np.isnan(frame["p_won_30"]).any()
