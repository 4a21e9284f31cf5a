"""Messages that left the queue of a sink without having been delivered, and the way back.

Two tables: `refused` by the sink, for good; `unreadable` because of what
the row holds, such as damage or a phase of a newer release. Their alerts stay, picture included,
and their place among the messages of their incident is kept.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

import structlog
from pydantic import ValidationError

from alerts.message import Alert, AlertPhase

KEPT = 1000
"""Messages kept in each table; beyond that the oldest go."""

Table = Literal["refused", "unreadable"]


@dataclass(frozen=True, slots=True)
class Refused:
    """A message that `sink` refused for good: why, and when (UTC, seconds)."""

    sink: str
    alert: Alert
    reason: str
    at: float


def set_aside(
    database: sqlite3.Connection, table: Table, row: tuple[str, str], reason: str, at: float
) -> int:
    """Move the message of `row` (sink, alert id) from the queue into `table`.

    Returns how many of those before were given up for it.
    """
    # `table` is one of two literals, here and below.
    database.execute(
        f"INSERT OR REPLACE INTO {table}"  # noqa: S608
        " SELECT position, sink, alert_id, incident_id, phase, sent_at, no_image, ?, ? FROM queue"
        " WHERE sink = ? AND alert_id = ?",
        (reason, at, *row),
    )
    database.execute("DELETE FROM queue WHERE sink = ? AND alert_id = ?", row)
    old = database.execute(
        f"SELECT position, alert_id FROM {table} ORDER BY at DESC LIMIT -1 OFFSET ?",  # noqa: S608
        (KEPT,),
    ).fetchall()
    for position, key in old:
        database.execute(f"DELETE FROM {table} WHERE position = ?", (position,))  # noqa: S608
        forget_alert(database, key)
    return len(old)


def put_back(database: sqlite3.Connection, table: Table, alerts: Collection[UUID] | None) -> int:
    """Move messages of `alerts` (None: all) back to their place in the queue; how many."""
    keys = _keys(alerts)
    rows = database.execute(f"SELECT position, alert_id FROM {table}").fetchall()  # noqa: S608
    chosen = [position for position, key in rows if keys is None or key in keys]
    for position in chosen:
        database.execute(
            "INSERT OR IGNORE INTO queue"  # noqa: S608
            " (position, sink, alert_id, incident_id, phase, sent_at, no_image)"
            f" SELECT position, sink, alert_id, incident_id, phase, sent_at, no_image FROM {table}"
            " WHERE position = ?",
            (position,),
        )
        database.execute(f"DELETE FROM {table} WHERE position = ?", (position,))  # noqa: S608
    return len(chosen)


def drop_refused(
    database: sqlite3.Connection, alerts: Collection[UUID] | None
) -> list[tuple[str, str]]:
    """Delete refused messages of `alerts` (None: all); sink and alert of each."""
    keys = _keys(alerts)
    rows = database.execute("SELECT position, sink, alert_id FROM refused").fetchall()
    chosen = [row for row in rows if keys is None or row[2] in keys]
    for position, _, key in chosen:
        database.execute("DELETE FROM refused WHERE position = ?", (position,))
        forget_alert(database, key)
    return [(sink, key) for _, sink, key in chosen]


def refused(database: sqlite3.Connection) -> list[Refused]:
    """All that sinks refused, newest first; without what is damaged, which is named in the log."""
    rows = database.execute(
        "SELECT alert_id, sink, phase, no_image, reason, at, body, image FROM refused"
        " JOIN whole_alert USING (alert_id) ORDER BY at DESC, position DESC"
    ).fetchall()
    found = []
    for key, sink, phase, no_image, reason, at, body, image in rows:
        try:
            alert = stored_alert(body, phase, None if no_image else image)
        except ValueError:  # whose text holds the row
            structlog.get_logger().error("refused message cannot be read", sink=sink, alert=key)
        else:
            found.append(Refused(sink, alert, reason, at))
    return found


def _keys(alerts: Collection[UUID] | None) -> set[str] | None:
    return None if alerts is None else {str(alert_id) for alert_id in alerts}


def forget_alert(database: sqlite3.Connection, key: str) -> None:
    """Delete the alert unless it waits in the queue; a trigger keeps what is set aside."""
    database.execute(
        "DELETE FROM alert WHERE alert_id = ?1"
        " AND NOT EXISTS (SELECT 1 FROM queue WHERE alert_id = ?1)",
        (key,),
    )


def stored_alert(body: str, phase: str, image: object = None) -> Alert:
    """The alert as a sink shall see it; ValueError where it cannot be read.

    What a newer release added to it is left out, as is a picture that is none: damaged, a text
    stopped the sink that got it.
    """
    if not isinstance(image, bytes):
        image = None
    alert = Alert.model_validate_json(body, extra="ignore")
    return alert.model_copy(update={"image": image, "phase": AlertPhase(phase)})


def why_unreadable(error: ValueError) -> str:
    """What `stored_alert` says, without what the row holds: a message is no place for it."""
    if isinstance(error, ValidationError):
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        return f"{where}: {first['msg']}" if where else first["msg"]
    return str(error)
