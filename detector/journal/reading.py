"""The journal as it would be if all that waits were written, for who looks at incidents.

What the local store has beyond the journal is laid over it; where the journal cannot be read at
all, what the local store holds is all there is, and `trouble` says why.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path
from typing import TypeVar
from uuid import UUID

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from config.errors import JikimiError
from detector.journal import local, queries
from detector.journal.bodies import Record
from detector.journal.database import in_words, open_to_read
from detector.journal.local import Read
from detector.journal.queries import IncidentDetails, IncidentFilter, Position, with_judgement
from detector.journal.records import (
    AuditEntry,
    DeliveryRecord,
    EvidenceFile,
    IncidentRecord,
    Judgement,
    ScoreCurve,
)

MOST = 1_000_000

T = TypeVar("T")


class JournalReader:
    """Asks the journal at `where`, and the local store by `read`; safe from any thread."""

    def __init__(self, where: Path | str, read: Read, box: str = "") -> None:
        self._where = where
        self._read = read
        self._box = box
        self._engine: Engine | None = None
        self.trouble: str | None = None
        """Why the journal could not be asked the last time; None where it could."""
        self.damaged: list[str] = []
        """The local store's incidents that could not be read the last time, by id."""

    def incidents(
        self,
        of: IncidentFilter = IncidentFilter(),  # noqa: B008 - frozen
        limit: int = 50,
        before: Position | None = None,
    ) -> list[IncidentRecord]:
        """Those that `of` takes, newest first: see `queries.incidents`."""
        batch = local.waiting(self._read, self._box, MOST)
        self.damaged = [key for kind, key, _ in batch.damaged if kind == "incident"]
        beyond = [record for _, record in batch.pending]
        room = limit + len(batch.incidents) + len(beyond)
        rows = self._ask(lambda asked: queries.incidents(asked, of, room, before))
        if rows is None:
            rows = local.all_incidents(self._read, self._box, MOST)
        found = {one.id: one for one in rows}
        judgements = [record for record in beyond if isinstance(record, Judgement)]
        changed = {one.id for one in batch.incidents} | {one.incident_id for one in judgements}
        if changed:
            before_it = self._ask(lambda asked: queries.of_ids(asked, changed)) or []
            found |= {one.id: one for one in before_it}
        for one in batch.incidents:
            judged = found[one.id].judgement if one.id in found else None
            found[one.id] = replace(one, judgement=judged)
        for record in judgements:
            if record.incident_id in found:
                found[record.incident_id] = with_judgement(found[record.incident_id], record)
        wanted = [
            one
            for one in found.values()
            if of.takes(one) and (before is None or (one.opened_at, one.id) < before)
        ]
        return sorted(wanted, key=lambda one: (one.opened_at, one.id), reverse=True)[:limit]

    def incident(self, key: UUID) -> IncidentDetails | None:
        """All of one; None where nobody here knows it."""
        batch = local.waiting(self._read, self._box, MOST)
        found = self._ask(lambda asked: queries.incident(asked, key))
        own = [one for one in batch.incidents if one.id == key]
        if not own and found is None:
            here = local.all_incidents(self._read, self._box, MOST)
            own = [one for one in here if one.id == key]
        if own:
            found = _with_incident(found, own[0])
            found = self._ask(lambda asked: queries.details(asked, own[0])) or found
        if found is None:
            return None
        return _laid_over(found, [record for _, record in batch.pending])

    def deliveries(self, keys: Collection[UUID]) -> dict[UUID, list[DeliveryRecord]]:
        """What has become of the alerts of the incidents `keys`, as it came."""
        pending = [record for _, record in local.waiting(self._read, self._box, MOST).pending]
        rows = self._ask(lambda asked: queries.deliveries(asked, keys)) or []
        told = {(one.alert_id, one.sink): one for one in rows}
        for record in pending:
            if isinstance(record, DeliveryRecord) and record.incident_id in keys:
                told[record.alert_id, record.sink] = record
        found: dict[UUID, list[DeliveryRecord]] = {key: [] for key in keys}
        for one in sorted(told.values(), key=lambda one: (one.at, one.sink)):
            found[one.incident_id].append(one)
        return found

    def audit(
        self, limit: int, before: Position | None = None, target: str | None = None
    ) -> list[AuditEntry]:
        """Who did what (to `target` alone, where it is given), newest first."""
        rows = self._ask(lambda asked: queries.audit(asked, limit, before, target)) or []
        found = {one.id: one for one in rows}
        for _, record in local.waiting(self._read, self._box, MOST).pending:
            if isinstance(record, AuditEntry) and target in {None, record.target}:
                found[record.id] = record
        wanted = [one for one in found.values() if before is None or (one.at, one.id) < before]
        return sorted(wanted, key=lambda one: (one.at, one.id), reverse=True)[:limit]

    def asked(self, query: Callable[[Connection], T]) -> T | None:
        """What `query` finds in the journal alone, such as a report; None where it is away."""
        return self._ask(query)

    def close(self) -> None:
        """Let go of the connection."""
        if self._engine:
            self._engine.dispose()

    def _ask(self, query: Callable[[Connection], T]) -> T | None:
        try:
            if self._engine is None:
                self._engine = open_to_read(self._where)
            with self._engine.connect() as connection:
                found = query(connection)
        except (SQLAlchemyError, sqlite3.Error, OSError, ValueError, JikimiError) as error:
            self.trouble = in_words(self._where, error)
            return None
        self.trouble = None
        return found


def _with_incident(found: IncidentDetails | None, own: IncidentRecord) -> IncidentDetails:
    if found is None:
        return IncidentDetails(own, [], [], [], [])
    return replace(found, incident=own)


def _laid_over(found: IncidentDetails, beyond: list[Record]) -> IncidentDetails:
    key = found.incident.id
    told = {(one.alert_id, one.sink): one for one in found.deliveries}
    said = {one.id: one for one in found.judgements}
    files = {one.name: one for one in found.evidence}
    curves = {one.label: one for one in found.scores}
    for record in beyond:
        match record:
            case DeliveryRecord(incident_id=of) if of == key:
                told[record.alert_id, record.sink] = record
            case Judgement(incident_id=of) if of == key:
                said[record.id] = record
            case EvidenceFile(incident_id=of) if of == key:
                files[record.name] = record
            case ScoreCurve(incident_id=of) if of == key:
                curves[record.label] = record
    judgements = sorted(said.values(), key=lambda one: (one.order, one.id), reverse=True)
    return IncidentDetails(
        incident=replace(found.incident, judgement=judgements[0] if judgements else None),
        deliveries=sorted(told.values(), key=lambda one: (one.at, one.sink)),
        judgements=judgements,
        evidence=list(files.values()),
        scores=list(curves.values()),
    )
