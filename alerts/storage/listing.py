"""What waits in the outbox, as people are shown it."""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from dataclasses import dataclass

from alerts.message import Alert
from alerts.storage.set_aside import stored_alert


@dataclass(frozen=True, slots=True)
class Queued:
    """A message that waits for `sink`, without its picture, and for how long by now.

    `is_held`: for an operator to confirm it, or its incident.
    """

    sink: str
    alert: Alert
    age_s: float
    is_held: bool = False


def queued(database: sqlite3.Connection, at_most: int, now: float) -> list[Queued]:
    """Of each sink the `at_most` that were put first; `now` of the steady clock.

    What cannot be read is left out: delivering sets it aside and names it.
    """
    found = []
    sinks = database.execute("SELECT DISTINCT sink FROM queue ORDER BY sink").fetchall()
    for (sink,) in sinks:
        rows = database.execute(
            "SELECT phase, sent_at, body, incident_id IN (SELECT incident_id FROM queue"
            " WHERE sink = ?1 AND unconfirmed IS NOT NULL)"
            " FROM queue JOIN whole_alert USING (alert_id) WHERE sink = ?1"
            " ORDER BY position LIMIT ?2",
            (sink, at_most),
        )
        for phase, sent_at, body, is_held in rows:
            with suppress(ValueError):
                alert = stored_alert(body, phase)
                found.append(Queued(sink, alert, max(0.0, now - sent_at), bool(is_held)))
    return found
