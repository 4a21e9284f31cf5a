"""What waits in an outbox, such that another box can deliver it in its place.

Each keeps its `alert_id`: where both boxes deliver it, the receiver knows it for a repeat.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from alerts.admission import Stage
from alerts.clock import SteadyClock
from alerts.message import AlertPhase
from alerts.routing import CAMERA_NOTICES
from alerts.storage.alerts import put_alert, split
from alerts.storage.queue import remember_stage
from alerts.storage.store import Store

_ROWS = """
SELECT sink, alert_id, incident_id, json_extract(body, '$.camera'), phase, position, sent_at,
    body, image, no_image, retry_at, unconfirmed
FROM queue JOIN whole_alert USING (alert_id)
WHERE json_array(sink, alert_id) IN (SELECT value FROM json_each(?)) AND json_valid(body)
ORDER BY position
"""


@dataclass(frozen=True, slots=True)
class Undelivered:
    """A row of the queue with its alert; `body`: JSON without the picture `image`, a JPEG.

    `position`: its place among those of its box. `held_until`: it waits for an operator, and then
    becomes of it what `unconfirmed` says.
    """

    sink: str
    alert_id: UUID
    incident_id: UUID
    camera: str
    phase: str
    position: int
    sent_at: datetime
    body: str
    image: bytes | None
    no_image: bool
    held_until: datetime | None
    unconfirmed: str | None


def waiting(store: Store, sinks: Collection[str]) -> set[tuple[str, UUID]]:
    """Sink and alert of all that waits for one of `sinks`, but of damaged rows."""
    found = set()
    for sink, key in store.read("SELECT sink, alert_id FROM queue"):
        with suppress(ValueError, TypeError, AttributeError):
            if sink in sinks:
                found.add((sink, UUID(key)))
    return found


def undelivered(store: Store, chosen: Iterable[tuple[str, UUID]]) -> list[Undelivered]:
    """Those of these messages that wait still, by sink and alert, in the order they were put."""
    keys = json.dumps([json.dumps([sink, str(key)], separators=(",", ":")) for sink, key in chosen])
    found = []
    for row in store.read(_ROWS, (keys,)):
        with suppress(ValueError, TypeError, AttributeError):  # damaged: this box says so
            found.append(_undelivered(store.clock, row))
    return found


def _undelivered(clock: SteadyClock, row: tuple[Any, ...]) -> Undelivered:
    sink, key, incident, camera, phase, position, sent_at = row[:7]
    body, image, no_image, retry_at, unconfirmed = row[7:]
    return Undelivered(
        sink=sink,
        alert_id=UUID(key),
        incident_id=UUID(incident),
        camera=camera,
        phase=phase,
        position=position,
        sent_at=clock.utc(sent_at),
        body=body,
        image=image,
        no_image=bool(no_image),
        held_until=None if unconfirmed is None else clock.utc(retry_at),
        unconfirmed=unconfirmed,
    )


def take_over(
    store: Store,
    rows: Sequence[Undelivered],
    told: Iterable[tuple[str, UUID]],
) -> None:
    """Queue `rows` here; `told`: sink and incident, where that has been told already.

    What follows of those incidents goes to the same sinks. Twice changes nothing.
    """
    now, utc = store.clock.now(), datetime.now(UTC)

    def steady(at: datetime) -> float:
        return now - (utc - at).total_seconds()

    alerts = {str(row.alert_id): (split(row.body), row.image) for row in rows}
    queue = [
        (
            row.sink,
            str(row.alert_id),
            str(row.incident_id),
            row.phase,
            steady(row.sent_at),
            steady(row.held_until) if row.held_until else 0.0,
            row.no_image,
            row.unconfirmed,
        )
        for row in rows
    ]
    stages = [(sink, str(key)) for sink, key in told]
    stages += [
        (row.sink, str(row.incident_id))
        for row in rows
        if row.phase not in {*CAMERA_NOTICES, AlertPhase.CLOSED}
    ]

    def change(database: sqlite3.Connection) -> None:
        for key, alert in alerts.items():
            put_alert(database, key, *alert)
        database.executemany(
            "INSERT OR IGNORE INTO queue (sink, alert_id, incident_id, phase, sent_at, retry_at,"
            " no_image, unconfirmed) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            queue,
        )
        for sink, incident in stages:
            remember_stage(database, sink, incident, Stage.TOLD, now)

    store.write(change)
