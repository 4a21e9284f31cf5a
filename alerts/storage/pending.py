"""What the journal behind has not yet, kept in the store in the transaction of the change itself.

So a journal that is away for a day, or a kill at any moment, loses nothing of it. Incidents need
no row here: their own says how much of it the journal has (`journalled`). A row is known by its
kind and key; a later one takes the place of an earlier one. Bodies are JSON objects.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from alerts.message import Alert

KEPT: Final = 20_000
"""Rows of each group of `GROUPS` that wait at most, about 10 MB; beyond, the oldest are lost."""

DELIVERY = "delivery"

GROUPS: Final = (
    (DELIVERY, "camera", "scores"),
    ("judgement", "audit", "evidence", "handover"),
)
"""Kinds that share a bound: what comes by itself, and what people asked for."""


def remember(
    database: sqlite3.Connection, kind: str, key: str, body: Mapping[str, Any] | str
) -> int:
    """Have `body` written into the journal; returns how many older rows were given up for it."""
    text = body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)
    database.execute("INSERT OR REPLACE INTO pending VALUES (?, ?, ?)", (kind, key, text))
    group = next(group for group in GROUPS if kind in group)
    marks = ", ".join("?" * len(group))
    ((count,),) = database.execute(
        f"SELECT count(*) FROM pending WHERE kind IN ({marks})",  # noqa: S608 - question marks
        group,
    )
    if count <= KEPT:
        return 0
    return database.execute(
        "DELETE FROM pending WHERE rowid IN ("  # noqa: S608 - same
        f"SELECT rowid FROM pending WHERE kind IN ({marks}) ORDER BY rowid LIMIT ?)",
        (*group, count - KEPT),
    ).rowcount


def delivery(
    sink: str, alert: Alert, outcome: str, attempts: int, reason: str | None = None
) -> tuple[str, str, dict[str, Any]]:
    """Kind, key and body of what became of `alert` at `sink`.

    `outcome`: `delivered`, `late`, `refused`, `expired`, `dismissed` (by an
    operator) or `unconfirmed` (in time). `attempts`: since the daemon started.
    """
    body = {
        "alert_id": str(alert.alert_id),
        "sink": sink,
        "incident_id": str(alert.incident_id),
        "camera": alert.camera,
        "phase": alert.phase.value,
        "exercise": alert.exercise,
        "outcome": outcome,
        "sent_at": alert.sent_at.astimezone(UTC).isoformat(),
        "at": datetime.now(UTC).isoformat(),
        "attempts": attempts,
        "reason": reason,
    }
    return DELIVERY, f"{alert.alert_id}/{sink}", body
