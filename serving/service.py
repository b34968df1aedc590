"""The BentoML service, the one door to BentoML: it serves the application and its engine.

BentoML imports this module in a process of its own; the environment tells it the workspace.
"""

from __future__ import annotations

import gc
import ipaddress
import os
import socket
import sys
import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path

import bentoml
import pandas as pd
from starlette.types import ASGIApp

from data.settings import Settings, load_settings
from serving.access import Access
from serving.app import make_app
from serving.engine import Engine
from serving.front import Front
from serving.logs import log_to_stderr
from serving.metrics import MULTIPLE
from serving.records import open_records

WORKSPACE = "DEALCAST_WORKSPACE"
ROOT = Path(__file__).parents[1]
COUNTS = "_COUNTS_OF_DEALCAST"
"""Names the folder in which the workers of this service, and of no other, count together."""
TIMEOUT_SECONDS = 30
COLLECT_AFTER = (50_000, 20, 100)
"""Thresholds of garbage collection: full collections of a large history would stall requests."""
SWITCH_SECONDS = 0.0005
"""How long a thread that loads what is new may keep a request waiting for the interpreter."""

if COUNTS in os.environ:
    os.environ[MULTIPLE] = os.environ[COUNTS]


class ServeError(RuntimeError):
    """The service cannot be started; the message says why and what to do."""


def _now() -> pd.Timestamp:
    """Read the clock: this process has no command line above it that could."""
    return pd.Timestamp.now("UTC").as_unit("us")


@dataclass(frozen=True)
class Running:
    """What one worker runs."""

    engine: Engine
    application: ASGIApp
    stop: threading.Event = field(default_factory=threading.Event)

    @classmethod
    def of(cls, workspace: Path) -> Running:
        """Set up a workspace's engine, and the application that answers from it."""
        settings = load_settings(workspace)
        log_to_stderr(settings.log_level)
        engine = Engine(workspace, _now)
        records = open_records(workspace, settings.database_url.get_secret_value())
        access = Access.of(workspace, settings, records, _now)
        return cls(engine, make_app(engine, records, access))

    def start(self) -> None:
        """Load what is to be served, once, and go on looking for what is new."""
        if self.engine.refresh():
            self.engine.view().prepare_list()
        gc.collect()
        gc.freeze()
        gc.set_threshold(*COLLECT_AFTER)
        sys.setswitchinterval(SWITCH_SECONDS)
        threading.Thread(target=self.engine.watch, args=(self.stop,), daemon=True).start()


@bentoml.service(
    name="dealcast",
    workers=1,
    traffic={"timeout": TIMEOUT_SECONDS},
    logging={"access": {"enabled": False}},
    metrics={"enabled": False},
)
class Dealcast:
    """Which deals to work today, and what will close: scores, reasons and forecast of a CRM."""

    def __init__(self) -> None:
        self.running = Running.of(Path(os.environ.get(WORKSPACE, ROOT / "workspace")))
        self.running.start()
        Front.application = self.running.application

    @bentoml.on_shutdown  # type: ignore[untyped-decorator]
    def shutdown(self) -> None:
        """Stop looking for new data and models."""
        self.running.stop.set()


Dealcast.add_asgi_middleware(Front)  # type: ignore[attr-defined] # a Service by its decorator


def serve(workspace: Path, host: str, port: int, workers: int = 1) -> None:
    """Serve in the foreground until interrupted.

    Raises
    ------
    ServeError
        Where the address cannot be listened on, or others could reach a service without keys.
    """
    _check_access(load_settings(workspace), host)
    _check_address(host, port)
    os.environ[WORKSPACE] = str(workspace.resolve())
    Dealcast.config["workers"] = workers  # type: ignore[attr-defined]
    os.environ.setdefault(
        "OMP_NUM_THREADS", "1"
    )  # requests run side by side, not each in many threads
    with tempfile.TemporaryDirectory(prefix="dealcast-metrics-") as folder:
        os.environ[COUNTS] = folder
        bentoml.serve(
            "serving.service:Dealcast", host=host, port=port, working_dir=str(ROOT), blocking=True
        )


def _check_access(settings: Settings, host: str) -> None:
    """Refuse to be reached from other machines while everybody may see everything."""
    try:
        near = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError as error:
        raise ServeError(f"--host {host!r} is no address; write 127.0.0.1 or 0.0.0.0") from error
    if not near and settings.access == "off":
        raise ServeError(
            f'keys are off, and {host} can be reached from other machines: set access = "keys" '
            "in dealcast.toml and make keys by `dealcast keys create`, or serve on 127.0.0.1"
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
