"""Figures of what is served, in the text form of Prometheus."""

from __future__ import annotations

from serving.engine import Engine, NotReadyError


def metrics_text(engine: Engine) -> str:
    """Write whether the service is ready, and what it answers from."""
    try:
        view = engine.view()
    except NotReadyError:
        return _gauge("ready", "whether deals can be scored", "0")
    now = engine.clock()
    labels = (
        f'{{version="{view.bundle.version}",tier="{view.bundle.tier}",data="{view.data_version}"}}'
    )
    parts = [
        _gauge("ready", "whether deals can be scored", "1"),
        _gauge("model_info", "model and data that answer", "1", labels),
        _gauge("open_deals", "deals that are open", str(len(view.scored.frame))),
        _gauge("as_of_timestamp_seconds", "instant of the answers", f"{view.as_of / 1e6:.0f}"),
    ]
    if view.last_fact is not None:
        age = (now - view.last_fact).total_seconds()
        parts.append(_gauge("data_age_seconds", "age of the newest fact", f"{age:.0f}"))
    return "".join(parts)


def _gauge(name: str, meaning: str, value: str, labels: str = "") -> str:
    full = f"dealcast_{name}"
    return f"# HELP {full} {meaning}\n# TYPE {full} gauge\n{full}{labels} {value}\n"
