"""Sections of the pages in docs: a benchmark writes its own and leaves the others alone."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def write_section(page: Path, title: str, lines: list[str]) -> None:
    """Put the section `## title` into a page, in its place where it is there already.

    Parameters
    ----------
    page : made, with its name as heading, where it is absent
    """
    name = page.stem.replace("-", " ").capitalize()
    old = page.read_text(encoding="utf-8") if page.exists() else f"# {name}\n"
    section = "\n".join([f"## {title}", "", *lines]).rstrip() + "\n"
    place = re.compile(rf"^## {re.escape(title)}\n.*?(?=^## |\Z)", re.DOTALL | re.MULTILINE)
    if place.search(old):
        new = place.sub(lambda _: section + "\n", old)
    else:
        new = f"{old.rstrip()}\n\n{section}"
    page.write_text(new.rstrip() + "\n", encoding="utf-8")
