"""Alarms that wait until an operator confirms them, dismisses them, or their time is over.

They are rows of the queue (`outbox.Hold`): an `opened` that is held is not due, nor is what follows
of its incident. Times are seconds of `alerts.clock.SteadyClock`, passed in; any thread may call.
"""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from dataclasses import dataclass

from alerts.admission import Stage
from alerts.message import Alert
from alerts.storage.outbox import Hold
from alerts.storage.pending import delivery, remember
from alerts.storage.queue import forget, remember_stage
from alerts.storage.set_aside import stored_alert
from alerts.storage.store import Store


@dataclass(frozen=True, slots=True)
class Held:
    """An alarm that waits for an operator; `alert` is None where its row cannot be read."""

    sink: str
    incident_id: str
    hold: Hold
    alert: Alert | None


class Confirmations:
    """The alarms that are held, of every sink, in the queue that `store` keeps."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def held(self) -> list[Held]:
        """All that wait, oldest first."""
        return self._store.locked(_held)

    def count(self, sink: str) -> int:
        """How many wait at `sink`; 0 once the store is closed."""
        try:
            ((count,),) = self._store.read(
                "SELECT count(*) FROM queue WHERE sink = ? AND unconfirmed IS NOT NULL", (sink,)
            )
        except sqlite3.ProgrammingError:
            return 0  # a last scrape of the metrics while the daemon ends
        return int(count)

    def is_held(self, incident_id: str) -> bool:
        """Whether a sink waits for an operator to confirm this incident."""
        sql = "SELECT 1 FROM queue WHERE incident_id = ? AND unconfirmed IS NOT NULL LIMIT 1"
        return bool(self._store.read(sql, (incident_id,)))

    def confirm(self, incident_id: str, now: float) -> list[str]:
        """Have what waits of this incident go out; at which sinks. Expiry counts from `now`."""
        return self._store.locked(
            lambda database: [
                self._release(one, now) for one in _held(database) if one.incident_id == incident_id
            ]
        )

    def dismiss(self, incident_id: str, now: float, reason: str) -> list[str]:
        """Drop what waits of this incident, and all that follows; at which sinks."""
        return self._store.locked(
            lambda database: [
                self._drop(one, now, "dismissed", reason)
                for one in _held(database)
                if one.incident_id == incident_id
            ]
        )

    def time_out(self, sink: str, now: float) -> tuple[list[Held], list[Held]]:
        """Do with what nobody has confirmed in time as was stated: what was sent, and dropped.

        Expiry counts from when the time was over: after a night without power no siren sounds.
        """
        if not self.count(sink):
            return [], []

        def act(database: sqlite3.Connection) -> tuple[list[Held], list[Held]]:
            over = [one for one in _held(database) if one.sink == sink and one.hold.until <= now]
            sent = [one for one in over if one.hold.then == "send"]
            dropped = [one for one in over if one.hold.then == "drop"]
            for one in sent:
                self._release(one, one.hold.until)
            for one in dropped:
                self._drop(one, now, "unconfirmed", "nobody confirmed it in time")
            return sent, dropped

        return self._store.locked(act)

    def set_stage(self, sink: str, incident_id: str, stage: Stage, now: float) -> None:
        """Say what an operator wants of an incident that `sink` has not heard of."""
        self._store.write(lambda found: remember_stage(found, sink, incident_id, stage, now))

    def _release(self, one: Held, at: float) -> str:
        self._store.write(
            lambda database: database.execute(
                "UPDATE queue SET retry_at = 0, unconfirmed = NULL, sent_at = max(sent_at, ?)"
                " WHERE sink = ? AND incident_id = ?",
                (at, one.sink, one.incident_id),
            )
        )
        return one.sink

    def _drop(self, one: Held, now: float, outcome: str, reason: str) -> str:
        """Nothing was told, so that nothing of it is told later, its end neither."""
        told = delivery(one.sink, one.alert, outcome, 0, reason) if one.alert else None
        row = (one.sink, one.incident_id)

        def write(database: sqlite3.Connection) -> int:
            forget(database, "sink = ? AND incident_id = ?", row)
            remember_stage(database, *row, Stage.DISMISSED, now)
            return remember(database, *told) if told else 0

        if lost := self._store.write(write):
            self._store.faults.lost("journal", lost)
        return one.sink


def _held(database: sqlite3.Connection) -> list[Held]:
    rows = database.execute(
        "SELECT sink, incident_id, retry_at, unconfirmed, phase, body FROM queue"
        " LEFT JOIN whole_alert USING (alert_id) WHERE unconfirmed IS NOT NULL ORDER BY position"
    ).fetchall()
    found = []
    for sink, incident, until, then, phase, body in rows:
        alert = None
        with suppress(ValueError):  # delivering sets it aside and names it
            alert = stored_alert(body or "", phase)
        found.append(Held(sink, incident, Hold(until, then), alert))
    return found
