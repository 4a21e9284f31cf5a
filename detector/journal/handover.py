"""What a box of a cluster leaves to the next box of a camera, in the journal that they share.

Every function is to be called in a transaction, of PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Connection,
    Table,
    and_,
    delete,
    false,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from alerts.delivery.handing_over import Undelivered
from detector.journal import tables
from detector.journal.records import Handover, IncidentRecord, Outcome
from detector.types import Claim

TOLD = (Outcome.DELIVERED.value, Outcome.LATE.value)

Key = tuple[str, UUID]
"""Sink and alert."""


@dataclass(frozen=True, slots=True)
class OpenIncident:
    """One that an earlier box of its camera has left open; `told`: sinks that have heard of it."""

    incident: IncidentRecord
    told: frozenset[str]


def known_of(connection: Connection, cameras: Collection[str], box: str) -> list[Handover]:
    """What other boxes than `box` have said last of these cameras."""
    rows = tables.handovers
    query = select(rows).where(rows.c.camera.in_(cameras), rows.c.box != box)
    return [Handover(**row) for row in connection.execute(query).mappings()]


def left_open(connection: Connection, turns: Mapping[str, Claim]) -> list[OpenIncident]:
    """Incidents that older turns than these, by camera, have left open, oldest first."""
    rows, deliveries = tables.incidents, tables.deliveries
    query = select(rows).where(rows.c.closed_at.is_(None), _older(rows, turns))
    found = [
        IncidentRecord(**row)
        for row in connection.execute(query.order_by(rows.c.opened_at)).mappings()
    ]
    told = select(deliveries.c.incident_id, deliveries.c.sink).where(
        deliveries.c.incident_id.in_([one.id for one in found]), deliveries.c.outcome.in_(TOLD)
    )
    sinks: dict[UUID, set[str]] = {}
    for key, sink in connection.execute(told):
        sinks.setdefault(key, set()).add(sink)
    return [OpenIncident(one, frozenset(sinks.get(one.id, ()))) for one in found]


def mirrored(connection: Connection, box: str) -> set[Key]:
    """What the journal has of the outbox of `box`."""
    rows = tables.undelivered
    query = select(rows.c.sink, rows.c.alert_id).where(rows.c.box == box)
    return {(sink, key) for sink, key in connection.execute(query)}


def mirror(
    connection: Connection, box: str, new: Iterable[tuple[Undelivered, int]], gone: Collection[Key]
) -> None:
    """Have the journal hold what waits in the outbox of `box`: each with the epoch of its camera.

    What another box has taken over stays as it is.
    """
    rows = tables.undelivered
    if gone:
        mine = and_(rows.c.box == box, tuple_(rows.c.sink, rows.c.alert_id).in_(gone))
        connection.execute(delete(rows).where(mine))
    added = [asdict(one) | {"box": box, "epoch": epoch} for one, epoch in new]
    if added:
        connection.execute(insert(rows).on_conflict_do_nothing(), added)


def undelivered(connection: Connection, turns: Mapping[str, Claim]) -> list[Undelivered]:
    """What older turns than these, by camera, have not delivered, in the order it was put.

    What another box is just taking over is not among it.
    """
    rows = tables.undelivered
    names = [rows.c[field.name] for field in fields(Undelivered)]
    boxes = {turn.box for turn in turns.values()}
    query = select(*names).where(_older(rows, turns), rows.c.box.not_in(boxes))
    query = query.order_by(rows.c.position).with_for_update(skip_locked=True)
    return [Undelivered(**row) for row in connection.execute(query).mappings()]


def take(connection: Connection, rows: Iterable[Undelivered], turns: Mapping[str, Claim]) -> None:
    """These wait in the outbox of the box that has the camera's turn now."""
    table = tables.undelivered
    for row in rows:
        turn = turns[row.camera]
        connection.execute(
            update(table)
            .where(table.c.sink == row.sink, table.c.alert_id == row.alert_id)
            .values(box=turn.box, epoch=turn.epoch)
        )


def _older(table: Table, turns: Mapping[str, Claim]) -> ColumnElement[bool]:
    return or_(
        false(),
        *(
            and_(table.c.camera == camera, table.c.epoch < turn.epoch)
            for camera, turn in turns.items()
        ),
    )
