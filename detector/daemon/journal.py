"""Every incident, for `jikimi incidents`, and so that a crash leaves none open.

Kept in the store of the alerts (`alerts.storage.store`), so that an incident and its alert reach
the disk in one transaction. Holds no pictures; what is older than `RETENTION` is deleted at start.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from structlog import get_logger

from alerts.storage.copying import MAX_INCIDENTS
from alerts.storage.database import TABLES, read_database
from alerts.storage.store import OLD_JOURNAL, Store
from alerts.storage.write_behind import Change
from config.errors import ConfigError, JikimiError
from detector.journal.records import IncidentRecord
from detector.types import Incident, Phase

OUTBOX = "outbox.sqlite"
"""The store's file in the state directory."""

RETENTION = timedelta(days=90)

MAX_MESSAGES = 2**31
"""More of one incident is damage."""

YEARS = range(1970, 9999)
"""What a clock can have shown, and every time zone can show."""

_RECORD = """
INSERT INTO incidents VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET closed_at = excluded.closed_at, peak = excluded.peak,
    reason = excluded.reason, messages = excluded.messages
"""

_ADOPT = "INSERT OR IGNORE INTO incidents VALUES (?, ?, ?, ?, ?, ?, ?, ?)"

_DETAILS = (
    "INSERT OR IGNORE INTO incident_details (id, site, epoch, journalled) VALUES (?, ?, ?, ?)"
)

_FORGET = """
DELETE FROM incidents WHERE rowid IN (
    SELECT rowid FROM incidents WHERE closed_at IS NOT NULL ORDER BY rowid LIMIT ?
) RETURNING closed_at
"""

log = get_logger()


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


@dataclass(frozen=True, slots=True)
class LeftOpen:
    """An incident that an earlier run left open; `told`: some sink has heard of it."""

    incident: Incident
    told: bool


class Journal:
    """The incidents of this daemon; safe to call from any thread, and waits for no disk."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._mutex = threading.Lock()
        self._messages: dict[UUID, int] = {}
        self._looked_back = False

    def change(
        self,
        incident: Incident,
        reason: str | None = None,
        site: str | None = None,
        epoch: int | None = None,
    ) -> tuple[int, Change]:
        """What records `incident` (at `site`) as it stands, for the transaction of its alert.

        `epoch`: by which this box of a cluster watches the camera; that of the opening is kept.

        With it comes the sequence number of this message, from 0.
        """
        with self._mutex:
            sequence = self._messages.pop(incident.id, 0)
            if incident.phase is not Phase.CLOSED:
                self._messages[incident.id] = sequence + 1
        values = (
            str(incident.id),
            incident.camera,
            incident.label,
            incident.opened_at.astimezone(UTC).isoformat(),
            incident.closed_at and incident.closed_at.astimezone(UTC).isoformat(),
            incident.peak,
            reason,
            sequence + 1,
        )
        details = (str(incident.id), site, epoch, 0)
        self._bound()

        def change(database: sqlite3.Connection) -> None:
            database.execute(_RECORD, values)
            database.execute(_DETAILS, details)

        return sequence, change

    def adopt(self, found: IncidentRecord, now: datetime) -> Incident:
        """Take over an incident that another box has left open; as closed at `now`.

        Whatever is recorded of it next goes on from what that box has told.
        """
        with self._mutex:
            self._messages[found.id] = found.messages
        opened = Incident(
            found.id, found.camera, found.label, found.opened_at, None, found.peak, Phase.UPDATED
        )
        opened_at = found.opened_at.astimezone(UTC).isoformat()
        key, messages = str(found.id), found.messages
        row = (key, found.camera, found.label, opened_at, None, found.peak, None, messages)

        def change(database: sqlite3.Connection) -> None:
            database.execute(_ADOPT, row)
            database.execute(_DETAILS, (key, found.site, found.epoch, messages))

        self._store.write(change)
        return _closed(opened, now)

    def record(self, incident: Incident, reason: str | None = None) -> int:
        """Record `incident` as it stands, by itself; the sequence number of this message."""
        sequence, change = self.change(incident, reason)
        self._store.write(change)
        return sequence

    def left_open(self, now: datetime) -> list[LeftOpen]:
        """Incidents that an earlier run left open, as closed at `now`; also forgets old entries.

        Each is returned once. Empty for as long as the disk has not said what it holds.
        """
        if self._looked_back or not self._store.loaded:
            return []
        self._looked_back = True
        oldest = (now - RETENTION).astimezone(UTC).isoformat()
        self._store.write(
            lambda database: database.execute(
                "DELETE FROM incidents WHERE opened_at < ? AND closed_at IS NOT NULL", (oldest,)
            )
        )
        found = self._store.locked(
            lambda database: _select(database, "WHERE closed_at IS NULL ORDER BY opened_at", ())
        )
        told = {key for (key,) in self._store.read("SELECT incident_id FROM stage")}
        with self._mutex:
            found = [entry for entry in found if entry.incident.id not in self._messages]
            self._messages.update((entry.incident.id, entry.messages) for entry in found)
        return [
            LeftOpen(
                _closed(entry.incident, now),
                str(entry.incident.id) in told,
            )
            for entry in found
        ]

    def _bound(self) -> None:
        """Let memory hold no more than is stated: what the disk has is still there."""
        ((count,),) = self._store.read("SELECT count(*) FROM incidents")
        if count < MAX_INCIDENTS:
            return
        gone = self._store.read(_FORGET, (count - MAX_INCIDENTS + 1,))
        since = self._store.file.stale_since
        if since and (lost := sum(closed_at >= since.isoformat() for (closed_at,) in gone)):
            self._store.faults.lost("incident", lost)


def read_entries(
    state_dir: Path, limit: int = 50, unreadable: Callable[[str], None] = lambda _: None
) -> list[Entry]:
    """The newest `limit` incidents kept in `state_dir`, newest first; needs no daemon.

    Only reads, while a daemon has the file open too; what that daemon recorded a moment ago may
    be missing, for it writes behind. Empty where there is no file yet. `unreadable` hears of each
    damaged entry by its id. Raises ConfigError where the folder is missing, JikimiError where the
    file cannot be read.
    """
    path = state_dir / OUTBOX
    try:
        if not state_dir.is_dir():
            raise ConfigError(
                f"{state_dir}: there is no such state directory; name the service's with "
                "--state-dir (JIKIMI_STATE_DIR)"
            )
        old = state_dir / OLD_JOURNAL
        if old.exists() and not old.is_symlink():  # no daemon was started since the update
            path = old
        if not path.exists():
            return []
        if path.stat().st_size == 0:
            raise JikimiError(
                f"{path} is empty, for nothing could be written to it; is the disk full? "
                "`jikimi status` says what is wrong"
            )
        with closing(read_database(path)) as database:
            return _select(database, "ORDER BY opened_at DESC LIMIT ?", (limit,), unreadable)
    except (OSError, sqlite3.Error) as error:
        raise JikimiError(
            f"{path}: cannot read the incident journal ({error}); ask as the user that the "
            "service runs as, or move a damaged file aside"
        ) from error


def _select(
    database: sqlite3.Connection,
    clause: str,
    values: tuple[object, ...],
    unreadable: Callable[[str], None] | None = None,
) -> list[Entry]:
    query = f"SELECT {TABLES['incidents']} FROM incidents {clause}"  # noqa: S608 - clauses above
    found = []
    for row in database.execute(query, values).fetchall():
        try:
            found.append(_entry(row))
        except (ValueError, TypeError, AttributeError) as error:
            if unreadable:
                unreadable(str(row[0]))
            else:
                log.error("incident in the journal cannot be read", id=row[0], reason=str(error))  # noqa: TRY400 - the reason says it all
    return found


def _closed(incident: Incident, closed_at: datetime) -> Incident:
    # Nothing but the wall clock outlives a restart; one that was set back closes before it opened.
    duration_s = max(0.0, (closed_at - incident.opened_at).total_seconds())
    return replace(incident, closed_at=closed_at, phase=Phase.CLOSED, duration_s=duration_s)


def _entry(row: tuple[Any, ...]) -> Entry:
    """A row as it was written; ValueError or TypeError where it is damaged."""
    key, camera, label, opened, closed, peak, reason, messages = row
    for text in (camera, label, reason or ""):
        if not isinstance(text, str):
            raise TypeError("a name is no text")
    if not (0 <= peak <= 1 and 0 <= messages <= MAX_MESSAGES):
        raise ValueError("a number is out of range")
    opened_at = _instant(opened)
    incident = Incident(UUID(key), camera, label, opened_at, None, float(peak), Phase.UPDATED)
    if closed:
        incident = _closed(incident, _instant(closed))
    return Entry(incident, reason, int(messages))


def _instant(text: str) -> datetime:
    """Aware, and such that every time zone can show it."""
    found = datetime.fromisoformat(text)
    if found.tzinfo is None or found.year not in YEARS:
        raise ValueError("no time at which this can have been")
    return found
