"""The settings of a workspace: one register with help text; from a file and the environment."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import available_timezones

from pydantic import AfterValidator, Field, PositiveFloat, ValidationError
from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict, SettingsError

FILE = "dealcast.toml"
PREFIX = "DEALCAST_"
FIXED_TABLES = ("deals", "accounts")


class SettingsFileError(ValueError):
    """The settings cannot be used; the message names each problem and what is allowed."""


def _column(name: str) -> str:
    table, _, column = name.partition(".")
    if table not in FIXED_TABLES or not column:
        raise ValueError(
            f"{name!r} is not TABLE.COLUMN with TABLE one of {', '.join(FIXED_TABLES)}; "
            'write for example "deals.product"'
        )
    return name


def _zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError(f'{name!r} is no time zone; write for example "Europe/Athens" or "UTC"')
    return name


class Settings(BaseSettings):
    """What the history cannot tell; `DEALCAST_<FIELD>` in the environment wins over the file."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, extra="forbid", frozen=True, allow_inf_nan=False
    )

    fiscal_year_start_month: int = Field(
        default=1, ge=1, le=12, description="month (1-12) in which the fiscal year starts"
    )
    currency: str = Field(
        default="", description="the firm's currency; empty: the most frequent of the history"
    )
    rates: dict[str, PositiveFloat] = Field(
        default_factory=dict,
        description="value of one unit of each other currency in the firm's currency",
    )
    fixed_at_creation: list[Annotated[str, AfterValidator(_column)]] = Field(
        default_factory=list,
        description="custom columns that never change after creation, so that a model may use "
        'them, for example ["deals.product", "accounts.tier"]',
    )
    timezone: Annotated[str, AfterValidator(_zone)] = Field(
        default="UTC", description="time zone of the firm: where its days begin"
    )


def load_settings(workspace: Path) -> Settings:
    """Read `<workspace>/dealcast.toml`, if there is one, and the environment.

    Raises
    ------
    SettingsFileError
        For a file that is not TOML, an unknown key or a value that is not allowed.
    """
    path = workspace / FILE
    values = _from_file(path)
    try:
        return Settings(**(values | EnvSettingsSource(Settings)()))
    except ValidationError as error:
        raise SettingsFileError(_explain(path, error)) from error
    except SettingsError as error:
        raise SettingsFileError(f"environment ({PREFIX}*): {error}; write JSON") from error


def _from_file(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsFileError(f"{path} is not a TOML file in UTF-8: {error}") from error


def _explain(path: Path, error: ValidationError) -> str:
    allowed = ", ".join(Settings.model_fields)
    lines = [f"Settings of {path} and the environment ({PREFIX}*) cannot be used:"]
    for problem in error.errors():
        key = ".".join(map(str, problem["loc"]))
        if problem["type"] == "extra_forbidden":
            lines.append(f"- unknown key {key!r}; allowed are {allowed}")
        else:
            lines.append(f"- {key}: got {problem['input']!r}; {problem['msg']}")
    return "\n".join(lines)
