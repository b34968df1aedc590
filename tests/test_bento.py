"""What goes into a bento: all that serves, and nothing of what was written while serving."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from pathspec import GitIgnoreSpec

ROOT = Path(__file__).parents[1]
PACKAGES = ("data", "features", "training", "serving", "commands")


def patterns(part: str) -> GitIgnoreSpec:
    """Read a list of bentofile.yaml, as BentoML does: patterns as of .gitignore."""
    text = (ROOT / "bentofile.yaml").read_text(encoding="utf-8")
    lines = text.split(f"\n{part}:\n")[1].split("\n")
    inside = itertools.takewhile(lambda line: line.startswith("  - "), lines)
    found = [line.removeprefix("  - ").strip('"') for line in inside]
    return GitIgnoreSpec.from_lines(found)


def goes_in(path: str) -> bool:
    return patterns("include").match_file(path) and not patterns("exclude").match_file(path)


def test_every_file_of_the_packages_goes_in() -> None:
    files = [
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    ]
    assert len(files) > 100
    assert [path for path in files if not goes_in(path)] == []
    assert goes_in("dealcast.py")
    assert goes_in("requirements.lock")


@pytest.mark.parametrize(
    "path",
    [
        "workspace/store/manifest.json",
        "workspace/store/deals/_delta_log/00000000000000000000.json",
        "workspace/mlflow.db",
        "workspace/mlartifacts/1/artifacts/bundle/bundle.json",
        "workspace/dealcast.toml",
    ],
)
def test_models_data_and_settings_go_in(path: str) -> None:
    assert goes_in(path)


@pytest.mark.parametrize(
    "path",
    [
        "workspace/records.db",
        "workspace/records.db-wal",
        "workspace/session.key",
        "workspace/scores/part.parquet",
        "workspace/demo-crm/deals.csv",
        "workspace/mlartifacts/1/artifacts/plots/gain.png",
        "tests/conftest.py",
        ".env",
        "serving/__pycache__/app.cpython-311.pyc",
    ],
)
def test_what_is_written_while_serving_stays_out(path: str) -> None:
    assert not goes_in(path)
