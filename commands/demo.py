"""The command that shows everything on a demo CRM."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from commands.common import (
    app,
    bundle_for,
    chosen_as_of,
    out,
    progress,
    read_clock,
    read_history,
    state,
)
from commands.forecasts import outlook_of, say_outlook
from commands.lists import say_rank
from commands.models import train_now
from commands.service import serve_until_stopped
from commands.store import import_source


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
    import_source(source)
    train_now("")
    history, _ = read_history()
    at = chosen_as_of("", history)
    bundle = bundle_for(at)
    owner = score(bundle, history, at).frame.groupby("owner_id")["priority"].sum().idxmax()
    out.print(f"\nThe ten deals that {owner} should work today", markup=False)
    say_rank(history, bundle, at, str(owner), "", 10, json_=False)
    out.print("")
    say_outlook(outlook_of(history, bundle, at, "month", 3, ()), history)
    out.print(f"\nfrom nothing to here in {time.monotonic() - started:.0f} s", markup=False)
    if no_serve:
        return
    out.print(f"serving on http://127.0.0.1:{port} (Ctrl-C stops)", markup=False)
    serve_until_stopped("127.0.0.1", port)


def _make_demo(source: Path, deals: int, seed: int) -> None:
    from data.demo import World, simulate, write

    with progress("demo CRM", 2, "ten seconds") as step:
        step(f"living through three years of {deals:,} deals")
        world = World.demo(seed=seed)
        end = read_clock().normalize()
        simulated = simulate(world, deals=deals, years=3, end=end, seed=seed)
        step("writing its export")
        write(simulated, source)
