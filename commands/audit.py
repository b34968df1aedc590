"""The command that shows the audit."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from commands.common import Json, app, opened_records, print_json, say_table

MOST_LINES = 100_000


@app.command("audit")
def audit_command(
    last: Annotated[
        int, typer.Option(help="so many lines, the newest first", min=1, max=MOST_LINES)
    ] = 50,
    json_: Json = False,
) -> None:
    """Show who did what over the API, and which requests were denied."""
    from serving.records_audit import audit_lines

    found = audit_lines(opened_records(), last)
    if json_:
        print_json([asdict(line) for line in found])
        return
    rows = [
        (
            f"{line.at:%Y-%m-%d %H:%M:%S}",
            *map(printable, (line.by, line.action, line.target, line.detail)),
        )
        for line in found
    ]
    heads = ("at (UTC)", "by", "action", "target", "detail")
    say_table("audit, the newest line first", [(name, "left") for name in heads], rows)


def printable(text: str) -> str:
    r"""Escape what a terminal would obey: whoever asks chooses what a line holds.

    >>> printable("D1 \x1b[2J \u0e14\u0e35\u0e25")
    'D1 \\x1b[2J \u0e14\u0e35\u0e25'
    """
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)
