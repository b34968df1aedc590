"""Plotly's own script, out of its package, so that the plot needs no network."""

from __future__ import annotations

import base64
import gzip
import hashlib
import re
from functools import lru_cache
from importlib.resources import files

STYLE = re.compile(rb"\.textContent='([^'\\]*)'")
"""Where the script adds a style element with rules of its own (those of its maps)."""


@lru_cache(maxsize=2)
def plot_script(*, packed: bool) -> bytes:
    """Read the script, gzipped if `packed`."""
    script = files("plotly").joinpath("package_data/plotly.min.js").read_bytes()
    return gzip.compress(script, 6) if packed else script


@lru_cache(maxsize=1)
def plot_styles() -> str:
    """Name the style elements that the script adds, as sources of a Content-Security-Policy.

    By their hashes, so that no other inline style is let in: those it brings, and the empty one to
    which it adds rules one by one.
    """
    styles = [b"", *STYLE.findall(plot_script(packed=False))]
    hashes = [base64.b64encode(hashlib.sha256(style).digest()).decode() for style in styles]
    return " ".join(f"'sha256-{each}'" for each in hashes)
