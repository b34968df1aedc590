"""The service as BentoML really serves it, over a socket."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).parents[2]
START = "import sys; from pathlib import Path; from serving.service import serve; "
START += "serve(Path(sys.argv[1]), '127.0.0.1', int(sys.argv[2]), int(sys.argv[3]))"
PATIENCE = 120


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def served(
    workspace: Path, workers: int = 1
) -> Iterator[tuple[httpx.Client, subprocess.Popen[str]]]:
    """Serve a workspace in a process of its own until the block ends."""
    port = free_port()
    command = [sys.executable, "-c", START, str(workspace), str(port), str(workers)]
    with subprocess.Popen(
        command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
                wait_for(client, process)
                yield client, process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
                process.communicate(timeout=PATIENCE)


def wait_for(client: httpx.Client, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        try:
            client.get("/healthz")
        except httpx.TransportError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError(f"not served: {process.communicate()[0]}")


@pytest.mark.slow
def test_a_port_in_use_is_a_clear_error(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        command = [sys.executable, "-c", START, str(tmp_path), str(other.getsockname()[1]), "1"]
        found = subprocess.run(
            command, cwd=ROOT, text=True, capture_output=True, timeout=PATIENCE, check=False
        )
    assert found.returncode == 1
    assert "ServeError: cannot listen" in found.stderr
    assert "choose another --port" in found.stderr


@pytest.mark.slow
def test_bentoml_serves_every_endpoint_until_it_is_interrupted(firm: Path) -> None:
    with served(firm) as (client, process):
        assert client.get("/readyz").status_code == 200
        listed = client.post("/rank", json={"top": 3}).json()["deals"]
        assert [deal["rank"] for deal in listed] == [1, 2, 3]
        one = {"deal_id": listed[0]["deal_id"]}
        assert client.post("/explain", json=one).json()["deal"]["deal_id"] == one["deal_id"]
        assert client.post("/score").json()["deals"]
        assert client.post("/forecast", json={"periods": 2}).json()["rows"]
        new = {"deal_id": "n", "stage": "qualified", "created_at": "2026-05-01"}
        assert client.post("/predict", json={"deals": [new]}).json()["deals"]
        assert client.post("/rank", json={"top": 0}).status_code == 422
        assert "<h1" in client.get("/").text
        paths = client.get("/openapi.json").json()["paths"]
        assert {"/rank", "/predict", "/score", "/forecast", "/explain"} <= set(paths)
        assert "dealcast_open_deals" in client.get("/metrics").text
        process.send_signal(signal.SIGINT)
        told = process.communicate(timeout=PATIENCE)[0]
        assert process.returncode == 0
        assert "Traceback" not in told


@pytest.mark.slow
def test_a_service_without_a_store_is_alive_but_not_ready(tmp_path: Path) -> None:
    with served(tmp_path) as (client, _):
        assert client.get("/healthz").status_code == 200
        ready = client.get("/readyz")
        assert ready.status_code == 503
        assert "dealcast import" in ready.text
        assert client.post("/rank").status_code == 503
        assert client.get("/").status_code == 503
        assert "dealcast_ready 0" in client.get("/metrics").text


@pytest.mark.slow
def test_a_killed_worker_is_replaced_and_the_service_goes_on(firm: Path) -> None:
    with served(firm, workers=2) as (client, process):
        children = set(workers_of(process.pid))
        assert len(children) == 2
        os.kill(min(children), signal.SIGKILL)
        answered, deadline = 0, time.monotonic() + PATIENCE
        while time.monotonic() < deadline and not (answered > 20 and is_whole(process, children)):
            try:
                with httpx.Client(base_url=client.base_url, timeout=60) as other:
                    assert other.post("/rank", json={"top": 3}).status_code == 200
            except httpx.TransportError:
                continue  # a connection that the killed worker had taken
            answered += 1
        assert answered > 20
        assert is_whole(process, children)


def workers_of(pid: int) -> list[int]:
    """Processes under a server that answer requests."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            told = entry.read_bytes()
            parent = int(entry.with_name("stat").read_text().rsplit(")", 1)[1].split()[1])
        except OSError:
            continue
        if parent == pid and b"--worker-id" in told:
            found.append(int(entry.parent.name))
    return found


def is_whole(process: "subprocess.Popen[str]", before: set[int]) -> bool:
    """Whether there are two workers again, one of them new."""
    now = set(workers_of(process.pid))
    return len(now) == 2 and now != before


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # BentoML's own imports
def test_a_service_for_other_machines_without_keys_is_refused(tmp_path: Path) -> None:
    from serving.service import ServeError, serve

    with pytest.raises(ServeError, match="keys are off"):
        serve(tmp_path, "0.0.0.0", free_port())  # noqa: S104 - it is what must be refused
    with pytest.raises(ServeError, match="is no address"):
        serve(tmp_path, "example", free_port())
