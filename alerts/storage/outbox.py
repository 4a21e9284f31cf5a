"""Alerts that wait for sinks, kept on disk until each sink has acknowledged them.

It stores and orders; when to try, and what a failure means, is `alerts.delivery`'s business.
Times are seconds of `alerts.clock.SteadyClock`, passed in. Every method may be called from any
thread.
It is worked on in memory, and every change goes to the file right behind it
(`alerts.storage.store`): neither an alarm nor a sink waits for the disk.

Order: within one sink and incident as they were put. Among incidents `opened` goes first, so
that after an outage a new alarm does not wait behind old messages.

An `opened` may be held for an operator to confirm it (`Hold`, `confirming.py`): until then neither
it nor what follows of its incident is due, nor old.

Growth is bounded in two steps, never at the cost of an `opened`: an `updated` replaces the one
of its incident that still waits, so that an outage leaves at most three messages an incident;
and beyond `MAX_IMAGE_BYTES` pictures are dropped, of `updated` and `closed` first, the oldest
first, and their alerts go out without. What remains is about 2 kB an incident.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

import structlog

from alerts.admission import Stage
from alerts.message import Alert, AlertPhase
from alerts.storage import set_aside
from alerts.storage.alerts import body_of, put_alert
from alerts.storage.listing import Queued, queued
from alerts.storage.pending import delivery, remember
from alerts.storage.queue import ALL_DUE, DUE, NOT_HELD, OLD, drop_images, forget, remember_stage
from alerts.storage.set_aside import Refused, stored_alert
from alerts.storage.store import Store
from alerts.storage.write_behind import Change

KEPT_S = 7 * 86_400.0
"""How long stages, and messages for a sink that is no longer configured, are kept."""


@dataclass(frozen=True, slots=True)
class Message:
    """An alert that waits for a sink, as that sink shall see it, and how often it was tried.

    `sent_at`: when it was put, by the steady clock (the alert's own is what people read).
    """

    sink: str
    alert: Alert
    sent_at: float
    attempts: int


@dataclass(frozen=True, slots=True)
class Hold:
    """Until when (steady clock) an `opened` waits for an operator to confirm it, and what then."""

    until: float
    then: Literal["send", "drop"]


@dataclass(frozen=True, slots=True)
class Waiting:
    """How much waits for a sink: messages, and the oldest one's `sent_at` (None: nothing)."""

    depth: int
    oldest_at: float | None


class Outbox:
    """The durable queue of every sink."""

    def __init__(self, store: Store) -> None:
        self._read = store.read
        self._write = store.write
        self._locked = store.locked
        self._faults = store.faults
        self._wait_written = store.file.wait_written

    def put(
        self,
        alert: Alert,
        phases: Mapping[str, AlertPhase],
        now: float,
        stages: Mapping[str, Stage] | None = None,
        also: Change | None = None,
        holds: Mapping[str, Hold] | None = None,
    ) -> None:
        """Queue `alert` for each sink in `phases`, as the phase given there.

        `stages`: where the incident stands now at each sink, to be remembered. Putting the same
        alert twice changes nothing. `also` is applied in the same transaction. `holds`: of sinks
        that it waits at for an operator.
        """
        key, incident = str(alert.alert_id), str(alert.incident_id)
        body = body_of(alert)

        def write(database: sqlite3.Connection) -> None:
            if phases:
                put_alert(database, key, body, alert.image)
            for sink, phase in phases.items():
                if phase is AlertPhase.UPDATED:
                    forget(
                        database,
                        "sink = ? AND incident_id = ? AND phase = ? AND alert_id <> ?",
                        (sink, incident, phase, key),
                    )
                hold = (holds or {}).get(sink)
                until, unconfirmed = (hold.until, hold.then) if hold else (0.0, None)
                database.execute(
                    "INSERT OR IGNORE INTO queue (sink, alert_id, incident_id, phase, sent_at,"
                    " retry_at, unconfirmed) VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (sink, key, incident, phase, now, until, unconfirmed),
                )
            for sink, stage in (stages or {}).items():
                remember_stage(database, sink, incident, stage, now)
            drop_images(database)
            if also:
                also(database)

        self._write(write)

    def put_behind(self, message: Message, alert: Alert) -> None:
        """Queue `alert` for the sink of `message`, unless news of its incident waits there."""
        values = (message.sink, str(alert.alert_id), str(alert.incident_id))
        body = body_of(alert)

        def write(database: sqlite3.Connection) -> None:
            sink, key, incident = values
            waits = database.execute(
                "SELECT 1 FROM queue WHERE sink = ? AND incident_id = ?", (sink, incident)
            ).fetchone()
            if not waits:
                put_alert(database, key, body, alert.image)
                database.execute(
                    "INSERT OR IGNORE INTO queue (sink, alert_id, incident_id, phase, sent_at)"
                    " VALUES (?, ?, ?, ?, ?)",
                    (*values, alert.phase, message.sent_at),
                )

        self._write(write)

    def next_due(self, sink: str, now: float, but: Collection[UUID] = ()) -> Message | None:
        """The message to deliver next, None where nothing is due: the oldest, alarms first.

        With `but`, none of these alerts, and the newest: a new alarm is the first to be tried.
        A kill does not undo it: the file has it, but where the disk fails.
        """
        message = self._locked(lambda _: self._next_due(sink, now, [str(key) for key in but]))
        if message:
            self._wait_written()
        return message

    def all_due(
        self, sink: str, now: float, but: Collection[UUID] = (), most: int = 1
    ) -> list[Message]:
        """What is due, at most `most`: every `opened` first, then the rest, each oldest first.

        Of an incident all that waits, unless one before it is not due or in `but`. What a kill
        undoes is not among it, as of `next_due`.
        """
        messages = self._locked(lambda _: self._all_due(sink, now, but, most))
        if messages:
            self._wait_written()
        return messages

    def next_retry_at(self, sink: str) -> float | None:
        """When the next message is due, or None where none waits."""
        ((when,),) = self._read(
            "SELECT min(retry_at) FROM queue"  # noqa: S608 - same
            f" WHERE sink = ? AND (unconfirmed IS NOT NULL OR {NOT_HELD})",
            (sink, sink),
        )
        return None if when is None else float(when)

    def acknowledge(self, message: Message, *, late: bool = False, attempts: int = 1) -> None:
        """The sink has it: forget it; an `opened` starts the cooldown.

        The cooldown runs from the message's `sent_at`: one that an outage has delayed for an hour
        must not hold back a new alarm.
        """
        alert = message.alert
        row = delivery(message.sink, alert, "late" if late else "delivered", attempts)

        def write(database: sqlite3.Connection) -> int:
            forget(database, "sink = ? AND alert_id = ?", (message.sink, str(alert.alert_id)))
            if alert.phase is AlertPhase.OPENED and not alert.exercise:
                database.execute(
                    "INSERT INTO delivered VALUES (?, ?, ?) ON CONFLICT DO"
                    " UPDATE SET at = max(at, excluded.at)",
                    (message.sink, alert.camera, message.sent_at),
                )
            return remember(database, *row)

        self._note_lost(self._write(write))

    def retry_at(self, message: Message, when: float) -> None:
        """It failed: try again at `when`."""
        self._write(
            lambda database: database.execute(
                "UPDATE queue SET attempts = attempts + 1, retry_at = ?"
                " WHERE sink = ? AND alert_id = ?",
                (when, message.sink, str(message.alert.alert_id)),
            )
        )

    def expire(
        self, sink: str, sent_before: float, attempts: Mapping[UUID, int] | None = None
    ) -> list[Alert]:
        """Drop what waits for `sink` and is older; returns the alerts dropped.

        An incident whose `opened` goes is withheld from the sink altogether. One that waits for an
        operator is not old, however long he takes.
        """
        tried = attempts or {}
        dropped: list[Alert] = []
        gone: list[tuple[str, str, dict[str, Any]]] = []

        def write(database: sqlite3.Connection) -> int:
            rows: list[tuple[str, str, str]] = database.execute(
                "SELECT body, incident_id, phase FROM queue"  # noqa: S608 - a constant
                f" JOIN whole_alert USING (alert_id) WHERE {OLD}",
                (sink, sent_before, sink),
            ).fetchall()
            forget(database, OLD, (sink, sent_before, sink))
            for _, incident, phase in rows:
                if phase == AlertPhase.OPENED:
                    forget(database, "sink = ? AND incident_id = ?", (sink, incident))
                    remember_stage(database, sink, incident, Stage.WITHHELD, sent_before)
            if not gone:  # the file behind gets just what memory got
                for body, _, phase in rows:
                    with suppress(ValueError):  # what cannot be read is not named
                        dropped.append(stored_alert(body, phase))
                gone.extend(
                    delivery(sink, one, "expired", tried.get(one.alert_id, 0)) for one in dropped
                )
            return sum(remember(database, *row) for row in gone)

        ((any_old,),) = self._read(
            f"SELECT EXISTS (SELECT 1 FROM queue WHERE {OLD})",  # noqa: S608 - same
            (sink, sent_before, sink),
        )
        if any_old:
            self._note_lost(self._write(write))
        return dropped

    def refuse(self, message: Message, reason: str, attempts: int = 1) -> None:
        """The sink refuses this message for good: keep it aside; what follows it goes on."""
        refusal = delivery(message.sink, message.alert, "refused", attempts, reason)
        self._set_aside("refused", (message.sink, str(message.alert.alert_id)), reason, refusal)

    def refused(self) -> list[Refused]:
        """What sinks refused for good, newest first; at most `set_aside.KEPT`."""
        return self._locked(set_aside.refused)

    def refused_count(self, sink: str) -> int:
        """How many messages `sink` refused that are kept aside; 0 once the outbox is closed."""
        try:
            ((count,),) = self._read("SELECT count(*) FROM refused WHERE sink = ?", (sink,))
        except sqlite3.ProgrammingError:
            return 0
        return int(count)

    def send_again(self, alert_ids: Collection[UUID] | None) -> int:
        """Queue refused messages of these alerts (None: all) again, where they stood; how many."""
        return self._write(lambda database: set_aside.put_back(database, "refused", alert_ids))

    def drop_refused(self, alert_ids: Collection[UUID] | None) -> list[tuple[str, str]]:
        """Delete what was refused of these alerts (None: all); sink and alert of each message."""
        return self._write(lambda database: set_aside.drop_refused(database, alert_ids))

    def drop_image(self, message: Message) -> None:
        """The sink does not take this message's picture: it is due again, without."""
        self._write(
            lambda database: database.execute(
                "UPDATE queue SET no_image = 1, retry_at = 0 WHERE sink = ? AND alert_id = ?",
                (message.sink, str(message.alert.alert_id)),
            )
        )

    def unreadable(self) -> int:
        """How many messages are kept aside because they cannot be read."""
        ((count,),) = self._read("SELECT count(*) FROM unreadable", ())
        return int(count)

    def stage(self, sink: str, incident_id: str) -> Stage | None:
        """Where an incident stands at a sink; None where the sink never heard of it."""
        rows = self._read(
            "SELECT stage FROM stage WHERE sink = ? AND incident_id = ?", (sink, incident_id)
        )
        known = bool(rows) and rows[0][0] in set(Stage)  # a newer release may know more stages
        return Stage(rows[0][0]) if known else None

    def delivered_at(self, sink: str, camera: str) -> float | None:
        """`sent_at` of the newest `opened` of this camera that the sink has acknowledged."""
        rows = self._read("SELECT at FROM delivered WHERE sink = ? AND camera = ?", (sink, camera))
        return float(rows[0][0]) if rows else None

    def waiting(self, sink: str) -> Waiting:
        """How much waits for `sink`, and not for an operator; nothing once the outbox is closed."""
        try:
            ((depth, oldest),) = self._read(
                f"SELECT count(*), min(sent_at) FROM queue WHERE sink = ? AND {NOT_HELD}",  # noqa: S608 - same
                (sink, sink),
            )
        except sqlite3.ProgrammingError:
            return Waiting(0, None)  # a last scrape of the metrics while the daemon ends
        return Waiting(depth, oldest)

    def queued(self, at_most: int, now: float) -> list[Queued]:
        """What waits: of each sink the `at_most` that were put first."""
        return self._locked(lambda database: queued(database, at_most, now))

    def tidy(self, sinks: Collection[str], now: float) -> None:
        """Forget what nobody will ask for again: see `KEPT_S`."""
        old, configured = now - KEPT_S, set(sinks)

        def write(database: sqlite3.Connection) -> None:
            database.execute("DELETE FROM silence WHERE until < ?", (now,))
            database.execute("DELETE FROM stage WHERE at < ?", (old,))
            database.execute("DELETE FROM delivered WHERE at < ?", (old,))
            for (sink,) in database.execute("SELECT DISTINCT sink FROM queue").fetchall():
                if sink not in configured:
                    forget(database, "sink = ? AND sent_at < ?", (sink, old))

        self._write(write)

    def _next_due(self, sink: str, now: float, but: list[str]) -> Message | None:
        # One query a rank, each answered by an index alone: a sort over all that waits would
        # read every picture to deliver one.
        for rank in ("phase = 'opened'", "phase <> 'opened'"):
            query = DUE.format(rank=rank, order="DESC" if but else "ASC")
            while found := self._read(query, (sink, now, json.dumps(but))):
                if message := self._message(sink, found[0]):
                    return message
        return None

    def _all_due(self, sink: str, now: float, but: Collection[UUID], most: int) -> list[Message]:
        passed_over = json.dumps([str(key) for key in but])
        rows = self._read(ALL_DUE, (sink, now, passed_over, most))
        return [message for row in rows if (message := self._message(sink, row))]

    def _message(self, sink: str, row: Sequence[Any]) -> Message | None:
        """The message of a row of the queue; set aside where it cannot be read."""
        key, phase, sent_at, attempts, no_image = row
        try:
            ((body, image),) = self._read(
                "SELECT body, image FROM whole_alert WHERE alert_id = ?", (key,)
            )
            alert = stored_alert(body, phase, None if no_image else image)
        except ValueError as error:
            self._set_aside_unreadable(sink, key, phase, error)
            return None
        return Message(sink, alert, sent_at, attempts)

    def _set_aside_unreadable(self, sink: str, key: str, phase: str, error: ValueError) -> None:
        """A row that is damaged, or of a newer release, must not hold up what is behind it."""
        reason = set_aside.why_unreadable(error)
        self._set_aside("unreadable", (sink, key), reason)
        structlog.get_logger().error(
            "message in the outbox cannot be read, set aside; it may be of a newer release",
            sink=sink,
            alert=key,
            phase=phase,
            reason=reason,
        )

    def _set_aside(
        self,
        table: set_aside.Table,
        row: tuple[str, str],
        reason: str,
        refusal: tuple[str, str, dict[str, Any]] | None = None,
    ) -> None:
        at = time.time()

        def write(database: sqlite3.Connection) -> tuple[int, int]:
            lost = remember(database, *refusal) if refusal else 0
            return set_aside.set_aside(database, table, row, reason, at), lost

        given_up, lost = self._write(write)
        if given_up:
            self._faults.lost(table, given_up)
        self._note_lost(lost)

    def _note_lost(self, count: int) -> None:
        if count:
            self._faults.lost("journal", count)
