"""Servers as processes: started, waited for, their processor time and memory, stopped."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from experiments.load import request_bytes, run_load

ROOT = Path(__file__).resolve().parents[1]
PATIENCE = 180.0
TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


def free_port() -> int:
    """Give a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def server(command: Sequence[str], port: int, ready: str, log: Path) -> Iterator[int]:
    """Run a server until the block ends; gives its process id once `ready` answers."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "PATH": path}
    with (
        log.open("w") as stream,
        subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as process,
    ):
        try:
            wait_until_ready(port, ready, process, log)
            yield process.pid
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)


def dealcast(workspace: Path, *arguments: str) -> list[str]:
    """Give the command line of a workspace."""
    return [sys.executable, "-m", "dealcast", "--workspace", str(workspace), *arguments]


def wait_until_ready(
    port: int, path: str, process: subprocess.Popen[bytes] | None, log: Path
) -> None:
    """Wait until an address answers 200."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and (process is None or process.poll() is None):
        try:
            if not run_load(port, [request_bytes(path, method="GET")], 1, 1.0, most=1).failed:
                return
        except ConnectionError:
            pass
        time.sleep(0.2)
    raise RuntimeError(f"port {port} does not answer {path}: {log.read_text()[-2000:]}")


def family(pid: int) -> list[int]:
    """Give a process and all that descend from it."""
    parents = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            told = entry.read_text()
        except OSError:
            continue  # it ended meanwhile
        parents[int(entry.parent.name)] = int(told[told.rindex(")") + 2 :].split()[1])
    found = [pid]
    for known in found:
        found += [child for child, parent in parents.items() if parent == known]
    return found


def processor_seconds(pid: int) -> float:
    """Processor time of a process and all that descend from it."""
    total = 0
    for each in family(pid):
        told = (Path("/proc") / str(each) / "stat").read_text()
        fields = told[told.rindex(")") + 2 :].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


def memory_mb(pid: int) -> float:
    """Resident memory of a process and all that descend from it, MB."""
    pages = 0
    for each in family(pid):
        pages += int((Path("/proc") / str(each) / "statm").read_text().split()[1])
    return pages * PAGE / 1e6
