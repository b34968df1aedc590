"""The command that shows the settings."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from commands.common import Json, app, out, print_json, say_table, state


@app.command("settings")
def settings_command(
    json_: Json = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="print docs/settings.md")] = False,
) -> None:
    """Print every setting: its value, where that comes from, and what it means."""
    from data.register import settings_markdown, settings_of

    if markdown:
        out.print(settings_markdown(), markup=False, end="")
        return
    found = settings_of(state["workspace"])
    if json_:
        print_json([asdict(each) for each in found])
        return
    rows = [(s.name, json.dumps(s.value, ensure_ascii=False), s.origin, s.help) for s in found]
    heads = [(name, "left") for name in ("setting", "value", "from", "meaning")]
    say_table(f"settings of {state['workspace']}", list(heads), rows)
