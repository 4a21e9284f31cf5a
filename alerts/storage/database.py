"""Open the outbox's SQLite file whatever state it is in, and keep a second daemon off it.

Only the file and its tables; what the rows mean is `alerts.storage.outbox`'s business.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import structlog

from config.errors import ConfigError

VERSION = 1

_TABLES = f"""
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

_NO_IMAGE = "ALTER TABLE queue ADD COLUMN no_image INTEGER NOT NULL DEFAULT 0"
"""Set where the sink takes the message, but not its picture."""

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

SET_ASIDE = ("refused", "unreadable")
"""Tables of messages that left the queue: by the sink's refusal, or because of what they hold."""


class FileLock:
    """Holds `path` for this process; the kernel lets go of it however the process ends."""

    def __init__(self, path: Path) -> None:
        """Raise ConfigError where another process holds it, OSError where it cannot be made."""
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._descriptor)
            raise ConfigError(
                f"{path.parent}: another jikimi daemon uses this state directory; "
                "stop it, or give this one its own state_dir"
            ) from None

    def release(self) -> None:
        """Let another process have it."""
        os.close(self._descriptor)


def open_database(path: Path) -> sqlite3.Connection:
    """The database at `path`, made where there is none.

    One that is damaged, or of another version, is moved aside with an error in the log: an
    alarm that refuses to start over old messages would be worse than losing them. Raises
    sqlite3.Error or OSError where no database can be made there at all.
    """
    try:
        return _opened(path)
    except sqlite3.OperationalError:
        raise  # locked, disk full, no permission: not the file's fault
    except sqlite3.DatabaseError as error:
        aside = _move_aside(path)
        structlog.get_logger().error(
            "outbox damaged, started a new one; undelivered alerts may be in the old file",
            reason=str(error),
            kept_as=str(aside),
        )
        return _opened(path)


def memory_database() -> sqlite3.Connection:
    """An empty database that lasts as long as the process."""
    connection = _connect(":memory:")
    connection.execute("PRAGMA auto_vacuum = FULL")
    connection.executescript(_TABLES)
    _add_newer(connection)
    return connection


def _connect(name: str) -> sqlite3.Connection:
    connection = sqlite3.connect(name, isolation_level=None, check_same_thread=False)
    connection.text_factory = partial(str, encoding="utf-8", errors="replace")  # a damaged row
    return connection


def _add_newer(connection: sqlite3.Connection) -> None:
    """What came after version 1, made so that the releases before read the file all the same."""
    columns = [name for _, name, *_ in connection.execute("PRAGMA table_info (queue)")]
    if "no_image" not in columns:
        connection.execute(_NO_IMAGE)
    for table in SET_ASIDE:
        connection.executescript(_SET_ASIDE.format(table))


def _opened(path: Path) -> sqlite3.Connection:
    path.touch(mode=0o600, exist_ok=True)  # pictures of people: for the daemon's user only
    connection = _connect(str(path))
    try:
        connection.execute("PRAGMA auto_vacuum = FULL")  # after an outage it shrinks again
        connection.execute("PRAGMA journal_mode = WAL")
        # An alert that was accepted must survive a power cut too, not only a crash.
        connection.execute("PRAGMA synchronous = FULL")
        (decision,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if decision != "ok":
            raise sqlite3.DatabaseError(decision)
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version == 0:
            connection.executescript(f"BEGIN IMMEDIATE;{_TABLES}COMMIT;")
        elif version != VERSION:
            raise sqlite3.DatabaseError(f"made by another version ({version})")
        _add_newer(connection)
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _move_aside(path: Path) -> Path:
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
    aside = path.with_name(f"{path.name}.damaged-{stamp}")
    for suffix in ("-wal", "-shm", ""):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(aside.with_name(aside.name + suffix))
    return aside
