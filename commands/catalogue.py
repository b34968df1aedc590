"""The command that shows and audits the features."""

from __future__ import annotations

from typing import Annotated

import typer

from commands.common import (
    Json,
    WorkFailedError,
    app,
    bad_arguments,
    micros,
    out,
    print_json,
    progress,
    read_history,
    say_table,
)


@app.command("features")
def features_command(
    action: Annotated[
        str, typer.Argument(help="nothing, or `audit`: prove that no feature sees the future")
    ] = "",
    json_: Json = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="print docs/features.md")] = False,
) -> None:
    """Print the catalogue: every feature with family, unit and meaning."""
    from features.dictionary import catalogue_markdown, catalogue_rows

    if action not in {"", "audit"}:
        bad_arguments(f"features {action!r}: allowed is audit")
    if action == "audit":
        _audit()
    elif markdown:
        out.print(catalogue_markdown(), markup=False, end="")
    elif json_:
        print_json(catalogue_rows())
    else:
        rows = [(r["family"], r["name"], r["unit"], r["meaning"]) for r in catalogue_rows()]
        heads = [(name, "left") for name in ("family", "feature", "unit", "meaning")]
        say_table(f"{len(rows)} features", heads, rows)


def _audit() -> None:
    """Audit the features on the store at three instants spread over its history."""
    from features.audit import audit

    history, _ = read_history()
    if history.last_fact is None:
        raise WorkFailedError("the store holds no deal; run `dealcast import SOURCE` first")
    first, last = int(history.created.min()), micros(history.last_fact)
    instants = [int(first + (last - first) * share) for share in (0.4, 0.6, 0.8)]
    with progress("auditing", 1, "a minute") as step:
        step("deleting, altering and adding facts of later")
        report = audit(history.tables, history.settings, instants)
    for line in report.lines():
        out.print(line, markup=False)
    if not report.passed:
        raise typer.Exit(1)
