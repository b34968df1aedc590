"""Commands that fill the store: check, import."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import pandas as pd
import typer

from commands.common import (
    Json,
    WorkFailedError,
    app,
    err,
    out,
    print_json,
    progress,
    read_clock,
    records,
    say_table,
    state,
)

if TYPE_CHECKING:
    from data.validation import Validated
    from features.health import Health


def _validated(source: Path) -> Validated:
    from data.sources import read_source
    from data.store import Store
    from data.validation import validate

    store = Store(state["workspace"] / "store")
    known = store.read() if store.exists() else None
    with progress(f"reading {source}", 2, "seconds; a minute for millions of rows") as step:
        step("reading files")
        raw = read_source(source)
        step("checking every row")
        return validate(raw, read_clock(), known)


def _say_problems(validated: Validated) -> None:
    from data.validation import problems_text

    if text := problems_text(validated):
        err.print(text, markup=False)
    for warning in validated.warnings.to_dict("records"):
        if warning["message"] not in text:
            err.print(f"note: {warning['table']}: {warning['message']}", markup=False)


@app.command("check")
def check_command(source: Path, json_: Json = False) -> None:
    """Validate SOURCE as an import would, and report how far it carries; nothing is written."""
    validated = _validated(source)
    rows = {name: len(frame) for name, frame in validated.tables.items() if len(frame)}
    health = _health(validated)
    if json_:
        print_json(
            {
                "accepted": rows,
                "rejected": records(validated.rejected),
                "warnings": records(pd.DataFrame(validated.warnings)),
                "health": health.to_json(),
            }
        )
    else:
        _say_problems(validated)
        say_table("accepted rows", [("table", "left"), ("rows", "right")], list(rows.items()))
        _say_health(health)
    if len(validated.rejected):
        raise typer.Exit(1)


def _health(validated: Validated) -> Health:
    """Health of the accepted rows at the end of the day of their last fact, or now."""
    from data.settings import load_settings
    from features.health import health
    from features.history import History

    history = History.of(validated.tables, load_settings(state["workspace"]))
    now, last = read_clock(), history.last_fact
    at = now if last is None else min(now, last.floor("D") + pd.Timedelta(days=1))
    return health(history, at)


def _say_health(health: Health) -> None:
    out.print(f"\n{health.title()}", markup=False)
    for line in health.findings():
        out.print(f"- {line}", markup=False)
    if rows := health.gap_rows():
        heads: list[tuple[str, Any]] = [("missing", "left"), ("features off", "right")]
        out.print("")
        say_table(health.gaps_title(), [*heads, ("families", "left")], rows)
    if partly := health.partly_rows():
        out.print("")
        say_table("partly filled", [("column", "left"), ("filled", "left")], partly)
    for line in health.notes():
        out.print(f"\n{line}", markup=False)


@app.command("import")
def import_command(
    source: Path,
    skip_rejected: Annotated[
        bool,
        typer.Option("--skip-rejected", help="import the good rows and leave the rejected out"),
    ] = False,
) -> None:
    """Merge SOURCE (a folder of the contract's tables) into the store; twice changes nothing."""
    import_source(source, skip_rejected=skip_rejected)


def import_source(source: Path, *, skip_rejected: bool = False) -> None:
    """Validate and merge a source into the store, and say what was done."""
    from data.rejections import Rejections, keep_rejections
    from data.store import Store

    validated = _validated(source)
    _say_problems(validated)
    refused = bool(len(validated.rejected)) and not skip_rejected
    told = Rejections.of(validated.rejected, str(source), read_clock(), imported=not refused)
    keep_rejections(state["workspace"], told)
    if refused:
        raise WorkFailedError(
            f"{len(validated.rejected):,} rows of {source} were rejected; the store stays as it "
            "was. Mend them, or import the others with --skip-rejected"
        )
    with progress("importing", 1, "seconds") as step:
        step("merging into the store")
        store = Store(state["workspace"] / "store")
        merged = store.merge(validated.tables, str(source), read_clock())
    rows = ", ".join(f"{len(f):,} {name}" for name, f in validated.tables.items() if len(f))
    out.print(f"imported {rows}; store version {merged}", markup=False)
