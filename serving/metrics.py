"""Figures of what is served, for Prometheus: of all workers together, and of the view in hand."""

from __future__ import annotations

import os
import time

import numpy as np
from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.engine import Engine, NotReadyError
from serving.view import View

MULTIPLE = "PROMETHEUS_MULTIPROC_DIR"
"""Names the folder in which the workers of one service count together."""
REQUESTS = Counter("dealcast_requests", "requests answered", ["path", "status"])
SECONDS = Histogram(
    "dealcast_request_seconds",
    "time until a request was answered",
    ["path"],
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30),
)
EDGES = np.round(np.arange(0.1, 1.0, 0.1), 1)
"""Upper ends of the buckets into which scores are counted."""


class Counted:
    """Counts the requests that pass, and how long each took."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and count it once it was answered."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status, started = 500, time.perf_counter()

        async def counting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, counting)
        finally:
            path = getattr(scope.get("route"), "path", "(none)")
            REQUESTS.labels(path, status).inc()
            SECONDS.labels(path).observe(time.perf_counter() - started)


def metrics_text(engine: Engine) -> str:
    """Write what was counted, whether the service is ready, and what it answers from."""
    return generate_latest(_registry()).decode() + _state_text(engine)


def _registry() -> CollectorRegistry:
    """What all workers have counted, or this process where it is alone."""
    if MULTIPLE not in os.environ:
        return REGISTRY
    together = CollectorRegistry()
    MultiProcessCollector(together)  # type: ignore[no-untyped-call]
    return together


def _state_text(engine: Engine) -> str:
    try:
        view = engine.held()
    except NotReadyError:
        return _gauge("ready", "whether deals can be scored", "0")
    now = engine.clock()
    labels = (
        f'{{version="{view.bundle.version}",tier="{view.bundle.tier}",data="{view.data_version}"}}'
    )
    model_age = now.timestamp() - view.bundle.cut / 1e6
    parts = [
        _gauge("ready", "whether deals can be scored", str(int(not engine.away))),
        _gauge("stuck", "whether what is new cannot be loaded", str(int(engine.stuck))),
        _gauge("model_info", "model and data that answer", "1", labels),
        _gauge("model_age_seconds", "age of what the model learned last", f"{model_age:.0f}"),
        _gauge("open_deals", "deals that are open", str(len(view.scored.frame))),
        _gauge("as_of_timestamp_seconds", "instant of the answers", f"{view.as_of / 1e6:.0f}"),
        _scores_text(view),
    ]
    if view.last_fact is not None:
        age = (now - view.last_fact).total_seconds()
        parts.append(_gauge("data_age_seconds", "age of the newest fact", f"{age:.0f}"))
    return "".join(parts)


def _scores_text(view: View) -> str:
    """Distribution of p_won_90 over the open deals, as a histogram of now."""
    name = "dealcast_open_deals_p_won_90"
    scores = np.sort(view.scored.frame["p_won_90"].to_numpy(float))
    below = np.searchsorted(scores, EDGES, side="right")
    lines = [f"# HELP {name} scores of the open deals", f"# TYPE {name} histogram"]
    lines += [f'{name}_bucket{{le="{edge}"}} {n}' for edge, n in zip(EDGES, below, strict=True)]
    lines.append(f'{name}_bucket{{le="+Inf"}} {len(scores)}')
    lines += [f"{name}_sum {scores.sum()}", f"{name}_count {len(scores)}"]
    return "\n".join(lines) + "\n"


def _gauge(name: str, meaning: str, value: str, labels: str = "") -> str:
    full = f"dealcast_{name}"
    return f"# HELP {full} {meaning}\n# TYPE {full} gauge\n{full}{labels} {value}\n"
