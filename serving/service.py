"""The BentoML service, the one door to BentoML: it serves the application and its engine.

BentoML imports this module in a process of its own; the environment tells it the workspace.
"""

from __future__ import annotations

import gc
import os
import socket
import threading
from pathlib import Path

import bentoml
import pandas as pd
from starlette.exceptions import HTTPException

from serving.app import make_app
from serving.engine import Engine, NotReadyError
from serving.metrics import metrics_text

WORKSPACE = "DEALCAST_WORKSPACE"
TIMEOUT_SECONDS = 60
COLLECT_AFTER = (50_000, 20, 100)
"""Thresholds of garbage collection: full collections of a large history would stall requests."""


class ServeError(RuntimeError):
    """The service cannot be started; the message says why and what to do."""


def _now() -> pd.Timestamp:
    """Read the clock: this process has no command line above it that could."""
    return pd.Timestamp.now("UTC").as_unit("us")


engine = Engine(Path(os.environ.get(WORKSPACE, "workspace")), _now)
application = make_app(engine)


@bentoml.service(
    name="dealcast",
    workers=1,
    traffic={"timeout": TIMEOUT_SECONDS},
    logging={"access": {"enabled": False}},
)
@bentoml.asgi_app(application, path="/")
class Dealcast:
    """Which deals to work today, and what will close: scores, reasons and forecast of a CRM."""

    def __init__(self) -> None:
        engine.refresh()
        gc.collect()
        gc.freeze()
        gc.set_threshold(*COLLECT_AFTER)
        self.stop = threading.Event()
        threading.Thread(target=engine.watch, args=(self.stop,), daemon=True).start()

    @bentoml.on_shutdown  # type: ignore[untyped-decorator]
    def shutdown(self) -> None:
        """Stop looking for new data and models."""
        self.stop.set()

    def __is_ready__(self) -> bool:
        """Tell whether anything can be answered; the reason why not goes into the 503."""
        try:
            engine.view()
        except NotReadyError as error:
            raise HTTPException(503, str(error)) from error
        return True

    def __metrics__(self, known: str) -> str:
        """Add the figures of what is served to those of BentoML."""
        return known + metrics_text(engine)


def serve(workspace: Path, host: str, port: int) -> None:
    """Serve in the foreground until interrupted.

    Raises
    ------
    ServeError
        Where the address cannot be listened on.
    """
    _check_address(host, port)
    os.environ[WORKSPACE] = str(workspace.resolve())
    os.environ.setdefault(
        "OMP_NUM_THREADS", "1"
    )  # requests run side by side, not each in many threads
    root = Path(__file__).parents[1]
    bentoml.serve(
        "serving.service:Dealcast", host=host, port=port, working_dir=str(root), blocking=True
    )


def _check_address(host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise ServeError(
                f"cannot listen on {host}:{port} ({error.strerror}): another program may use it; "
                "choose another --port or --host"
            ) from error
