"""The settings of a workspace: one register with help text; from a file and the environment.

`data.register` shows it: to people, to programs, and as docs/settings.md.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import available_timezones

from pydantic import AfterValidator, Field, PositiveFloat, SecretStr, ValidationError
from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict, SettingsError

FILE = "dealcast.toml"
PREFIX = "DEALCAST_"
FIXED_TABLES = ("deals", "accounts")
NO_SETTINGS = ("DEALCAST_WORKSPACE", "DEALCAST_WORKERS", "DEALCAST_COUNTS", "DEALCAST_TEST_")
"""Beginnings of names in the environment that are ours and no settings."""
SHORTEST_SECRET = 32


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


@cache
def _zones() -> frozenset[str]:
    """Names of all time zones: a walk through hundreds of files, and settings are read often."""
    return frozenset(available_timezones())


def _zone(name: str) -> str:
    if name not in _zones():
        raise ValueError(f'{name!r} is no time zone; write for example "Europe/Athens" or "UTC"')
    return name


def _secret(value: SecretStr) -> SecretStr:
    if 0 < len(value.get_secret_value()) < SHORTEST_SECRET:
        raise ValueError(f"a secret has at least {SHORTEST_SECRET} characters; make a random one")
    return value


class Settings(BaseSettings):
    """What nobody else can tell; `DEALCAST_<FIELD>` in the environment wins over the file.

    The first are of the firm, the others of the service; those are read when it starts.
    """

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
    forecast_category: str = Field(
        default="forecast_category",
        description="custom property of deal_history in which reps judge a deal; shown and scored "
        "beside the model, never overwritten",
    )
    commit_words: list[str] = Field(
        default=["commit"],
        description="values of that property by which a rep commits to the expected close date, "
        "in any case, with spaces or underscores",
    )
    best_case_words: list[str] = Field(
        default=["best_case", "upside"],
        description="values of that property for what may come if all goes well",
    )
    tracking_uri: str = Field(
        default="",
        description="address of an MLflow server for runs and models, for example "
        "http://127.0.0.1:5000; empty: MLFLOW_TRACKING_URI, else files of the workspace",
    )
    champion_days: float = Field(
        default=7,
        ge=0,
        description="days of facts that a champion may lack before a newly trained model that is "
        "no worse takes its place; one that is better by the paired test does at once",
    )
    database_url: SecretStr = Field(
        default=SecretStr(""),
        description="database of feedback, commits, keys and audit, for example "
        "postgresql://USER:PASSWORD@HOST:5432/NAME; empty: an sqlite file of the workspace",
    )
    access: Literal["off", "keys"] = Field(
        default="off",
        description="who may ask: off (everybody; on a loopback address alone), or the holders "
        "of keys made by `dealcast keys create`",
    )
    session_secret: Annotated[SecretStr, AfterValidator(_secret)] = Field(
        default=SecretStr(""),
        description="signs the cookies of those signed in; empty: a random one kept in the "
        "workspace. Several machines that serve one firm need the same",
    )
    session_hours: float = Field(
        default=12, gt=0, le=720, description="hours after which one must sign in again"
    )
    https: bool = Field(
        default=False,
        description="whether browsers reach the service by https (a reverse proxy's): cookies "
        "are then never sent without it",
    )
    rate_per_minute: int = Field(
        default=600, ge=1, description="requests that a key may make a minute, on average"
    )
    rate_burst: int = Field(
        default=100, ge=1, description="requests that a key may make at once after a pause"
    )
    body_limit_mb: float = Field(
        default=10, gt=0, le=1_000, description="largest body of a request, in millions of bytes"
    )
    time_limit_seconds: float = Field(
        default=30, gt=0, le=3_600, description="seconds after which a request is given up"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="least serious lines that the service logs"
    )


def load_settings(workspace: Path) -> Settings:
    """Read `<workspace>/dealcast.toml`, if there is one, and the environment.

    Raises
    ------
    SettingsFileError
        For a file that is not TOML, an unknown key or a value that is not allowed.
    """
    path = workspace / FILE
    try:
        return Settings(**(from_file(path) | from_environment()))
    except ValidationError as error:
        raise SettingsFileError(_explain(path, error)) from error


def from_file(path: Path) -> dict[str, Any]:
    """Values of a file; none where there is no file."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsFileError(f"{path} is not a TOML file in UTF-8: {error}") from error


def from_environment() -> dict[str, Any]:
    """Values of the environment; names that begin like a setting and are none come along."""
    try:
        values = EnvSettingsSource(Settings)()
    except SettingsError as error:
        raise SettingsFileError(f"environment ({PREFIX}*): {error}; write JSON") from error
    for name, value in os.environ.items():
        key = name.removeprefix(PREFIX).lower()
        if name.startswith(PREFIX) and not name.startswith(NO_SETTINGS):
            values.setdefault(key, value)
    return values


def _explain(path: Path, error: ValidationError) -> str:
    lines = [f"Settings of {path} and the environment ({PREFIX}*) cannot be used:"]
    for problem in error.errors():
        key, told = (
            ".".join(map(str, problem["loc"])),
            problem["msg"].removeprefix("Value error, "),
        )
        if problem["type"] == "extra_forbidden":
            lines.append(f"- unknown key {key!r}; {_instead(key)}")
        elif _is_secret(str(problem["loc"][0])):
            lines.append(f"- {key}: {told}")
        else:
            lines.append(f"- {key}: got {problem['input']!r}; {told}")
    return "\n".join(lines)


def _instead(key: str) -> str:
    allowed = ", ".join(Settings.model_fields)
    close = difflib.get_close_matches(key.lower(), Settings.model_fields, n=1)
    return (
        f"did you mean {close[0]!r}? allowed are {allowed}" if close else f"allowed are {allowed}"
    )


def _is_secret(name: str) -> bool:
    return isinstance(Settings.model_fields[name].default, SecretStr)
