"""The command line: the only file that prints, reads the clock or wires the layers together."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

# Offline and quiet: no dependency reports home.
for _name in ("MLFLOW_DISABLE_TELEMETRY", "BENTOML_DO_NOT_TRACK", "DO_NOT_TRACK"):
    os.environ.setdefault(_name, "true")

import pandas as pd
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

if TYPE_CHECKING:
    from data.validation import Validated
    from features.health import Health
    from features.history import History
    from training.bundle import Bundle
    from training.champion import Decision
    from training.outlook import Outlook
    from training.tracking import Tracker

FRESH_DAYS = 7
FIRST_YEAR = 1970
app = typer.Typer(
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

Json = Annotated[bool, typer.Option("--json", help="print JSON for programs")]


def _bad(message: str) -> NoReturn:
    err.print(f"error: {message}", markup=False)
    raise typer.Exit(2)


def _now() -> pd.Timestamp:
    return pd.Timestamp.now("UTC").floor("s")


def _parse_as_of(text: str) -> pd.Timestamp | None:
    if not text:
        return None
    try:
        at = pd.Timestamp(text)
    except ValueError:
        _bad(f"--as-of {text!r} is no date; write 2026-03-31 or 2026-03-31T09:00+07:00")
    if pd.isna(at) or at.year < FIRST_YEAR:
        _bad(f"--as-of {text!r} is no date from {FIRST_YEAR} on; write for example 2026-03-31")
    at = at.tz_localize("UTC") if at.tzinfo is None else at.tz_convert("UTC")
    if at > _now():
        _bad(f"--as-of {text} lies in the future; the latest is now")
    return at


def _dated(text: str) -> str:
    """Refuse what is no date, or none of the past, before the work begins."""
    _parse_as_of(text)
    return text


def _writable(path: Path | None) -> Path | None:
    """Refuse a file of another kind before the work begins."""
    if path is not None and path.suffix not in {".csv", ".parquet"}:
        _bad(f"--out {path}: the ending must be .csv or .parquet")
    return path


AsOf = Annotated[
    str,
    typer.Option(
        "--as-of", help="date or instant, e.g. 2026-03-31 [default: now]", callback=_dated
    ),
]
OutFile = Annotated[
    Path | None, typer.Option("--out", help="file.csv or file.parquet", callback=_writable)
]


class WorkFailedError(Exception):
    """The work failed; the message is all that the user needs."""


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
    from training.bundle import BundleError
    from training.train import TrainingError

    return (
        WorkFailedError,
        SourceError,
        StoreError,
        SettingsFileError,
        BundleError,
        TrainingError,
        OSError,
    )


@contextmanager
def _progress(title: str, steps: int, usual: str) -> Iterator[Callable[[str], None]]:
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


def _micros(at: pd.Timestamp) -> int:
    return int(at.as_unit("us").asm8.astype("int64"))


def _history() -> tuple[History, str]:
    from data.settings import load_settings
    from data.store import Store
    from features.history import History

    store = Store(state["workspace"] / "store")
    return History.of(store.read(), load_settings(state["workspace"])), store.version()


def _as_of(text: str, history: History) -> int:
    """Choose the instant asked, or now; the end of the data where they are old (and say so)."""
    asked = _parse_as_of(text)
    if asked is not None:
        return _micros(asked)
    now, last = _now(), history.last_fact
    if last is not None and now - last > pd.Timedelta(days=FRESH_DAYS):
        end = last.floor("D") + pd.Timedelta(days=1)
        err.print(
            f"the store's last fact is of {last:%Y-%m-%d}: answering as of {end:%Y-%m-%d} "
            "(give --as-of for another time)",
            markup=False,
        )
        return _micros(end)
    return _micros(now)


def _bundle(as_of: int) -> Bundle:
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


def _print_json(content: Any) -> None:
    out.print_json(json.dumps(content, ensure_ascii=False, default=str))


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    from serving.answers import records

    return records(frame)


def _write(frame: pd.DataFrame, path: Path) -> None:
    """Write Parquet or CSV by the ending, whole or not at all."""
    partial = path.with_name(path.name + ".partial")
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".csv":
        frame.to_csv(partial, index=False)
    else:
        frame.to_parquet(partial, index=False)
    partial.replace(path)
    err.print(f"{len(frame):,} rows written to {path}", markup=False)


def _validated(source: Path) -> Validated:
    from data.sources import read_source
    from data.store import Store
    from data.validation import validate

    store = Store(state["workspace"] / "store")
    known = store.read() if store.exists() else None
    with _progress(f"reading {source}", 2, "seconds; a minute for millions of rows") as step:
        step("reading files")
        raw = read_source(source)
        step("checking every row")
        return validate(raw, _now(), known)


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
        _print_json(
            {
                "accepted": rows,
                "rejected": _records(validated.rejected),
                "warnings": _records(pd.DataFrame(validated.warnings)),
                "health": health.to_json(),
            }
        )
    else:
        _say_problems(validated)
        _table("accepted rows", [("table", "left"), ("rows", "right")], list(rows.items()))
        _say_health(health)
    if len(validated.rejected):
        raise typer.Exit(1)


def _health(validated: Validated) -> Health:
    """Health of the accepted rows at the end of the day of their last fact, or now."""
    from data.settings import load_settings
    from features.health import health
    from features.history import History

    history = History.of(validated.tables, load_settings(state["workspace"]))
    now, last = _now(), history.last_fact
    at = now if last is None else min(now, last.floor("D") + pd.Timedelta(days=1))
    return health(history, at)


def _say_health(health: Health) -> None:
    out.print(f"\n{health.title()}", markup=False)
    for line in health.findings():
        out.print(f"- {line}", markup=False)
    if rows := health.gap_rows():
        heads: list[tuple[str, Any]] = [("missing", "left"), ("features off", "right")]
        out.print("")
        _table(health.gaps_title(), [*heads, ("families", "left")], rows)
    if partly := health.partly_rows():
        out.print("")
        _table("partly filled", [("column", "left"), ("filled", "left")], partly)
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
    _import(source, skip_rejected=skip_rejected)


def _import(source: Path, *, skip_rejected: bool = False) -> None:
    from data.store import Store

    validated = _validated(source)
    _say_problems(validated)
    if len(validated.rejected) and not skip_rejected:
        raise WorkFailedError(
            f"{len(validated.rejected):,} rows of {source} were rejected; the store stays as it "
            "was. Mend them, or import the others with --skip-rejected"
        )
    with _progress("importing", 1, "seconds") as step:
        step("merging into the store")
        store = Store(state["workspace"] / "store")
        merged = store.merge(validated.tables, str(source), _now())
    rows = ", ".join(f"{len(f):,} {name}" for name, f in validated.tables.items() if len(f))
    out.print(f"imported {rows}; store version {merged}", markup=False)


@app.command("train")
def train_command(as_of: AsOf = "", json_: Json = False) -> None:
    """Fit and validate a bundle on what was known then; the champion moves only if it wins."""
    card = _train(as_of)
    if json_:
        _print_json(card)


def _train(as_of: str) -> dict[str, Any]:
    from training.report import log_training
    from training.tracking import Tracker
    from training.train import STEPS, train

    history, data_version = _history()
    at = _as_of(as_of, history)
    started = time.monotonic()
    with _progress("training", STEPS, "under a minute for 6,000 deals") as step:
        trained = train(history, at, step)
        step("logging to MLflow")
        tracker = Tracker(state["workspace"])
        bundle = log_training(tracker, trained, data_version)
        decision = _decision(tracker, bundle)
        if decision.promote:
            tracker.promote(bundle.version)
    _say_trained(bundle, decision.promote, decision.reason, time.monotonic() - started)
    return {**bundle.card, "version": bundle.version, "champion": decision.promote}


def _decision(tracker: Tracker, bundle: Bundle) -> Decision:
    """Compare with the champion; one that this version cannot read any more gives way."""
    from training.bundle import BundleError
    from training.champion import Decision, decide

    try:
        return decide(tracker.champion(), bundle)
    except BundleError:
        return Decision(True, "the champion before it cannot be read any more")


def _say_trained(bundle: Bundle, promoted: bool, reason: str, seconds: float) -> None:
    out.print(
        f"version {bundle.version}, tier {bundle.tier}, trained in {seconds:.0f} s: "
        f"{bundle.card['reason']}",
        markup=False,
    )
    validation = bundle.card["validation"]
    if validation:
        rows = [
            (
                f"{h} days",
                f"{f['deals']:,.0f}",
                f"{f['log_loss']:.4f}",
                f"{f['table_log_loss']:.4f}",
                f"{f['auc']:.3f}",
                f"{f['table_auc']:.3f}",
                f"{f['auc_won_lost']:.3f}",
                f"{f['observed_expected']:.2f}",
            )
            for h, f in validation["figures"].items()
        ]
        heads = (
            *("won within", "deals", "log-loss", "of the table", "AUC", "of the table"),
            *("AUC won v lost", "O/E"),
        )
        _table("out of time: model against stage x age table", [(h, "right") for h in heads], rows)
    for column, seen in bundle.card["distrusted"].items():
        out.print(
            f"note: {column} is filled in when deals close ({seen}): it would tell the outcome, "
            "so no model reads it",
            markup=False,
        )
    word = "champion" if promoted else "not champion"
    out.print(f"{word}: {reason}", markup=False)


@app.command("promote")
def promote_command(version: str) -> None:
    """Make a registered VERSION the champion by hand."""
    from training.tracking import Tracker

    tracker = Tracker(state["workspace"])
    bundle = tracker.load(version)
    tracker.promote(version)
    out.print(f"version {version} (tier {bundle.tier}) is now the champion", markup=False)


@app.command("score")
def score_command(
    as_of: AsOf = "",
    out_: OutFile = None,
    json_: Json = False,
) -> None:
    """Score every open deal: probabilities by date, revenue, close dates, reasons."""
    from training.reasons import reason_texts
    from training.scoring import score

    history, _ = _history()
    at = _as_of(as_of, history)
    bundle = _bundle(at)
    with _progress("scoring", 2, "seconds") as step:
        step("computing features and probabilities")
        scored = score(bundle, history, at)
        step("writing reasons")
        frame = scored.frame.assign(reasons=reason_texts(bundle, scored))
    if out_ is not None:
        _write(frame, out_)
    if json_:
        _print_json(_records(frame))
    else:
        _say_scores(bundle, frame, at)


def _say_scores(bundle: Bundle, frame: pd.DataFrame, at: int) -> None:
    day = pd.Timestamp(at, unit="us", tz="UTC")
    out.print(
        f"{len(frame):,} open deals as of {day:%Y-%m-%d %H:%M} UTC, model version "
        f"{bundle.version}, tier {bundle.tier}",
        markup=False,
    )
    if bundle.tier == "table":
        out.print(f"note: {bundle.card['reason']}", markup=False)
    _say_gaps(bundle)
    if not len(frame):
        return
    names = [f"p_won_{h}" for h in (30, 60, 90, 180)] + ["p_won_quarter", "p_won"]
    rows = [
        (
            name,
            f"{frame[name].mean():.3f}",
            f"{frame[name].sum():,.1f}",
            f"{frame[name].max():.3f}",
        )
        for name in names
    ]
    heads = ("probability", "mean", "expected wins", "highest")
    _table("scores", [(h, "right") for h in heads], rows)
    missing, stale = int(frame["amount_missing"].sum()), int(frame["stale"].sum())
    out.print(f"{missing:,} without amount and {stale:,} stale deals are included", markup=False)


def _say_gaps(bundle: Bundle) -> None:
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


@app.command("rank")
def rank_command(
    owner: Annotated[str, typer.Option(help="owner's id or name")] = "",
    team: Annotated[str, typer.Option(help="team's name")] = "",
    top: Annotated[int, typer.Option(min=1, max=100_000)] = 10,
    as_of: AsOf = "",
    json_: Json = False,
) -> None:
    """Print the daily list: the deals to work today, with reasons."""
    history, _ = _history()
    at = _as_of(as_of, history)
    _rank(history, _bundle(at), at, owner, team, top, json_=json_)


def _rank(
    history: History, bundle: Bundle, at: int, owner: str, team: str, top: int, *, json_: bool
) -> None:
    from serving.names import UnknownNameError
    from serving.ranking import rank
    from training.scoring import score

    scored = score(bundle, history, at)
    try:
        ranked = rank(bundle, scored, history, owner=owner or None, team=team or None, top=top)
    except UnknownNameError as error:
        raise WorkFailedError(str(error)) from error
    if json_:
        _print_json(_records(ranked))
        return
    if bundle.tier == "table":
        out.print(f"note: {bundle.card['reason']}", markup=False)
    _say_gaps(bundle)
    for row in ranked.to_dict("records"):
        _say_deal(row)


def _say_deal(row: Mapping[Any, Any]) -> None:
    amount = "no amount" if pd.isna(row["amount"]) else f"{row['amount']:,.0f}"
    revenue = row["expected_revenue_90"]
    expected = "" if pd.isna(revenue) else f", expects {revenue:,.0f} within 90 days"
    flags = f"  [{', '.join(row['flags'])}]" if row["flags"] else ""
    out.print(
        f"{row['rank']:>3}. {row['deal_id']}  {row['account']}  ({row['stage']}, {amount})",
        markup=False,
    )
    out.print(
        f"     wins within 90 days: {row['p_won_90']:.0%}{expected}; likely close "
        f"{row['close_date_p50']:%Y-%m-%d} ({row['close_date_p10']:%m-%d} to "
        f"{row['close_date_p90']:%Y-%m-%d}){flags}",
        markup=False,
    )
    for text in row["reasons_for"]:
        out.print(f"     + {text}", markup=False)
    for text in row["reasons_against"]:
        out.print(f"     - {text}", markup=False)


@app.command("forecast")
def forecast_command(
    as_of: AsOf = "",
    period: Annotated[str, typer.Option(help="month or quarter")] = "month",
    periods: Annotated[int, typer.Option(min=1, max=24)] = 3,
    by: Annotated[str, typer.Option(help="owner,team,pipeline,source; comma-separated")] = "",
    out_: OutFile = None,
    json_: Json = False,
) -> None:
    """Forecast what will close by period: booked, open and not yet created, with intervals."""
    from training.outlook import DIMENSIONS

    if period not in {"month", "quarter"}:
        _bad(f"--period {period!r}: allowed are month and quarter")
    dimensions = tuple(filter(None, (part.strip() for part in by.split(","))))
    if unknown := set(dimensions) - set(DIMENSIONS):
        _bad(f"--by {', '.join(sorted(unknown))}: allowed are {', '.join(DIMENSIONS)}")
    history, _ = _history()
    at = _as_of(as_of, history)
    outlook = _outlook(history, _bundle(at), at, period, periods, dimensions)
    if out_ is not None:
        _write(outlook.frame, out_)
    if json_:
        _print_json(_records(outlook.frame))
    else:
        _say_outlook(outlook)


def _outlook(
    history: History, bundle: Bundle, at: int, period: Any, periods: int, by: tuple[str, ...]
) -> Outlook:
    from training.outlook import make_outlook

    with _progress("forecasting", 1, "seconds") as step:
        step("simulating 10,000 paths")
        return make_outlook(bundle, history, at, period=period, periods=periods, by=by)


def _say_outlook(outlook: Outlook) -> None:
    unit = "revenue" if outlook.unit == "revenue" else "number of wins (no amounts in the history)"
    shown = ["booked", "open", "new", "mean", "p10", "p50", "p90"]
    digits = 0 if outlook.unit == "revenue" else 1
    rows = [
        (r["period"], r["scope"], r["scope_id"], *(f"{r[name]:,.{digits}f}" for name in shown))
        for r in outlook.frame.to_dict("records")
    ]
    heads: list[tuple[str, Any]] = [("period", "left"), ("scope", "left"), ("of", "left")]
    _table(f"forecast: {unit}", heads + [(name, "right") for name in shown], rows)
    out.print(
        f"{outlook.open_deals:,} open deals, all counted; {outlook.without_amount:,} of "
        f"them without amount and {outlook.stale:,} stale. 80 % of outcomes should fall between "
        "p10 and p90",
        markup=False,
    )


def _table(title: str, heads: list[tuple[str, Any]], rows: list[tuple[Any, ...]]) -> None:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for name, justify in heads:
        table.add_column(name, justify=justify)
    for row in rows:
        table.add_row(*(f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row))
    out.print(table, markup=False)


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
        _bad(f"features {action!r}: allowed is audit")
    if action == "audit":
        _audit()
    elif markdown:
        out.print(catalogue_markdown(), markup=False, end="")
    elif json_:
        _print_json(catalogue_rows())
    else:
        rows = [(r["family"], r["name"], r["unit"], r["meaning"]) for r in catalogue_rows()]
        heads = [(name, "left") for name in ("family", "feature", "unit", "meaning")]
        _table(f"{len(rows)} features", heads, rows)


def _audit() -> None:
    """Audit the features on the store at three instants spread over its history."""
    from features.audit import audit

    history, _ = _history()
    if history.last_fact is None:
        raise WorkFailedError("the store holds no deal; run `dealcast import SOURCE` first")
    first, last = int(history.created.min()), _micros(history.last_fact)
    instants = [int(first + (last - first) * share) for share in (0.4, 0.6, 0.8)]
    with _progress("auditing", 1, "a minute") as step:
        step("deleting, altering and adding facts of later")
        report = audit(history.tables, history.settings, instants)
    for line in report.lines():
        out.print(line, markup=False)
    if not report.passed:
        raise typer.Exit(1)


@app.command("serve")
def serve_command(
    host: Annotated[str, typer.Option(help="address to listen on")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65_535)] = 3000,
) -> None:
    """Serve the API and the page (BentoML) until Ctrl-C."""
    _serve(host, port)


def _serve(host: str, port: int) -> None:
    from serving.service import ServeError, serve

    try:
        serve(state["workspace"], host, port)
    except ServeError as error:
        raise WorkFailedError(str(error)) from error


@app.command("demo")
def demo_command(
    no_serve: Annotated[bool, typer.Option("--no-serve", help="stop before serving")] = False,
    deals: Annotated[int, typer.Option(min=200, max=400_000, help="deals to make")] = 6_000,
    seed: Annotated[int, typer.Option(help="another seed is another firm")] = 7,
    port: Annotated[int, typer.Option(min=1, max=65_535)] = 3000,
) -> None:
    """Make a demo CRM, import it, train, rank, forecast, then serve API and page."""
    from training.scoring import score

    started = time.monotonic()
    source = state["workspace"] / "demo-crm"
    _make_demo(source, deals, seed)
    _import(source)
    _train("")
    history, _ = _history()
    at = _as_of("", history)
    bundle = _bundle(at)
    owner = score(bundle, history, at).frame.groupby("owner_id")["priority"].sum().idxmax()
    out.print(f"\nThe ten deals that {owner} should work today", markup=False)
    _rank(history, bundle, at, str(owner), "", 10, json_=False)
    out.print("")
    _say_outlook(_outlook(history, bundle, at, "month", 3, ()))
    out.print(f"\nfrom nothing to here in {time.monotonic() - started:.0f} s", markup=False)
    if no_serve:
        return
    out.print(f"serving on http://127.0.0.1:{port} (Ctrl-C stops)", markup=False)
    _serve("127.0.0.1", port)


def _make_demo(source: Path, deals: int, seed: int) -> None:
    from data.demo import World, simulate, write

    with _progress("demo CRM", 2, "ten seconds") as step:
        step(f"living through three years of {deals:,} deals")
        world = World.demo(seed=seed)
        end = _now().normalize()
        simulated = simulate(world, deals=deals, years=3, end=end, seed=seed)
        step("writing its export")
        write(simulated, source)


if __name__ == "__main__":
    main()
