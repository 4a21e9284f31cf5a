"""The journal's database: opened, brought up to date, and what is wrong with it in words."""

from __future__ import annotations

import logging
import sqlite3
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect, make_url, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from alerts.storage.database import NotOursError, is_damage
from config.errors import JikimiError
from config.secrets import scrub
from detector.journal.tables import HEAD, metadata

LOCK_S = 5.0
"""A statement waits so long for another's lock; then all of it is tried again later."""

_POSTGRESQL = {
    "connect_timeout": 5,
    "tcp_user_timeout": 10_000,
    "application_name": "jikimi",
    "options": f"-c statement_timeout=30s -c lock_timeout={LOCK_S:.0f}s -c timezone=UTC",
}
"""libpq's; so that a server that hangs, or is gone, holds nobody up for long."""

_PRAGMAS = (
    "journal_mode = WAL",
    "synchronous = FULL",  # what is forgotten in the store is to outlive a power cut here
    "wal_autocheckpoint = 64",  # a quarter of a megabyte: a small disk is for the store first
)

_MIGRATION_LOCK = 7_312_026
"""Any number: boxes that start at once migrate one after the other."""


class JournalError(JikimiError):
    """The journal cannot be used as it is."""


def open_journal(where: Path | str) -> Engine:
    """The journal at `where`, a SQLite file that is made, or a URL of PostgreSQL; up to date.

    Raises sqlalchemy.exc.SQLAlchemyError, OSError, JournalError.
    """
    engine = _sqlite(where) if isinstance(where, Path) else _postgresql(where)
    try:
        with engine.begin() as connection:
            _bring_up_to_date(connection)
    except BaseException:
        engine.dispose()
        raise
    return engine


def open_to_read(where: Path | str) -> Engine:
    """The journal at `where`, which must be there; nothing of it is changed."""
    if not isinstance(where, Path):
        return _postgresql(where)

    def connect() -> sqlite3.Connection:
        # Without a log SQLite would have to make one, which a read-only disk does not allow.
        log = where.with_name(where.name + "-wal")
        how = "mode=ro" if log.exists() else "immutable=1"
        return sqlite3.connect(f"{where.absolute().as_uri()}?{how}", uri=True, timeout=LOCK_S)

    return create_engine("sqlite://", creator=connect, poolclass=NullPool)


def name_of(where: Path | str) -> str:
    """What may be shown of it: a path, or host and database."""
    if isinstance(where, Path):
        return str(where)
    try:
        url = make_url(where)
    except (SQLAlchemyError, ValueError):
        return "journal: url:"
    return f"PostgreSQL at {url.host or 'its socket'}:{url.port or 5432}/{url.database or ''}"


def is_damaged(where: Path | str, error: Exception) -> bool:
    """Whether another file in its place would do."""
    if not isinstance(where, Path):
        return False
    found = error.orig if isinstance(error, DBAPIError) else error
    return isinstance(found, NotOursError) or (
        isinstance(found, sqlite3.DatabaseError)
        and is_damage(found)
        and getattr(found, "sqlite_errorcode", 0) & 0xFF
        in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
    )


def in_words(where: Path | str, error: Exception) -> str:
    """What an operator reads of `error`; never a statement, a value or a password."""
    found = error.orig if isinstance(error, DBAPIError) and error.orig else error
    said = scrub(" ".join(str(found).split()))[:300]
    if isinstance(where, Path) or isinstance(error, JournalError):
        return said or type(found).__name__
    server = name_of(where)
    if "authentication failed" in said or "no password supplied" in said:
        return f"{server} refuses the log-in; check user and password in journal: url:"
    if "does not exist" in said:
        return f"{server}: {said.rpartition('FATAL: ')[2]}; create it, or correct journal: url:"
    if isinstance(error, DBAPIError) and _is_connection(error):
        return f"{server} does not answer ({said.rpartition('failed: ')[2]})"
    return f"{server}: {said or type(found).__name__}"


def is_about_one_row(error: Exception) -> bool:
    """Whether the others may be written."""
    if isinstance(error, DBAPIError):
        state = getattr(error.orig, "sqlstate", None) or ""
        code = getattr(error.orig, "sqlite_errorcode", 0) & 0xFF
        constraint = {sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH}
        return state[:2] in {"22", "23"} or code in constraint
    return isinstance(error, (ValueError, OverflowError, SQLAlchemyError))


def _is_connection(error: DBAPIError) -> bool:
    state = getattr(error.orig, "sqlstate", None)
    return error.connection_invalidated or state is None or state[:2] in {"08", "57"}


def _sqlite(path: Path) -> Engine:
    path.touch(mode=0o600, exist_ok=True)
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        connect_args={"timeout": LOCK_S},
        hide_parameters=True,
    )

    @event.listens_for(engine, "connect")
    def _connected(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # transactions are begun below
        for pragma in _PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begun(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _postgresql(text_url: str) -> Engine:
    if find_spec("psycopg") is None:
        raise JournalError(
            "journal: url: needs the driver of PostgreSQL; install it by "
            "pip install 'jikimi[postgresql]'"
        )
    url = make_url(text_url).set(drivername="postgresql+psycopg")
    return create_engine(
        url, connect_args=_POSTGRESQL, pool_pre_ping=True, pool_size=3, hide_parameters=True
    )


def _bring_up_to_date(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})"))
    else:
        decision = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar_one()
        if decision != "ok":
            raise NotOursError(decision)
    version = _version(connection)
    if version != HEAD:
        if version is None and inspect(connection).get_table_names():
            _refuse(connection, "holds another program's tables")
        if version is not None and version > HEAD:
            raise JournalError(
                "the journal was made by a newer release; what it lacks is kept until that runs"
            )
        _migrate(connection)
    _check_columns(connection)


def _version(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return None if found is None else str(found)


def _migrate(connection: Connection) -> None:
    # A quarter of a second: only where there is something to do.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    logging.getLogger("alembic").setLevel(logging.WARNING)  # of each step it tells at the start
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _check_columns(connection: Connection) -> None:
    found = inspect(connection)
    for table in metadata.sorted_tables:
        there = {column["name"] for column in found.get_columns(table.name)}
        if missing := {column.name for column in table.columns} - there:
            _refuse(connection, f"table {table.name} has no {', '.join(sorted(missing))}")


def _refuse(connection: Connection, reason: str) -> None:
    if connection.dialect.name == "sqlite":
        raise NotOursError(reason)
    raise JournalError(f"the database {reason}; give jikimi a database of its own")
