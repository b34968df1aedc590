"""The manifest of a store: which Delta version of every table makes up each version of the store.

Readers follow it alone, so a table that was written but is not yet named here does not exist.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from data.merging import Change
from data.whole import write_whole

FORMAT = 1
ID_LENGTH = 12


class StoreError(RuntimeError):
    """A store that is not there, or damaged; the message says what to do."""


@dataclass(frozen=True)
class Stored:
    """One table in one version: its Delta version, number of rows and hash of its content."""

    delta: int
    rows: int
    digest: str


@dataclass(frozen=True)
class Version:
    """One state of the store.

    Attributes
    ----------
    number : 1 for the first import
    time : instant of the import, ISO-8601
    source : what was imported
    tables : the tables that hold rows
    changes : rows by table that the import inserted, updated and found unchanged
    """

    number: int
    time: str
    source: str
    tables: Mapping[str, Stored]
    changes: Mapping[str, Change] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """Short name of the content: the same content, the same name."""
        content = json.dumps({name: table.digest for name, table in sorted(self.tables.items())})
        return hashlib.blake2b(content.encode(), digest_size=ID_LENGTH // 2).hexdigest()

    @property
    def rows(self) -> dict[str, int]:
        """Rows by table."""
        return {name: table.rows for name, table in self.tables.items()}

    def __str__(self) -> str:
        return self.id


def read_manifest(path: Path) -> list[Version]:
    """Versions of a store, oldest first; empty where there is no manifest.

    Raises
    ------
    StoreError
        For a manifest that cannot be understood.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != FORMAT:
            raise StoreError(
                f"{path} has format {content['format']}, this program reads {FORMAT}: "
                "use the dealcast that wrote it, or import into a new workspace"
            )
        return [_version(entry) for entry in content["versions"]]
    except FileNotFoundError:
        return []
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StoreError(
            f"{path} is damaged ({error}): put it back from a backup, or remove {path.parent} "
            "and import again"
        ) from error


def _version(entry: dict[str, object]) -> Version:
    tables, changes = entry.pop("tables"), entry.pop("changes")
    return Version(
        **entry,  # type: ignore[arg-type]
        tables={name: Stored(**table) for name, table in tables.items()},  # type: ignore[attr-defined]
        changes={name: Change(**change) for name, change in changes.items()},  # type: ignore[attr-defined]
    )


def write_manifest(path: Path, versions: list[Version]) -> None:
    """Replace the manifest at once: a reader, or a crash, sees the old one or the new one."""
    content = {"format": FORMAT, "versions": [asdict(version) for version in versions]}
    write_whole(json.dumps(content, ensure_ascii=False, indent=1), path)
