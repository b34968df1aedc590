"""Write a simulated CRM as a folder that can be imported, with its truth beside it."""

import json
from pathlib import Path

import pandas as pd

from data.demo.simulate import Simulated, simulate
from data.demo.world import World

GZIPPED = frozenset({"activities", "deal_history"})


def write(simulated: Simulated, folder: Path) -> None:
    """Write one CSV file a table (the two large ones gzipped) and ``truth.json``.

    The folder is made where it is absent; files of the same names are replaced.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, frame in simulated.tables.items():
        suffix = ".csv.gz" if name in GZIPPED else ".csv"
        texts = frame.copy()
        for column in frame.select_dtypes("datetimetz"):
            texts[column] = _iso(frame[column])
        # Level 1: half the time of the usual level for a tenth more bytes.
        how = {"method": "gzip", "compresslevel": 1, "mtime": 0} if name in GZIPPED else None
        texts.to_csv(folder / f"{name}{suffix}", index=False, compression=how)
    (folder / "truth.json").write_text(_truth(simulated), encoding="utf-8")


def _iso(times: "pd.Series[pd.Timestamp]") -> "pd.Series[str]":
    """ISO-8601 in UTC; dates alone where no time of day is given."""
    if times.name == "expected_close_date":
        return times.dt.strftime("%Y-%m-%d")
    return times.dt.strftime("%Y-%m-%dT%H:%M:%SZ")


def _truth(simulated: Simulated) -> str:
    """All it takes to simulate the same again."""
    return json.dumps(
        {
            "world": json.loads(simulated.world.to_json()),
            "deals": simulated.deals,
            "years": simulated.years,
            "end": simulated.end.isoformat(),
            "seed": simulated.seed,
            "dirt": sorted(simulated.dirt),
        },
        indent=2,
        ensure_ascii=False,
    )


def read_truth(folder: Path) -> Simulated:
    """Simulate again what ``write`` wrote to a folder; the tables are the same.

    Raises
    ------
    FileNotFoundError
        Where there is no ``truth.json``: the folder is no demo, so its truth is not known.
    """
    raw = json.loads((folder / "truth.json").read_text(encoding="utf-8"))
    return simulate(
        World.from_json(json.dumps(raw["world"])),
        deals=raw["deals"],
        years=raw["years"],
        end=pd.Timestamp(raw["end"]),
        seed=raw["seed"],
        dirt=frozenset(raw["dirt"]),
    )
