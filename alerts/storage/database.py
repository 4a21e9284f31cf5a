"""The SQLite file of outbox and journal: its tables, and how it is opened.

What the rows mean is the business of `alerts.storage.outbox` and of whoever keeps incidents.
An earlier release reads and writes the file, too. Tables are added; columns only behind those that
were there, with a default, and not to `incidents`, whose eight an earlier release fills by their
order. What it would lose, or leave behind, by not knowing a table is seen to by triggers.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

VERSION = 1

LOG_LIMIT = 4 * 2**20
"""So large the log stays, in bytes, once it has been longer."""

TABLES: Final = {
    "alert": "alert_id, image_bytes, body, image",
    "alert_details": "alert_id, body",
    "queue": "position, sink, alert_id, incident_id, phase, sent_at, attempts, retry_at, no_image,"
    " unconfirmed",
    "stage": "sink, incident_id, stage, at",
    "delivered": "sink, camera, at",
    "silence": "camera, until",
    "refused": "position, sink, alert_id, incident_id, phase, sent_at, no_image, reason, at",
    "unreadable": "position, sink, alert_id, incident_id, phase, sent_at, no_image, reason, at",
    "incidents": "id, camera, label, opened_at, closed_at, peak, reason, messages",
    "incident_details": "id, site, journalled, epoch",
    "pending": "kind, key, body",
    "box": "one, name",
}
"""Every table with its columns; `clock` beside them is the file's own."""

_VERSION_1 = f"""
CREATE TABLE alert (
    alert_id TEXT PRIMARY KEY, image_bytes INTEGER NOT NULL, body TEXT NOT NULL, image BLOB
);
CREATE TABLE queue (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    sink TEXT NOT NULL, alert_id TEXT NOT NULL, incident_id TEXT NOT NULL,
    phase TEXT NOT NULL, sent_at REAL NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0, retry_at REAL NOT NULL DEFAULT 0,
    UNIQUE (sink, alert_id)
);
CREATE INDEX alert_images ON alert (image_bytes) WHERE image_bytes > 0;
CREATE INDEX queue_by_sink ON queue (sink);
CREATE INDEX queue_by_phase ON queue (sink, phase);
CREATE INDEX queue_by_incident ON queue (sink, incident_id);
CREATE INDEX queue_by_alert ON queue (alert_id);
CREATE TABLE stage (
    sink TEXT NOT NULL, incident_id TEXT NOT NULL, stage TEXT NOT NULL, at REAL NOT NULL,
    PRIMARY KEY (sink, incident_id)
) WITHOUT ROWID;
CREATE TABLE delivered (
    sink TEXT NOT NULL, camera TEXT NOT NULL, at REAL NOT NULL, PRIMARY KEY (sink, camera)
) WITHOUT ROWID;
CREATE TABLE silence (camera TEXT PRIMARY KEY, until REAL NOT NULL) WITHOUT ROWID;
PRAGMA user_version = {VERSION};
"""

ADDED: Final = {"no_image", "unconfirmed"}
"""Columns of `queue` that an earlier release's file has not."""

_NO_IMAGE = "ALTER TABLE queue ADD COLUMN no_image INTEGER NOT NULL DEFAULT 0;"
"""Set where the sink takes the message, but not its picture."""

_UNCONFIRMED = """
ALTER TABLE queue ADD COLUMN unconfirmed TEXT;
CREATE INDEX queue_unconfirmed ON queue (sink, incident_id) WHERE unconfirmed IS NOT NULL;
"""
"""What becomes of it where no operator confirms it by `retry_at`; NULL: it waits for none."""

_SET_ASIDE = """
CREATE TABLE IF NOT EXISTS {0} (
    position INTEGER PRIMARY KEY,
    sink TEXT NOT NULL, alert_id TEXT NOT NULL, incident_id TEXT NOT NULL,
    phase TEXT NOT NULL, sent_at REAL NOT NULL, no_image INTEGER NOT NULL DEFAULT 0,
    reason TEXT NOT NULL, at REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS {0}_by_alert ON {0} (alert_id);
"""
"""Like a row of the queue; its alert stays. `position`: where it stood. `at`: UTC, seconds."""

_SET_ASIDE_STAYS = """
CREATE TRIGGER IF NOT EXISTS set_aside_stays BEFORE DELETE ON alert
WHEN EXISTS (SELECT 1 FROM refused WHERE alert_id = OLD.alert_id)
    OR EXISTS (SELECT 1 FROM unreadable WHERE alert_id = OLD.alert_id)
BEGIN SELECT RAISE(IGNORE); END;
"""
"""An earlier release knows no such tables: it deletes an alert that waits in the queue no more."""

_ALERT_DETAILS = """
CREATE TABLE IF NOT EXISTS alert_details (
    alert_id TEXT PRIMARY KEY, body TEXT NOT NULL
) WITHOUT ROWID;
CREATE TRIGGER IF NOT EXISTS alert_details_end AFTER DELETE ON alert
BEGIN DELETE FROM alert_details WHERE alert_id = OLD.alert_id; END;
CREATE VIEW IF NOT EXISTS whole_alert (alert_id, image_bytes, body, image) AS
SELECT alert_id, image_bytes, CASE
    WHEN typeof(alert.body) = 'text' AND typeof(alert_details.body) = 'text'
        AND json_valid(alert.body) AND json_valid(alert_details.body)
    THEN json_patch(alert.body, alert_details.body) ELSE alert.body
END, image
FROM alert LEFT JOIN alert_details USING (alert_id);
"""
"""What an alert says that an earlier release does not know: it would not deliver it."""

_INCIDENTS = """
CREATE TABLE IF NOT EXISTS incidents (
    id TEXT PRIMARY KEY, camera TEXT NOT NULL, label TEXT NOT NULL,
    opened_at TEXT NOT NULL, closed_at TEXT, peak REAL NOT NULL, reason TEXT,
    messages INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS incidents_by_time ON incidents (opened_at);
CREATE INDEX IF NOT EXISTS incidents_open ON incidents (closed_at) WHERE closed_at IS NULL;
"""

_INCIDENT_DETAILS = """
CREATE TABLE IF NOT EXISTS incident_details (
    id TEXT PRIMARY KEY, site TEXT, journalled INTEGER NOT NULL DEFAULT 0, epoch INTEGER
) WITHOUT ROWID;
CREATE TRIGGER IF NOT EXISTS incident_details_end AFTER DELETE ON incidents
BEGIN DELETE FROM incident_details WHERE id = OLD.id; END;
"""
"""`journalled`: of how many messages the journal behind has the incident's state. `epoch`: by which
the box watched the camera, where it is one of a cluster. No row: the incident is of an earlier
release, and the journal has nothing of it."""

_DETAILS_WERE_COLUMNS = """
INSERT OR IGNORE INTO incident_details SELECT id, site, journalled, {epoch} FROM incidents;
DROP INDEX IF EXISTS incidents_pending;
ALTER TABLE incidents DROP COLUMN site;
ALTER TABLE incidents DROP COLUMN journalled;
"""
"""Of a release that kept them with the incident, which one before it could not write then."""

_PENDING = """
CREATE TABLE IF NOT EXISTS pending (
    kind TEXT NOT NULL, key TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (kind, key)
);
CREATE TABLE IF NOT EXISTS box (one INTEGER PRIMARY KEY CHECK (one = 1), name TEXT NOT NULL);
"""
"""What the journal behind has not yet, beside incidents; under which name it knows this store."""

_CLOCK = """
CREATE TABLE IF NOT EXISTS clock (
    one INTEGER PRIMARY KEY CHECK (one = 1), offset_s REAL NOT NULL, saved_at REAL NOT NULL
);
"""
"""`offset_s`: what makes the file's times UTC; `saved_at`: when that was written (UTC)."""

_OF_THE_DISK = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_INTERRUPT,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOLFS,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_TOOBIG,
}


T = TypeVar("T")


class NotOursError(sqlite3.DatabaseError):
    """Damaged, of another program, or of a release that this one cannot read."""


def is_damage(error: Exception) -> bool:
    """Whether the file is at fault, and not the disk: another file would do."""
    code: int | None = getattr(error, "sqlite_errorcode", None)
    if code is None:  # raised here, by `quick_check` or `_make_tables`
        return isinstance(error, NotOursError)
    return code & 0xFF not in _OF_THE_DISK


def open_database(path: Path) -> sqlite3.Connection:
    """The database at `path`, made where there is none; sqlite3.Error where that cannot be."""
    connection = connect(str(path))
    try:
        _check_ours(connection)  # before anything in it is changed
        connection.execute("PRAGMA auto_vacuum = FULL")  # after an outage it shrinks again
        connection.execute("PRAGMA journal_mode = WAL")
        # Syncing, and moving the log into the database, is `syncing`'s business.
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute(f"PRAGMA journal_size_limit = {LOG_LIMIT}")
        _check_whole(connection)
        _make_tables(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def read_database(path: Path) -> sqlite3.Connection:
    """The database at `path`, to be read only; sqlite3.Error where that cannot be."""
    # Without a log beside it SQLite would have to make one, which a read-only disk does not allow.
    log = path.with_name(path.name + "-wal")
    how = "mode=ro" if log.exists() else "immutable=1"
    return connect(f"{path.absolute().as_uri()}?{how}", uri=True)


def memory_database() -> sqlite3.Connection:
    """An empty database that lasts as long as the process."""
    connection = connect(":memory:")
    connection.execute("PRAGMA auto_vacuum = FULL")
    _make_tables(connection)
    return connection


def connect(name: str, *, uri: bool = False) -> sqlite3.Connection:
    """A connection in autocommit mode, for any thread; text that is none is read all the same."""
    connection = sqlite3.connect(name, isolation_level=None, check_same_thread=False, uri=uri)
    connection.text_factory = partial(str, encoding="utf-8", errors="replace")
    return connection


def transaction(database: sqlite3.Connection, change: Callable[[sqlite3.Connection], T]) -> T:
    """Apply `change` whole or not at all; `database` is in autocommit mode."""
    database.execute("BEGIN IMMEDIATE")
    try:
        result = change(database)
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise
    return result


def _check_ours(connection: sqlite3.Connection) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (made,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if version not in {0, VERSION}:
        raise NotOursError(f"made by another version ({version})")
    if version == 0 and made:
        raise NotOursError("a database of another program")
    for table in ("alert", "queue", "stage", "delivered", "silence") if version else ():
        missing = set(TABLES[table].split(", ")) - _columns(connection, table) - ADDED
        if missing:
            raise NotOursError(f"table {table} has no {', '.join(sorted(missing))}")


def _check_whole(connection: sqlite3.Connection) -> None:
    (decision,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if decision != "ok":
        raise NotOursError(decision)


def _make_tables(connection: sqlite3.Connection) -> None:
    """Make what is missing, at once or not at all; NotOursError where a table has other columns."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    made = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    if not (
        made >= TABLES.keys() | {"clock", "set_aside_stays", "incident_details_end", "whole_alert"}
        and "unconfirmed" in _columns(connection, "queue")
        and "journalled" not in _columns(connection, "incidents")
    ):
        parts = [] if version else [_VERSION_1]
        if "no_image" not in _columns(connection, "queue"):
            parts.append(_NO_IMAGE)
        if "unconfirmed" not in _columns(connection, "queue"):
            parts.append(_UNCONFIRMED)
        parts += [_SET_ASIDE.format("refused"), _SET_ASIDE.format("unreadable"), _SET_ASIDE_STAYS]
        parts += [_ALERT_DETAILS, _INCIDENTS, _INCIDENT_DETAILS, _CLOCK, _PENDING]
        there = _columns(connection, "incidents")
        if "journalled" in there:
            epoch = "epoch" if "epoch" in there else "NULL"
            parts.append(_DETAILS_WERE_COLUMNS.format(epoch=epoch))
        if "epoch" in there:
            parts.append("ALTER TABLE incidents DROP COLUMN epoch;")
        connection.executescript(f"BEGIN IMMEDIATE;{''.join(parts)}COMMIT;")
    for table, columns in TABLES.items():
        if missing := set(columns.split(", ")) - _columns(connection, table):
            raise NotOursError(f"table {table} has no {', '.join(sorted(missing))}")


def _columns(connection: sqlite3.Connection, table: str) -> set[str]:
    return {name for _, name, *_ in connection.execute(f"PRAGMA table_info ({table})")}
