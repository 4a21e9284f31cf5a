"""An alert's row, such that an earlier release can deliver it, too.

That release takes no field that it does not know: those that have come since stand in a table
beside it, and `whole_alert` (a view) has both.
"""

from __future__ import annotations

import json
import sqlite3

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


def body_of(alert: Alert) -> str:
    """What is kept of it as JSON: all but its picture."""
    return alert.model_dump_json(exclude={"image"})


def put_alert(database: sqlite3.Connection, key: str, body: str, image: bytes | None) -> None:
    """Keep the alert `key` with its JSON object `body`; one that is there stays as it is."""
    fields = json.loads(body)
    first = {name: value for name, value in fields.items() if name in _FIRST}
    added = {
        name: value for name, value in fields.items() if name not in _FIRST and value is not None
    }
    database.execute(
        "INSERT OR IGNORE INTO alert VALUES (?, ?, ?, ?)",
        (key, len(image or b""), _written(first), image),
    )
    if added:
        database.execute(
            "INSERT OR IGNORE INTO alert_details VALUES (?, ?)", (key, _written(added))
        )


def _written(fields: dict[str, object]) -> str:
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
