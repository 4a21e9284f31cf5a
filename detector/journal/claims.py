"""Whose turn a camera is, in the journal that the boxes of a cluster share.

The epoch is a fencing token (M. Kleppmann, How to do distributed locking, 2016): whoever was cut
off and comes back with an older one is refused. What he did meanwhile stands in the audit.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from uuid import UUID, uuid5

from sqlalchemy import Connection, and_, delete, func, insert, select, text

from detector.journal import tables
from detector.journal.records import AuditEntry, IncidentRecord
from detector.types import Claim

REFUSED = "incident-refused"
"""The audit's action."""

CHUNK = 500
"""Cameras asked for in one statement: SQLite takes a bounded number of values."""


def claim(connection: Connection, wanted: Mapping[str, Claim], now: datetime) -> dict[str, Claim]:
    """Claim cameras, by name, from `now` on; those that someone has by a newer epoch, with that.

    To be called in a transaction. A claim that is there already stays as it is.
    """
    if connection.dialect.name == "postgresql":  # SQLite's transactions exclude each other anyway
        connection.execute(text("LOCK TABLE claims IN SHARE ROW EXCLUSIVE MODE"))
    found = newest(connection, wanted)
    newer = {}
    rows = []
    for camera, one in wanted.items():
        there = found.get(camera)
        if there is not None and there != one and there.epoch >= one.epoch:
            newer[camera] = there
        elif there != one:
            rows.append({"camera": camera, "epoch": one.epoch, "box": one.box, "at": now})
    if rows:
        connection.execute(insert(tables.claims), rows)
    return newer


def newest(connection: Connection, cameras: Iterable[str]) -> dict[str, Claim]:
    """By camera, the newest claim."""
    claims, found, names = tables.claims, {}, list(cameras)
    for start in range(0, len(names), CHUNK):
        last = (
            select(claims.c.camera, func.max(claims.c.epoch).label("epoch"))
            .where(claims.c.camera.in_(names[start : start + CHUNK]))
            .group_by(claims.c.camera)
            .subquery()
        )
        query = select(claims.c.camera, claims.c.box, claims.c.epoch).join(
            last, and_(claims.c.camera == last.c.camera, claims.c.epoch == last.c.epoch)
        )
        for camera, box, epoch in connection.execute(query):
            found[camera] = Claim(box, epoch)
    return found


def superseded(connection: Connection, incidents: Collection[IncidentRecord]) -> dict[UUID, Claim]:
    """Incidents that were opened when it was another box's turn already, with that.

    One that the journal has already is not among them.
    """
    of_cluster = [one for one in incidents if one.epoch is not None]
    if not of_cluster:
        return {}
    claims, there = tables.claims, tables.incidents
    query = select(claims).where(claims.c.camera.in_({one.camera for one in of_cluster}))
    turns: defaultdict[str, list[tuple[Claim, datetime]]] = defaultdict(list)
    for row in connection.execute(query.order_by(claims.c.epoch.desc())):
        turns[row.camera].append((Claim(row.box, row.epoch), row.at))
    found = {}
    for one in of_cluster:
        for turn, at in turns[one.camera]:
            if one.epoch is not None and turn.epoch > one.epoch and at <= one.opened_at:
                found[one.id] = turn
                break
    if found:
        for key in connection.scalars(select(there.c.id).where(there.c.id.in_(found))):
            del found[key]
    return found


def refusal(incident: IncidentRecord, turn: Claim) -> AuditEntry:
    """What the audit says of an incident that is not taken; always the same of the same."""
    reason = (
        f"incident {incident.id} ({incident.label} {incident.peak:.2f}): its epoch "
        f"{incident.epoch} is older than {turn.epoch} of {turn.box}, whose turn it was"
    )
    key = uuid5(incident.id, REFUSED)
    return AuditEntry(key, incident.box, REFUSED, incident.camera, incident.opened_at, reason)


def forget(connection: Connection, now: datetime, after: timedelta) -> None:
    """Delete claims older than `after` that a newer one follows."""
    claims = tables.claims
    later = claims.alias()
    follows = select(later.c.epoch).where(
        later.c.camera == claims.c.camera,
        later.c.epoch > claims.c.epoch,
        later.c.at < now - after,
    )
    connection.execute(delete(claims).where(follows.exists()))
