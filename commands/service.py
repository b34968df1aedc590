"""The command that serves the API and the page."""

from __future__ import annotations

from typing import Annotated

import typer

from commands.common import WorkFailedError, app, state


@app.command("serve")
def serve_command(
    host: Annotated[str, typer.Option(help="address to listen on")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65_535)] = 3000,
    workers: Annotated[int, typer.Option(min=1, max=64, help="processes that answer")] = 1,
) -> None:
    """Serve the API and the page (BentoML) until Ctrl-C."""
    serve_until_stopped(host, port, workers)


def serve_until_stopped(host: str, port: int, workers: int = 1) -> None:
    """Serve in the foreground; Ctrl-C stops."""
    from serving.service import ServeError, serve

    try:
        serve(state["workspace"], host, port, workers)
    except ServeError as error:
        raise WorkFailedError(str(error)) from error
