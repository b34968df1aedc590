"""Commands that are killed, or run at the same time: what was good before stays good."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from data.demo import World, simulate, write
from data.store import Store
from training.tracking import Tracker

pytestmark = [
    pytest.mark.slow,
    # What MLflow asks of SQLAlchemy is its own affair.
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy"),
]
PROJECT = Path(__file__).parents[1]
PAUSED = """
import importlib, sys, time
module, _, name = sys.argv.pop(1).rpartition(":")
owner, _, name = name.rpartition(".")
place = importlib.import_module(module)
place = getattr(place, owner) if owner else place

def pause(*_, **__):
    print("paused", flush=True)
    time.sleep(600)

setattr(place, name, pause)
import dealcast
dealcast.main()
"""


def start(*arguments, pause=""):
    """Run a command in a process of its own; `pause` names the function at which it waits."""
    program = ["-c", PAUSED, pause] if pause else ["-m", "dealcast"]
    return subprocess.Popen(
        [sys.executable, *program, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=PROJECT,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
    )


def finish(*arguments):
    process = start(*arguments)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return out


def kill_at(function, *arguments):
    process = start(*arguments, pause=function)
    said = process.stdout.readline().strip()
    process.send_signal(signal.SIGKILL)
    _, err = process.communicate()
    assert said == "paused", err


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """A firm's export, and the same firm's with another half of its deals."""
    folder = tmp_path_factory.mktemp("sources")
    end = pd.Timestamp("2024-07-01", tz="UTC")
    firm = simulate(World.demo(seed=7), deals=150, years=1, end=end, seed=7)
    write(firm, folder / "all")
    write(firm, folder / "some")
    deals = pd.read_csv(folder / "all" / "deals.csv", dtype=str)
    half = deals.iloc[::2]
    half.to_csv(folder / "some" / "deals.csv", index=False)
    for name in ("deal_history", "activities"):
        rows = pd.read_csv(folder / "all" / f"{name}.csv.gz", dtype=str)
        rows = rows[rows["deal_id"].isin(half["deal_id"])]
        rows.to_csv(folder / "some" / f"{name}.csv.gz", index=False)
    return folder


@pytest.fixture(scope="module")
def trained(sources, tmp_path_factory):
    """A workspace with half of the deals and a champion, which every test leaves as it was."""
    workspace = tmp_path_factory.mktemp("trained")
    finish("--workspace", workspace, "import", sources / "some")
    finish("--workspace", workspace, "train")
    return workspace


@pytest.mark.parametrize(
    "moment",
    [
        "training.train:fit_amount",
        "training.tracking:save_bundle",
        "training.champion:decide",
    ],
)
def test_train_killed_at_any_moment_leaves_the_champion_that_was(trained, moment):
    tracker = Tracker(trained)
    before = tracker.champion()
    kill_at(moment, "--workspace", trained, "train")
    after = Tracker(trained).champion()
    assert after.version == before.version == "1"
    assert after.card == before.card
    assert Tracker(trained).bundle_for(before.cut) is not None


def test_promotion_killed_on_its_way_leaves_the_champion_that_was(trained):
    said = finish("--workspace", trained, "train")
    other = re.search(r"version (\d+)", said).group(1)
    assert Tracker(trained).champion().version == "1" != other
    kill_at("training.tracking:Tracker.promote", "--workspace", trained, "promote", other)
    assert Tracker(trained).champion().version == "1"


def test_after_a_killed_training_scores_and_the_next_training_work(trained):
    assert "model version 1" in finish("--workspace", trained, "score")
    assert "champion: " in finish("--workspace", trained, "train")
    Tracker(trained).promote("1")


@pytest.mark.parametrize("moment", ["data.store:write_deltalake", "data.store:write_manifest"])
def test_import_killed_at_any_moment_leaves_the_store_that_was(trained, sources, moment):
    store = Store(trained / "store")
    before, deals = store.version(), len(store.read().deals)
    kill_at(moment, "--workspace", trained, "import", sources / "all")
    assert store.version() == before
    assert len(store.read().deals) == deals


def test_first_import_that_is_killed_leaves_no_store_and_can_be_repeated(sources, tmp_path):
    kill_at("data.store:write_manifest", "--workspace", tmp_path, "import", sources / "some")
    assert not Store(tmp_path / "store").exists()
    finish("--workspace", tmp_path, "import", sources / "some")
    assert Store(tmp_path / "store").exists()


def test_two_imports_at_once_give_the_store_that_one_after_the_other_gives(sources, tmp_path):
    together, apart = tmp_path / "together", tmp_path / "apart"
    both = [start("--workspace", together, "import", sources / name) for name in ("some", "all")]
    ends = [process.communicate(timeout=300) for process in both]
    assert [process.returncode for process in both] == [0, 0], ends
    finish("--workspace", apart, "import", sources / "all")
    found, expected = (Store(each / "store").read() for each in (together, apart))
    for name, frame in expected.items():
        keys = list(frame.columns)
        left, right = (each.sort_values(keys, ignore_index=True) for each in (found[name], frame))
        pd.testing.assert_frame_equal(left, right)


def test_mistake_ends_a_process_with_two_and_without_a_traceback(tmp_path):
    process = start("--workspace", tmp_path, "score", "--as-of", "soon")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert out == ""
    assert "is no date" in err
    assert "Traceback" not in err
