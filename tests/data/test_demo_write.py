"""The folder of a demo: what goes in comes out, and its truth beside it."""

from pathlib import Path

import pandas as pd
import pytest

from data.demo import Simulated, World, read_truth, simulate, write
from data.demo.dirt import DIRT
from data.sources import read_source

END = pd.Timestamp("2026-01-01", tz="UTC")


@pytest.fixture(scope="module")
def simulated() -> Simulated:
    return simulate(World.demo(), deals=200, years=1, end=END, seed=3, dirt=DIRT)


@pytest.fixture
def folder(simulated: Simulated, tmp_path: Path) -> Path:
    write(simulated, tmp_path / "new" / "crm")
    return tmp_path / "new" / "crm"


def test_there_is_one_file_a_table_and_the_truth(simulated: Simulated, folder: Path) -> None:
    names = {path.name.split(".")[0] for path in folder.iterdir()}
    assert names == set(simulated.tables) | {"truth"}


def test_text_of_every_script_survives(simulated: Simulated, folder: Path) -> None:
    back = pd.read_csv(folder / "accounts.csv", dtype="str")
    assert back["name"].tolist() == simulated.tables["accounts"]["name"].tolist()


def test_times_survive_to_the_second(simulated: Simulated, folder: Path) -> None:
    back = pd.read_csv(folder / "deal_history.csv.gz", dtype="str")
    times = pd.to_datetime(back["changed_at"], utc=True).astype("datetime64[us, UTC]")
    assert times.equals(simulated.tables["deal_history"]["changed_at"])


def test_the_truth_gives_back_the_same_tables(simulated: Simulated, folder: Path) -> None:
    again = read_truth(folder)
    assert again.world == simulated.world
    for name, frame in simulated.tables.items():
        pd.testing.assert_frame_equal(frame, again.tables[name])


def test_writing_twice_gives_the_same_bytes(simulated: Simulated, tmp_path: Path) -> None:
    for name in ("a", "b"):
        write(simulated, tmp_path / name)
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes(), path.name


def test_the_reader_of_sources_takes_the_folder_and_leaves_the_truth_alone(folder: Path) -> None:
    raw = read_source(folder)
    assert raw is not None


def test_a_folder_without_truth_is_no_demo(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"truth\.json"):
        read_truth(tmp_path)
