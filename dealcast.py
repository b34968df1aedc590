"""The command line: it and `commands` alone print, read the clock and wire the layers."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

# Offline and quiet: no dependency reports home.
for _name in ("MLFLOW_DISABLE_TELEMETRY", "BENTOML_DO_NOT_TRACK", "DO_NOT_TRACK"):
    os.environ.setdefault(_name, "true")

import typer

from commands import (
    audit,
    backtests,
    catalogue,
    changes,
    demo,
    forecasts,
    judgement,
    keys,
    lists,
    models,
    service,
    settings,
    store,
    tuning,
)
from commands.common import WorkFailedError, app, err, state

COMMANDS = (
    demo,
    store,
    models,
    tuning,
    backtests,
    lists,
    forecasts,
    changes,
    judgement,
    catalogue,
    settings,
    keys,
    service,
    audit,
)
"""Importing a module registers its commands with `app`."""


@app.callback()
def _main(
    workspace: Annotated[
        Path, typer.Option(help="folder of the store, the models and dealcast.toml")
    ] = Path("workspace"),
) -> None:
    state["workspace"] = workspace


def main() -> None:
    """Run a command; expected failures are one clear message and exit code 1."""
    try:
        app(standalone_mode=True)
    except KeyboardInterrupt:
        err.print("stopped; what was finished before is kept", markup=False)
        sys.exit(130)
    except _expected() as error:
        err.print(f"error: {_told(error)}", markup=False)
        sys.exit(1)


def _told(error: BaseException) -> str:
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        reason = error.strerror or error
        return f"{where}{reason}; check the path, your rights to it and the room on the disk"
    return str(error)


def _expected() -> tuple[type[BaseException], ...]:
    from data.manifest import StoreError
    from data.settings import SettingsFileError
    from data.sources import SourceError
    from serving.records import RecordsError
    from training.bundle import BundleError
    from training.train import TrainingError

    return (
        WorkFailedError,
        SourceError,
        StoreError,
        RecordsError,
        SettingsFileError,
        BundleError,
        TrainingError,
        OSError,
    )


if __name__ == "__main__":
    main()
