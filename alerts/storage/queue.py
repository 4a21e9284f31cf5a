"""The rows of the queue of alerts: which is due, and what is forgotten, within a transaction.

What a table holds stands in `database`; times are seconds of `alerts.clock.SteadyClock`.
"""

from __future__ import annotations

import sqlite3
from typing import Final

from alerts.admission import Stage
from alerts.storage.set_aside import forget_alert

MAX_IMAGE_BYTES = 64 * 2**20
"""About a thousand pictures of 640×360: an hour's outage of sixteen busy cameras."""

KEPT_IMAGES = 0.875
"""Share that stays when pictures are dropped; below 1, for looking for them costs 60 ms."""

DUE: Final = """
SELECT alert_id, phase, sent_at, attempts, no_image FROM queue AS q
WHERE sink = ? AND {rank} AND retry_at <= ? AND unconfirmed IS NULL
AND alert_id NOT IN (SELECT value FROM json_each(?)) AND NOT EXISTS (
    SELECT 1 FROM queue AS before WHERE before.sink = q.sink
    AND before.incident_id = q.incident_id AND before.position < q.position
) ORDER BY position {order} LIMIT 1
"""

ALL_DUE = """
SELECT alert_id, phase, sent_at, attempts, no_image FROM queue AS q
WHERE sink = ? AND NOT EXISTS (
    SELECT 1 FROM queue AS before WHERE before.sink = q.sink
    AND before.incident_id = q.incident_id AND before.position <= q.position
    AND (before.retry_at > ? OR before.unconfirmed IS NOT NULL
        OR before.alert_id IN (SELECT value FROM json_each(?)))
) ORDER BY phase <> 'opened', position LIMIT ?
"""

NOT_HELD = (
    "incident_id NOT IN (SELECT incident_id FROM queue WHERE sink = ? AND unconfirmed IS NOT NULL)"
)
OLD = f"sink = ? AND sent_at < ? AND {NOT_HELD}"


def forget(database: sqlite3.Connection, where: str, values: tuple[object, ...]) -> None:
    """Delete rows of the queue and every alert that no sink waits for any more.

    `where`: a literal.
    """
    rows = database.execute(f"DELETE FROM queue WHERE {where} RETURNING alert_id", values)  # noqa: S608
    for (key,) in rows.fetchall():
        forget_alert(database, key)


def remember_stage(
    database: sqlite3.Connection, sink: str, incident: str, stage: Stage, at: float
) -> None:
    """Where `incident` stands at `sink` from now on."""
    database.execute(
        "INSERT OR REPLACE INTO stage VALUES (?, ?, ?, ?)", (sink, incident, stage, at)
    )


def drop_images(database: sqlite3.Connection) -> None:
    """Drop pictures beyond `MAX_IMAGE_BYTES`: of `updated` and `closed` first, the oldest first."""
    (total,) = database.execute(
        "SELECT total(image_bytes) FROM alert WHERE image_bytes > 0"
    ).fetchone()
    if total <= MAX_IMAGE_BYTES:
        return
    rows = database.execute(
        "SELECT alert_id, image_bytes FROM alert LEFT JOIN queue USING (alert_id)"
        " WHERE image_bytes > 0 GROUP BY alert_id"
        " ORDER BY max(ifnull(phase, '') = 'opened'), min(position)"  # set aside: the first to go
    ).fetchall()
    for key, size in rows:
        if total <= KEPT_IMAGES * MAX_IMAGE_BYTES:
            break
        database.execute(
            "UPDATE alert SET image = NULL, image_bytes = 0 WHERE alert_id = ?", (key,)
        )
        total -= size
