"""What is written while serving: one database, sqlite in the workspace or PostgreSQL.

Feedback, audit lines and API keys have a module each (`records_feedback`, `records_audit`,
`records_keys`), whose functions take a `Records`. Whatever is wrong with the database is one
error, `RecordsError`; nothing needs a restart once it is mended.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, event, insert, make_url, select, text
from sqlalchemy.exc import ArgumentError, DisconnectionError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

from serving.records_tables import VERSION, metadata, schema

FILE = "records.db"
WAIT_SECONDS = 2
"""How long a request waits for a lock, or for a server to answer."""
CREATION = 7_226_255
"""Number of the advisory lock under which PostgreSQL's tables are made."""


class RecordsError(RuntimeError):
    """The records can be neither read nor written now; the message says why and what to do.

    Attributes
    ----------
    told : the same without the place of the database: for those who ask over the network
    """

    def __init__(self, told: str, place: str = "") -> None:
        super().__init__(f"{place}: {told}" if place else told)
        self.told = told


class Records:
    """A database of records.

    It is prepared at the first use: nothing is opened before, so that a service may start while
    its database is away. An sqlite file that vanishes later is not made anew in silence.

    Parameters
    ----------
    url : `sqlite:///PATH` or `postgresql://USER:PASSWORD@HOST:PORT/NAME`
    """

    def __init__(self, url: str) -> None:
        self._engine, self._file = _engine(url)
        self.place = self._engine.url.render_as_string() if self._file is None else str(self._file)
        self._prepared, self._preparing = False, threading.Lock()

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """Open a transaction: committed where the block ends, undone where it raises.

        Raises
        ------
        RecordsError
            Where the database is locked, full, damaged, or not there.
        """
        try:
            self._prepare()
            with self._engine.begin() as connection:
                yield connection
        except (SQLAlchemyError, sqlite3.Error, OSError) as error:
            raise RecordsError(_told(error), self.place) from error

    def close(self) -> None:
        """Let go of every connection."""
        self._engine.dispose()

    def _prepare(self) -> None:
        with self._preparing:
            if self._prepared:
                return
            if self._file is not None:
                _make_file(self._file)
            with self._engine.begin() as connection:
                _make_tables(connection, self.place)
            self._prepared = True


def open_records(workspace: Path, database_url: str = "") -> Records:
    """Give the records of a workspace: of `database_url`, or sqlite within it where that is empty.

    Raises
    ------
    RecordsError
        Where the address is none that can be used.
    """
    return Records(database_url or f"sqlite:///{(workspace / FILE).resolve().as_posix()}")


def _engine(url: str) -> tuple[Engine, Path | None]:
    """Engine of an address, and its file where it is one."""
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() == "sqlite" and parsed.database:
            return _sqlite(Path(parsed.database)), Path(parsed.database)
        if parsed.get_backend_name() == "postgresql":
            waits = f"-c lock_timeout={WAIT_SECONDS}s -c statement_timeout={5 * WAIT_SECONDS}s"
            engine = create_engine(
                parsed.set(drivername="postgresql+psycopg"),
                pool_pre_ping=True,
                pool_timeout=WAIT_SECONDS,
                connect_args={"connect_timeout": WAIT_SECONDS, "options": waits},
            )
            return engine, None
    except ModuleNotFoundError as error:
        raise RecordsError(
            f"PostgreSQL needs the package {error.name}: install dealcast[postgres]"
        ) from error
    except ArgumentError:
        pass
    raise RecordsError(
        "database_url is no address that can be used; write "
        "postgresql://USER:PASSWORD@HOST:5432/NAME, or leave it out for sqlite in the workspace"
    )


def _sqlite(path: Path) -> Engine:
    address = f"file:{quote(str(path))}?mode=rw"  # rw: a file that vanished is not made anew

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(
            address, uri=True, timeout=WAIT_SECONDS, check_same_thread=False
        )
        connection.execute("PRAGMA synchronous = NORMAL")
        return connection

    engine = create_engine(
        "sqlite://", creator=connect, poolclass=QueuePool, pool_timeout=WAIT_SECONDS
    )

    # An open file lives on after its removal, and what is written to it is lost: a connection to
    # another file than the one now at the path is thrown away.
    @event.listens_for(engine, "connect")
    def remember(_: Any, record: ConnectionPoolEntry) -> None:
        record.info["file"] = _identity(path)

    @event.listens_for(engine, "checkout")
    def compare(_: Any, record: ConnectionPoolEntry, __: Any) -> None:
        if record.info["file"] != _identity(path):
            raise DisconnectionError

    return engine


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _make_file(path: Path) -> None:
    """Make an empty database that only its owner may read; one that is there stays as it is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    connection = sqlite3.connect(path, timeout=WAIT_SECONDS)
    try:
        # Readers and a writer do not wait for each other.
        connection.execute("PRAGMA journal_mode = WAL")
    finally:
        connection.close()


def _make_tables(connection: Connection, place: str) -> None:
    """Make the tables that are missing, one process at a time, and look at the version."""
    if connection.dialect.name == "sqlite":
        connection.execute(text("BEGIN IMMEDIATE"))
    else:
        connection.execute(text(f"SELECT pg_advisory_xact_lock({CREATION})"))
    metadata.create_all(connection)
    version = connection.execute(select(schema.c.version)).scalar()
    if version is None:
        connection.execute(insert(schema).values(version=VERSION))
    elif version != VERSION:
        raise RecordsError(
            f"the records are of version {version} and this dealcast reads version {VERSION}: use "
            "the dealcast that wrote them, or another database_url",
            place,
        )


def _told(error: Exception) -> str:
    cause = getattr(error, "orig", None) or error
    # A server that is away is told with its address first, and why it is last.
    reason = (str(cause).strip().splitlines() or [type(cause).__name__])[0].split(": ")[-1]
    remedies = {
        "locked": "another program holds it; it is tried anew at the next request",
        "full": "make room on the disk",
        "unable to open": "put the file and its folder back, from a backup if need be",
        "readonly": "make the file and its folder writable",
        "not a database": "put the file back from a backup",
    }
    fallback = "see that the server runs and that database_url names it"
    remedy = next((told for word, told in remedies.items() if word in reason), fallback)
    return f"the records cannot be used ({reason}): {remedy}"
