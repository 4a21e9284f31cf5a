"""An alert's row, such that an earlier release can deliver it, too.

That release takes no field that it does not know: those that have come since stand in a table
beside it, and `whole_alert` (a view) has both.
"""

from __future__ import annotations

import json
import sqlite3
from typing import NamedTuple

from alerts.message import Alert

_FIRST = {
    "schema_version",
    "alert_id",
    "incident_id",
    "sequence",
    "phase",
    "exercise",
    "late",
    "label",
    "score",
    "camera",
    "site",
    "location",
    "station",
    "opened_at",
    "sent_at",
    "reason",
    "links",
}
"""The fields that every release knows."""


class Body(NamedTuple):
    """JSON objects: what every release knows, and what has come since (None: nothing)."""

    first: str
    added: str | None


def body_of(alert: Alert) -> Body:
    """What is kept of it: all but its picture."""
    return split(alert.model_dump_json(exclude={"image"}))


def split(body: str) -> Body:
    """A JSON object of an alert, by who knows its fields."""
    fields = json.loads(body)
    first = {name: value for name, value in fields.items() if name in _FIRST}
    added = {
        name: value for name, value in fields.items() if name not in _FIRST and value is not None
    }
    return Body(_written(first), _written(added) if added else None)


def put_alert(database: sqlite3.Connection, key: str, body: Body, image: bytes | None) -> None:
    """Keep the alert `key`; one that is there stays as it is."""
    database.execute(
        "INSERT OR IGNORE INTO alert VALUES (?, ?, ?, ?)",
        (key, len(image or b""), body.first, image),
    )
    if body.added:
        database.execute("INSERT OR IGNORE INTO alert_details VALUES (?, ?)", (key, body.added))


def _written(fields: dict[str, object]) -> str:
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
