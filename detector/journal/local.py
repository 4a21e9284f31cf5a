"""What the local store holds of what the journal keeps: its own incidents, and what waits.

For who feeds the journal, and for who reads while it is away.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from detector.journal.bodies import KINDS, Record, from_body
from detector.journal.records import IncidentRecord

MAX_MESSAGES = 2**31
"""More of one incident is damage."""

_INCIDENTS = """
SELECT id, camera, label, opened_at, closed_at, peak, reason, messages, site, epoch
FROM incidents LEFT JOIN incident_details USING (id)
WHERE {what} AND id NOT IN (SELECT value FROM json_each(?)) LIMIT ?
"""

_PENDING = f"""
SELECT kind, key, body FROM pending WHERE kind IN ({", ".join("?" * len(KINDS))})
ORDER BY rowid LIMIT ?
"""  # noqa: S608 - question marks

Read = Callable[[str, tuple[object, ...]], list[tuple[Any, ...]]]
"""`Store.read`, or the same of a file."""


@dataclass
class Batch:
    """What waits: incidents; rows of `pending` with what they say; what cannot be read, and why."""

    incidents: list[IncidentRecord] = field(default_factory=list)
    pending: list[tuple[tuple[str, str, str], Record]] = field(default_factory=list)
    damaged: list[tuple[str, str, str]] = field(default_factory=list)
    """Kind (`incident`, or one of `KINDS`), key, reason."""

    def __bool__(self) -> bool:
        return bool(self.incidents or self.pending or self.damaged)


def waiting(read: Read, box: str, limit: int, but: Collection[str] = ()) -> Batch:
    """What the journal has not yet, at most `limit` of each; without the incidents `but`."""
    batch = Batch()
    what = "ifnull(CAST(journalled AS INTEGER), 0) < messages"
    _add_incidents(batch, read(_INCIDENTS.format(what=what), (json.dumps([*but]), limit)), box)
    for kind, key, body in read(_PENDING, (*KINDS, limit)):
        try:
            batch.pending.append(((kind, key, body), from_body(kind, body)))
        except (ValueError, TypeError, AttributeError) as error:
            batch.damaged.append((kind, key, str(error)))
    return batch


def all_incidents(read: Read, box: str, limit: int) -> list[IncidentRecord]:
    """Those that are here, whether the journal has them or not; without damaged ones."""
    batch = Batch()
    _add_incidents(batch, read(_INCIDENTS.format(what="true"), ("[]", limit)), box)
    return batch.incidents


def mark(batch: Batch) -> Callable[[sqlite3.Connection], None]:
    """What makes the store forget that `batch` waits, for the journal has it.

    What has changed meanwhile still waits.
    """
    incidents = [(one.messages, str(one.id)) for one in batch.incidents]
    rows = [row for row, _ in batch.pending]
    damaged = [(kind, key) for kind, key, _ in batch.damaged if kind in KINDS]

    def change(database: sqlite3.Connection) -> None:
        database.executemany(
            "INSERT INTO incident_details (id, journalled) SELECT id, ? FROM incidents WHERE id = ?"
            " ON CONFLICT (id) DO UPDATE"
            " SET journalled = max(CAST(journalled AS INTEGER), excluded.journalled)",
            incidents,
        )
        database.executemany("DELETE FROM pending WHERE kind = ? AND key = ? AND body = ?", rows)
        database.executemany(
            "UPDATE OR REPLACE pending SET kind = 'unreadable-' || kind WHERE kind = ? AND key = ?",
            damaged,
        )

    return change


def try_again(database: sqlite3.Connection) -> None:
    """What could not be read waits again: this release may be the one that reads it."""
    database.execute(
        "UPDATE OR IGNORE pending SET kind = substr(kind, 12) WHERE kind LIKE 'unreadable-%'"
    )


def _add_incidents(batch: Batch, rows: Iterable[tuple[Any, ...]], box: str) -> None:
    for row in rows:
        try:
            batch.incidents.append(_incident(row, box))
        except (ValueError, TypeError, AttributeError) as error:
            batch.damaged.append(("incident", str(row[0]), str(error)))


def _incident(row: tuple[Any, ...], box: str) -> IncidentRecord:
    key, camera, label, opened, closed, peak, reason, messages, site, epoch = row
    for text in (camera, label, reason or "", site or ""):
        if not isinstance(text, str):
            raise TypeError("a name is no text")
    if not (0 <= peak <= 1 and 0 <= messages <= MAX_MESSAGES):
        raise ValueError("a number is out of range")
    return IncidentRecord(
        id=UUID(key),
        camera=_clean(camera),
        label=_clean(label),
        opened_at=_instant(opened),
        closed_at=_instant(closed) if closed else None,
        peak=float(peak),
        reason=reason and _clean(reason),
        messages=int(messages),
        site=site,
        box=box,
        epoch=None if epoch is None else int(epoch),
    )


def _clean(text: str) -> str:
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")


def _instant(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    if found.tzinfo is None or not 1970 <= found.year < 9999:
        raise ValueError("no time at which this can have been")
    return found.astimezone(UTC)
