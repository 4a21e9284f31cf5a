"""Records into the journal, as often as one likes: ids are keys, and later news wins.

News of an incident is later where it closes it, or tells of more messages: an open state that
comes late, as after a kill, never takes the place of a closed one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, and_, delete, exists, or_, select, update

from detector.journal import claims, tables
from detector.journal.bodies import Record
from detector.journal.records import (
    STOPPED,
    AuditEntry,
    CameraStateRecord,
    DeliveryRecord,
    EvidenceFile,
    Handover,
    IncidentRecord,
    Judgement,
    Outcome,
    ScoreCurve,
)

RETENTION = timedelta(days=90)

AUDIT_RETENTION = timedelta(days=730)
"""Two years: what Korean rules ask of records of access to the data of many people."""

_TOLD = (Outcome.DELIVERED.value, Outcome.LATE.value)

_TABLES: dict[type[Record], Table] = {
    AuditEntry: tables.audit,
    CameraStateRecord: tables.camera_states,
    DeliveryRecord: tables.deliveries,
    EvidenceFile: tables.evidence_files,
    Handover: tables.handovers,
    Judgement: tables.judgements,
    ScoreCurve: tables.score_curves,
}

Row = dict[str, Any]


def write(
    connection: Connection, box: str, incidents: Iterable[IncidentRecord], records: Iterable[Record]
) -> None:
    """Write all of it, or nothing; within a transaction. `box`: whose camera states these are.

    An incident by an epoch that was over when it opened is refused: the audit has it instead.
    """
    rows: defaultdict[Table, list[Row]] = defaultdict(list)
    taken, refusals = claims.within_turns(connection, list(incidents))
    for incident in taken:
        row = asdict(incident)
        del row["judgement"]
        rows[tables.incidents].append(row)
    for record in (*refusals, *records):
        table, row = _row(record, box)
        rows[table].append(row)
    for table, found in rows.items():
        _upsert(connection, table, found)


def close_unknown(
    connection: Connection, box: str | None, known: set[Any], now: datetime, reason: str
) -> int:
    """Close incidents (of `box`; None: of any) that its store does not know; how many."""
    incidents = tables.incidents
    query = select(incidents.c.id).where(incidents.c.closed_at.is_(None))
    if box is not None:
        query = query.where(incidents.c.box == box)
    gone = [key for key in connection.scalars(query) if key not in known]
    for key in gone:
        connection.execute(
            update(incidents).where(incidents.c.id == key).values(closed_at=now, reason=reason)
        )
    return len(gone)


def stop_cameras(connection: Connection, box: str) -> None:
    """Say of each camera of `box` that nobody has watched it since that was last seen."""
    states, boxes = tables.camera_states, tables.boxes
    seen_at = connection.scalar(select(boxes.c.seen_at).where(boxes.c.name == box))
    if seen_at is None:
        return
    later = states.alias()
    last = select(states.c.camera, states.c.site, states.c.state, states.c.since).where(
        states.c.box == box,
        ~exists().where(
            later.c.box == states.c.box,
            later.c.site == states.c.site,
            later.c.camera == states.c.camera,
            later.c.since > states.c.since,
        ),
    )
    for camera, site, state, since in connection.execute(last).all():
        if state != STOPPED and since <= seen_at:
            write(connection, box, [], [CameraStateRecord(camera, site, STOPPED, seen_at)])


def seen(connection: Connection, box: str, now: datetime, *, whole: bool) -> None:
    """`box` runs; `whole`: all incidents of its store are here."""
    values = {"name": box, "seen_at": now, "whole": whole}
    insert = _insert(connection)(tables.boxes).values(**values)
    connection.execute(
        insert.on_conflict_do_update(
            index_elements=["name"],
            set_={"seen_at": now} | ({"whole": True} if whole else {}),
        )
    )


def is_whole(connection: Connection, box: str) -> bool:
    """Whether all incidents of the store of `box` have been here once."""
    boxes = tables.boxes
    return bool(connection.scalar(select(boxes.c.whole).where(boxes.c.name == box)))


def forget(connection: Connection, now: datetime) -> None:
    """Delete what is older than `RETENTION`, but what is open, or has evidence to be kept."""
    incidents, evidence, oldest = tables.incidents, tables.evidence_files, now - RETENTION
    kept = select(evidence.c.incident_id).where(evidence.c.keep)
    old = and_(
        incidents.c.opened_at < oldest,
        incidents.c.closed_at.is_not(None),
        incidents.c.id.not_in(kept),
    )
    gone = select(incidents.c.id).where(old)
    for table in (tables.judgements, evidence, tables.score_curves):
        connection.execute(delete(table).where(table.c.incident_id.in_(gone)))
    connection.execute(delete(incidents).where(old))
    deliveries, states = tables.deliveries, tables.camera_states
    left = select(incidents.c.id)
    connection.execute(
        delete(deliveries).where(deliveries.c.at < oldest, deliveries.c.incident_id.not_in(left))
    )
    connection.execute(delete(states).where(states.c.since < oldest))
    claims.forget(connection, now, RETENTION)
    connection.execute(delete(tables.undelivered).where(tables.undelivered.c.sent_at < oldest))
    connection.execute(delete(tables.audit).where(tables.audit.c.at < now - AUDIT_RETENTION))


def _row(record: Record, box: str) -> tuple[Table, Row]:
    row = asdict(record)
    match record:
        case Judgement():
            row |= {"verdict": record.verdict.value}
        case DeliveryRecord():
            row |= {"outcome": record.outcome.value}
        case CameraStateRecord():
            minute = record.since.replace(second=0, microsecond=0)
            row |= {"box": box, "minute": minute}
    return _TABLES[type(record)], row


def _upsert(connection: Connection, table: Table, rows: list[Row]) -> None:
    keys = [column.name for column in table.primary_key]
    insert = _insert(connection)(table)
    new: Mapping[str, ColumnElement[Any]] = insert.excluded
    if table is tables.judgements or table is tables.audit:
        statement = insert.on_conflict_do_nothing(index_elements=keys)
    else:
        statement = insert.on_conflict_do_update(
            index_elements=keys,
            set_={c.name: new[c.name] for c in table.columns if c.name not in keys},
            where=_is_later(table, new),
        )
    # In the order of their keys: boxes that write the same rows do not wait for each other.
    connection.execute(statement, sorted(rows, key=lambda row: [str(row[key]) for key in keys]))


def _is_later(table: Table, new: Mapping[str, ColumnElement[Any]]) -> ColumnElement[bool] | None:
    old = table.c
    if table is tables.incidents:
        return or_(
            and_(
                new["closed_at"].is_not(None),
                or_(old.closed_at.is_(None), new["messages"] >= old.messages),
            ),
            and_(old.closed_at.is_(None), new["messages"] >= old.messages),
        )
    if table is tables.deliveries:
        return old.outcome.not_in(_TOLD)  # one that was refused may be sent again
    if table is tables.camera_states:
        return new["since"] >= old.since
    if table is tables.handovers:
        return new["epoch"] >= old.epoch
    return None


def _insert(connection: Connection) -> Any:
    # Each is imported where it is used: the other one takes a tenth of a second.
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects.postgresql import insert  # noqa: PLC0415

        return insert
    from sqlalchemy.dialects.sqlite import insert as insert_into_sqlite  # noqa: PLC0415

    return insert_into_sqlite
