"""Files that are written whole or not at all, by however many processes at once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Give a path beside `path` to write to; the file written takes the place of `path` at once.

    The path given is nobody else's: of two writers at once the later one's file stays, whole.
    Where the block fails, `path` is as it was and nothing is left beside it. The folder is made
    where it is not there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{uuid4().hex[:8]}.partial")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_whole(text: str, path: Path) -> Path:
    """Write a text in UTF-8; its path.

    The disk holds the text before it takes the place of what was, and that it did before this
    returns: after a crash one of the two is there.
    """
    with whole(path) as partial:
        partial.write_text(text, encoding="utf-8")
        _flush(partial)
    _flush(path.parent)
    return path


def _flush(path: Path) -> None:
    """Have the disk hold a file, or the names in a folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
