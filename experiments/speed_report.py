"""What the speed of features was, in words and tables: the section of docs/performance.md."""

from __future__ import annotations

import importlib.util
import os
import platform
from typing import Any

import numpy as np

from experiments.speed_rivals import SUBSET

FEATURETOOLS = "1.31.0"
MODULES = {"Polars join_asof": "polars"}
Figures = dict[str, Any]


def installed(engine: str) -> bool:
    """Tell whether an engine can be measured here."""
    return engine not in MODULES or importlib.util.find_spec(MODULES[engine]) is not None


def catalogue_lines(deals: int, whole: dict[str, Figures], load: float) -> list[str]:
    """Table of the whole catalogue at two sizes."""
    lines = [
        f"Python {platform.python_version()}, {os.cpu_count()} cores, one process; a synthetic "
        "CRM (`experiments/speed_data.py`), weekly snapshots of every open deal. The load of the "
        f"machine was {load:.1f} when the run began: where it is above 1, other work had its part "
        "of the cores, and processor seconds say more than seconds.",
        "",
        f"The whole catalogue ({whole['large']['features']} features):",
        "",
        "| deals | snapshots | index the tables, s | indexes of features, s | features, s "
        "| snapshots a second (features; with indexes; all) | processor s, all "
        "| snapshots a processor second, all | peak memory, GiB |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for size, found in zip((deals // 10, deals), whole.values(), strict=True):
        parts = np.cumsum([found["compute"], found["first"], found["index"]])
        rates = "; ".join(f"{found['rows'] / seconds:,.0f}" for seconds in parts)
        lines.append(
            f"| {size:,} | {found['rows']:,} | {found['index']:.1f} | {found['first']:.1f} "
            f"| {found['compute']:.1f} | {rates} | {found['busy']:.1f} "
            f"| {found['rows'] / found['busy']:,.0f} | {found['peak']:.1f} |"
        )
    small, large = whole["small"], whole["large"]
    lines += [
        "",
        f"Ten times the deals take {large['own'] / small['own']:.1f} times the processor time of "
        f"the program itself; with the system's, which fetches memory for it "
        f"({small['busy'] - small['own']:.1f} s and {large['busy'] - large['own']:.1f} s), "
        f"{large['busy'] / small['busy']:.1f} times, and "
        f"{large['seconds'] / small['seconds']:.1f} times the seconds.",
    ]
    return lines


def one_deal_line(one: Figures) -> str:
    """Sentence on one deal, of a history at hand and sent whole to it."""
    return (
        f"One deal with 200 activities through {one['features']} features (medians): "
        f"{one['warm']:.1f} ms in a history at hand ({one['busy']:.1f} ms of processor time); "
        f"{one['sent']:.1f} ms sent whole to a history at hand, its tables indexed first "
        f"({one['sent_busy']:.1f} ms of processor time)."
    )


def rival_lines(rivals: dict[str, Figures]) -> list[str]:
    """Table of the subset by every engine."""
    failed = {name: found["failed"] for name, found in rivals.items() if "failed" in found}
    rivals = {name: found for name, found in rivals.items() if name not in failed}
    rows = rivals["ours"]["rows"]
    reference = np.array(rivals["ours"]["sums"])
    lines = [
        f"{len(SUBSET)} features of the same {rows:,} snapshots, from tables in memory to the "
        "feature matrix, each engine written as its users would (`experiments/speed_rivals.py`):",
        "",
        "| engine | seconds | processor seconds | snapshots a second "
        "| memory above the tables, GiB | same values |",
        "|---|---|---|---|---|---|",
    ]
    for name, found in rivals.items():
        same = np.allclose(found["sums"], reference, rtol=1e-6)
        lines.append(
            f"| {name} | {found['seconds']:.1f} | {found['busy']:.1f} "
            f"| {rows / found['seconds']:,.0f} "
            f"| {found['above']:.1f} | {'yes' if same else 'NO'} |"
        )
    absent = [name for name in MODULES if not installed(name)]
    lines += [f"\n{name} was not measured: {why}." for name, why in failed.items()]
    return lines + ([f"\nNot installed, so not measured: {', '.join(absent)}."] if absent else [])


def featuretools_lines(slow: dict[str, Figures]) -> list[str]:
    """Sentence on Featuretools, measured on a sample."""
    if not slow:
        return ["", "Featuretools was not measured: `--featuretools` was not given."]
    if any("failed" in found for found in slow.values()):
        return ["", "Featuretools was not measured: it failed."]
    rows = {name: found["rows"] / found["seconds"] for name, found in slow.items()}
    busy = {name: found["rows"] / found["busy"] for name, found in slow.items()}
    same = np.allclose(slow["Featuretools"]["sums"], slow["ours"]["sums"], rtol=1e-6)
    return [
        "",
        f"Featuretools ({FEATURETOOLS}, in an environment of its own) with cutoff "
        f"times, on a 1 % sample of the deals ({slow['ours']['rows']:,} snapshots), same values: "
        f"{'yes' if same else 'NO'}. It does {rows['Featuretools']:,.0f} snapshots a second; ours "
        f"on the same sample, its fixed costs over few rows, {rows['ours']:,.0f}: "
        f"{rows['ours'] / rows['Featuretools']:,.0f} times as many "
        f"({busy['ours'] / busy['Featuretools']:,.0f} times by processor time).",
    ]
