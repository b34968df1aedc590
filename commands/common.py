"""What all commands share: consoles, progress, options, the workspace's history and model."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import pandas as pd
import typer
import typer.core
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

if TYPE_CHECKING:
    from features.history import History
    from serving.records import Records
    from training.bundle import Bundle

FRESH_DAYS = 7
FIRST_YEAR = 1970
ORDER = (
    *("demo", "check", "import", "train", "tune", "backtest", "promote", "rollback", "card"),
    *("score", "rank", "forecast", "changes", "judgement"),
    *("features", "settings", "keys", "serve", "audit"),
)
"""Commands in the order in which a newcomer meets them."""


class InOrder(typer.core.TyperGroup):
    """Lists the commands in ORDER."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Names as `--help` shows them."""
        found = super().list_commands(ctx)
        return sorted(found, key=lambda name: ORDER.index(name) if name in ORDER else len(ORDER))


app = typer.Typer(
    cls=InOrder,
    help="Which deals should I work today, and what will we close this quarter?",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
WIDTH = None if sys.stdout.isatty() else 160
out = Console(soft_wrap=True, highlight=False, width=WIDTH)
err = Console(stderr=True, soft_wrap=True, highlight=False)
state: dict[str, Path] = {"workspace": Path("workspace")}


def bad_arguments(message: str) -> NoReturn:
    """Refuse arguments: the message, and exit code 2."""
    err.print(f"error: {message}", markup=False)
    raise typer.Exit(2)


def read_clock() -> pd.Timestamp:
    """Read the clock, UTC."""
    return pd.Timestamp.now("UTC").floor("s")


def parse_as_of(text: str) -> pd.Timestamp | None:
    """Instant that was asked, UTC; None where none was."""
    if not text:
        return None
    try:
        at = pd.Timestamp(text)
    except ValueError:
        bad_arguments(f"--as-of {text!r} is no date; write 2026-03-31 or 2026-03-31T09:00+07:00")
    if pd.isna(at) or at.year < FIRST_YEAR:
        bad_arguments(
            f"--as-of {text!r} is no date from {FIRST_YEAR} on; write for example 2026-03-31"
        )
    at = at.tz_localize("UTC") if at.tzinfo is None else at.tz_convert("UTC")
    if at > read_clock():
        bad_arguments(f"--as-of {text} lies in the future; the latest is now")
    return at


def dated(text: str) -> str:
    """Refuse what is no date, or none of the past, before the work begins."""
    parse_as_of(text)
    return text


def writable(path: Path | None) -> Path | None:
    """Refuse a file of another kind before the work begins."""
    if path is not None and path.suffix not in {".csv", ".parquet"}:
        bad_arguments(f"--out {path}: the ending must be .csv or .parquet")
    return path


AsOf = Annotated[
    str,
    typer.Option(
        "--as-of", help="date or instant, e.g. 2026-03-31 [default: now]", callback=dated
    ),
]
OutFile = Annotated[
    Path | None, typer.Option("--out", help="file.csv or file.parquet", callback=writable)
]
Json = Annotated[bool, typer.Option("--json", help="print JSON for programs")]


class WorkFailedError(Exception):
    """The work failed; the message is all that the user needs."""


@contextmanager
def progress(title: str, steps: int, usual: str) -> Iterator[Callable[[str], None]]:
    """Progress bar of named steps; calling it ends the step before and starts the next."""
    with Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("step {task.completed}/{task.total}"),
        TimeElapsedColumn(),
        TextColumn(f"(usually {usual})"),
        console=err,
        transient=not err.is_terminal,
    ) as bar:
        task = bar.add_task(title, total=steps)

        def step(name: str) -> None:
            bar.update(task, advance=1, description=f"{title}: {name}")

        yield step
        bar.update(task, completed=steps, description=f"{title}: done")


def micros(at: pd.Timestamp) -> int:
    """Microseconds since 1970 UTC."""
    return int(at.as_unit("us").asm8.astype("int64"))


def read_history() -> tuple[History, str]:
    """History of the store, indexed, and the version of the data."""
    from data.settings import load_settings
    from data.store import Store
    from features.history import History

    store = Store(state["workspace"] / "store")
    return History.of(store.read(), load_settings(state["workspace"])), store.version()


def read_statements() -> pd.DataFrame | None:
    """Commits that people made in the service, all that were ever said; None without records."""
    from data.settings import load_settings
    from serving.records import FILE, open_records
    from serving.records_feedback import commits_said

    url = load_settings(state["workspace"]).database_url.get_secret_value()
    if not url and not (state["workspace"] / FILE).exists():
        return None
    records = open_records(state["workspace"], url)
    try:
        rows = [vars(each) for each in commits_said(records)]
    finally:
        records.close()
    return pd.DataFrame(rows) if rows else None


def chosen_as_of(text: str, history: History) -> int:
    """Choose the instant asked, or now; the end of the data where they are old (and say so)."""
    asked = parse_as_of(text)
    if asked is not None:
        return micros(asked)
    now, last = read_clock(), history.last_fact
    if last is not None and now - last > pd.Timedelta(days=FRESH_DAYS):
        end = last.floor("D") + pd.Timedelta(days=1)
        err.print(
            f"the store's last fact is of {last:%Y-%m-%d}: answering as of {end:%Y-%m-%d} "
            "(give --as-of for another time)",
            markup=False,
        )
        return micros(end)
    return micros(now)


def bundle_for(as_of: int) -> Bundle:
    """Model that had learned nothing from after `as_of`, if there is one; else the champion."""
    from training.tracking import Tracker

    bundle = Tracker(state["workspace"]).bundle_for(as_of)
    if bundle is None:
        raise WorkFailedError(f"no model in {state['workspace']} yet; run `dealcast train` first")
    if bundle.cut > as_of:
        cut = pd.Timestamp(bundle.cut, unit="us", tz="UTC")
        err.print(
            f"note: the model has learned from facts up to {cut:%Y-%m-%d}, after the as-of asked: "
            "no fair test of it (train --as-of that date for one)",
            markup=False,
        )
    return bundle


def print_json(content: Any) -> None:
    """Print for programs."""
    out.print_json(json.dumps(content, ensure_ascii=False, default=str))


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as plain JSON types."""
    from serving.answers import records

    return records(frame)


def write_frame(frame: pd.DataFrame, path: Path) -> None:
    """Write Parquet or CSV by the ending, whole or not at all."""
    from data.whole import whole

    with whole(path) as partial:
        if path.suffix == ".csv":
            frame.to_csv(partial, index=False)
        else:
            frame.to_parquet(partial, index=False)
    err.print(f"{len(frame):,} rows written to {path}", markup=False)


def say_table(title: str, heads: list[tuple[str, Any]], rows: list[tuple[Any, ...]]) -> None:
    """Print rows under heads of (name, justify)."""
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for name, justify in heads:
        table.add_column(name, justify=justify)
    for row in rows:
        table.add_row(*(f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row))
    out.print(table, markup=False)


def say_gaps(bundle: Bundle) -> None:
    """Say what this history cannot answer."""
    card = bundle.card
    if not card["won_with_amount"]:
        out.print(
            "note: the history holds no amount of a won deal: revenue cannot be answered; deals "
            "are ranked by probability and the forecast counts wins",
            markup=False,
        )
    if not card["lost_deals"]:
        out.print(
            "note: no deal was ever marked lost: p_lost is near 0 and p_won says how many of such "
            "deals are won in the end, open ones included",
            markup=False,
        )


def opened_records() -> Records:
    """Open what is written while serving: feedback, commits, keys and the audit."""
    from data.settings import load_settings
    from serving.records import open_records

    url = load_settings(state["workspace"]).database_url.get_secret_value()
    return open_records(state["workspace"], url)
