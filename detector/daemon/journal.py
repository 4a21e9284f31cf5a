"""Every incident, in SQLite: for `jikimi incidents`, and so that a crash leaves none open.

Holds no pictures; entries older than `RETENTION` are deleted at start. Written in a thread of its
own (`alerts.storage.write_behind`), for no alarm may wait for the disk; whoever reads waits for it.
"""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from alerts.deadline import Deadline
from alerts.liveness import LiveThread
from alerts.storage.write_behind import WriteBehind
from config.errors import ConfigError, JikimiError
from detector.types import Incident, Phase

RETENTION = timedelta(days=90)

_SCHEMA = """
CREATE TABLE IF NOT EXISTS incidents (
    id TEXT PRIMARY KEY,
    camera TEXT NOT NULL,
    label TEXT NOT NULL,
    opened_at TEXT NOT NULL,
    closed_at TEXT,
    peak REAL NOT NULL,
    reason TEXT,
    messages INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS incidents_by_time ON incidents (opened_at);
"""

_RECORD = """
INSERT INTO incidents VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET closed_at = excluded.closed_at, peak = excluded.peak,
    reason = excluded.reason, messages = excluded.messages
"""

_RECENT = "ORDER BY opened_at DESC LIMIT ?"


@dataclass(frozen=True, slots=True)
class Entry:
    """One incident as it stands; `reason` says why it closed where it is not plain quiet.

    `messages`: how many told of it so far.
    """

    incident: Incident
    reason: str | None
    messages: int

    def as_json(self) -> dict[str, Any]:
        """The incident as `jikimi incidents --json` shows it; times in UTC."""
        incident = self.incident
        closed_at = incident.closed_at
        return {
            "id": str(incident.id),
            "camera": incident.camera,
            "label": incident.label,
            "opened_at": incident.opened_at.isoformat(timespec="milliseconds"),
            "closed_at": closed_at and closed_at.isoformat(timespec="milliseconds"),
            "peak": round(incident.peak, 3),
            "reason": self.reason,
        }


class Journal:
    """The incidents of this daemon; safe to call from any thread."""

    def __init__(self, path: Path) -> None:
        """Open or make the journal at `path`; raises JikimiError where that cannot be."""
        self._counting = threading.Lock()
        self._reading = threading.Lock()
        try:
            file = _connect(path)
            self._db = _connect(path)
            file.execute("PRAGMA journal_mode = WAL")
            file.executescript(_SCHEMA)
        except sqlite3.Error as error:
            raise JikimiError(
                f"{path}: cannot keep the incident journal ({error}); make the folder writable, "
                "or move a damaged file aside"
            ) from error
        self._file = WriteBehind(file, path)
        self._messages: dict[UUID, int] = {}

    def record(self, incident: Incident, reason: str | None = None) -> int:
        """Write `incident` as it stands; the sequence number of this message, from 0."""
        values = (
            str(incident.id),
            incident.camera,
            incident.label,
            incident.opened_at.astimezone(UTC).isoformat(),
            incident.closed_at and incident.closed_at.astimezone(UTC).isoformat(),
            incident.peak,
            reason,
        )
        with self._counting:
            sequence = self._messages.pop(incident.id, 0)
            if incident.phase is not Phase.CLOSED:
                self._messages[incident.id] = sequence + 1
            self._file.put(lambda db: db.execute(_RECORD, (*values, sequence + 1)))
        return sequence

    def left_open(self, now: datetime) -> list[Incident]:
        """Incidents that a crash left open, as closed at `now`; also forgets old entries."""
        oldest = (now - RETENTION).astimezone(UTC).isoformat()
        old = "DELETE FROM incidents WHERE opened_at < ?"
        self._file.put(lambda db: db.execute(old, (oldest,)))
        found = self._select("WHERE closed_at IS NULL ORDER BY opened_at", ())
        with self._counting:
            self._messages.update((entry.incident.id, entry.messages) for entry in found)
        return [replace(e.incident, closed_at=now, phase=Phase.CLOSED) for e in found]

    def threads(self) -> list[LiveThread]:
        """What writes the file."""
        return [self._file.thread]

    def request_close(self) -> None:
        """Write what was recorded and close the file, without waiting for either."""
        # A reader that hangs keeps its connection; the process is about to end.
        if self._reading.acquire(blocking=False):
            self._db.close()
            self._reading.release()
        self._file.request_close()

    def close(self, deadline: Deadline) -> None:
        """Write what was recorded and close the file; gives up waiting at `deadline`."""
        self.request_close()
        self._file.close(deadline)

    def _select(self, clause: str, values: tuple[object, ...]) -> list[Entry]:
        self._file.flush()
        with self._reading:
            return _select(self._db, clause, values)


def read_entries(path: Path, limit: int = 50) -> list[Entry]:
    """The newest `limit` incidents in the journal at `path`, newest first; needs no daemon.

    Only reads, while a daemon has the file open too; what that daemon recorded a moment ago may
    be missing, for it writes behind. None where there is no file yet. Raises ConfigError where
    the folder is missing, JikimiError where the file cannot be read.
    """
    try:
        if not path.parent.is_dir():
            raise ConfigError(
                f"{path.parent}: there is no such state directory; name the service's with "
                "--state-dir (JIKIMI_STATE_DIR)"
            )
        if not path.exists():
            return []
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as db:
            return _select(db, _RECENT, (limit,))
    except (OSError, sqlite3.Error) as error:
        raise JikimiError(
            f"{path}: cannot read the incident journal ({error}); ask as the user that the "
            "service runs as, or move a damaged file aside"
        ) from error


def _select(db: sqlite3.Connection, clause: str, values: tuple[object, ...]) -> list[Entry]:
    columns = "id, camera, label, opened_at, closed_at, peak, reason, messages"
    rows = db.execute(f"SELECT {columns} FROM incidents {clause}", values).fetchall()  # noqa: S608 - the clauses stand above
    return [_entry(row) for row in rows]


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, check_same_thread=False, isolation_level=None)


def _entry(row: tuple[str, str, str, str, str | None, float, str | None, int]) -> Entry:
    key, camera, label, opened_at, closed_at, peak, reason, messages = row
    incident = Incident(
        UUID(key),
        camera,
        label,
        datetime.fromisoformat(opened_at),
        datetime.fromisoformat(closed_at) if closed_at else None,
        peak,
        Phase.CLOSED if closed_at else Phase.UPDATED,
    )
    return Entry(incident, reason, messages)
