"""What happened, in SQLite: so that `jikimi incidents` can tell, and a crash leaves none open.

Holds no pictures; entries older than `RETENTION` are deleted at start.
"""

from __future__ import annotations

import sqlite3
import threading
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from config.errors import JikimiError
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


@dataclass(frozen=True, slots=True)
class Entry:
    """One incident as it stands; `reason` says why it closed where it is not plain quiet."""

    incident: Incident
    reason: str | None


class Journal:
    """The incidents of this daemon; safe to call from any thread."""

    def __init__(self, path: Path) -> None:
        """Open or make the journal at `path`; raises JikimiError where that cannot be."""
        self._lock = threading.Lock()
        try:
            self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.executescript(_SCHEMA)
        except sqlite3.Error as error:
            raise JikimiError(
                f"{path}: cannot keep the incident journal ({error}); make the folder writable, "
                "or move a damaged file aside"
            ) from error

    def record(self, incident: Incident, reason: str | None = None) -> int:
        """Write `incident` as it stands; the sequence number of this message, from 0."""
        with self._lock:
            row = self._db.execute(
                """
                INSERT INTO incidents VALUES (?, ?, ?, ?, ?, ?, ?, 1)
                ON CONFLICT (id) DO UPDATE SET closed_at = excluded.closed_at,
                    peak = excluded.peak, reason = excluded.reason, messages = messages + 1
                RETURNING messages
                """,
                (
                    str(incident.id),
                    incident.camera,
                    incident.label,
                    incident.opened_at.astimezone(UTC).isoformat(),
                    incident.closed_at and incident.closed_at.astimezone(UTC).isoformat(),
                    incident.peak,
                    reason,
                ),
            ).fetchone()
        return int(row[0]) - 1

    def left_open(self, now: datetime) -> list[Incident]:
        """Incidents that a crash left open, as closed at `now`; also forgets old entries."""
        with self._lock:
            self._db.execute(
                "DELETE FROM incidents WHERE opened_at < ?",
                ((now - RETENTION).astimezone(UTC).isoformat(),),
            )
        entries = self._select("WHERE closed_at IS NULL ORDER BY opened_at", ())
        return [replace(e.incident, closed_at=now, phase=Phase.CLOSED) for e in entries]

    def recent(self, limit: int = 50) -> list[Entry]:
        """The newest `limit` incidents, newest first."""
        return self._select("ORDER BY opened_at DESC LIMIT ?", (limit,))

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def _select(self, clause: str, values: tuple[object, ...]) -> list[Entry]:
        columns = "id, camera, label, opened_at, closed_at, peak, reason"
        with self._lock:
            rows = self._db.execute(f"SELECT {columns} FROM incidents {clause}", values).fetchall()  # noqa: S608 - the clauses stand above
        return [_entry(row) for row in rows]


def _entry(row: tuple[str, str, str, str, str | None, float, str | None]) -> Entry:
    key, camera, label, opened_at, closed_at, peak, reason = row
    incident = Incident(
        UUID(key),
        camera,
        label,
        datetime.fromisoformat(opened_at),
        datetime.fromisoformat(closed_at) if closed_at else None,
        peak,
        Phase.CLOSED if closed_at else Phase.UPDATED,
    )
    return Entry(incident, reason)
