"""The register of settings as it is shown: to people, to programs, and in docs/settings.md."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import SecretStr

from data.settings import FILE, PREFIX, Settings, from_environment, from_file, load_settings

HIDDEN = "(set, not shown)"
KINDS = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "object": "table of numbers",
    "array": "list of texts",
}


@dataclass(frozen=True)
class Setting:
    """A setting of a workspace.

    Attributes
    ----------
    environment : the variable that sets it
    kind : what is allowed, in words
    value : what holds; of a secret only whether there is one
    origin : where the value comes from
    """

    name: str
    environment: str
    kind: str
    default: Any
    help: str
    value: Any
    origin: Literal["default", "file", "environment"]


def settings_of(workspace: Path) -> list[Setting]:
    """Give every setting with its value, in the order of the register.

    Raises
    ------
    SettingsFileError
        Where the file or the environment cannot be used.
    """
    settings = load_settings(workspace)
    return _rows(settings, from_file(workspace / FILE), from_environment())


def settings_markdown() -> str:
    """Write docs/settings.md."""
    lines = [
        "# Settings",
        "",
        f"Written by `dealcast settings --markdown`. Each may stand in `{FILE}` of the workspace,",
        "or in the environment, which wins. `dealcast settings` prints the values that hold and",
        "where they come from. A key that is none of these is refused.",
        "",
        "| setting | environment | allowed | default | meaning |",
        "|---|---|---|---|---|",
    ]
    for row in _rows(Settings.model_construct(), {}, {}):
        cells = (f"`{row.name}`", f"`{row.environment}`", row.kind, _told(row.default), row.help)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join([*lines, ""])


def _told(value: Any) -> str:
    return "(empty)" if value in ("", [], {}) else f"`{json.dumps(value)}`"


def _rows(settings: Settings, file: dict[str, Any], environment: dict[str, Any]) -> list[Setting]:
    kinds = Settings.model_json_schema()["properties"]
    return [
        Setting(
            name=name,
            environment=PREFIX + name.upper(),
            kind=_kind(kinds[name]),
            default=_shown(field.get_default(call_default_factory=True)),
            help=field.description or "",
            value=_shown(getattr(settings, name)),
            origin=(
                "environment" if name in environment else "file" if name in file else "default"
            ),
        )
        for name, field in Settings.model_fields.items()
    ]


def _shown(value: Any) -> Any:
    if isinstance(value, SecretStr):
        return HIDDEN if value.get_secret_value() else ""
    return value


def _kind(schema: dict[str, Any]) -> str:
    """Say in words what a JSON schema allows."""
    if "enum" in schema:
        return " or ".join(schema["enum"])
    words = {
        "minimum": "at least {}",
        "exclusiveMinimum": "above {}",
        "maximum": "at most {}",
    }
    limits = [told.format(schema[key]) for key, told in words.items() if key in schema]
    secret = ["secret"] if schema.get("format") == "password" else []
    return ", ".join([KINDS[schema["type"]], *secret, *limits])
