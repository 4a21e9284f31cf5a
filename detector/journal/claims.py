"""Whose turn a camera is, in the journal that the boxes of a cluster share.

The epoch is a fencing token (M. Kleppmann, How to do distributed locking, 2016): whoever was cut
off and comes back with an older one is refused. What he did meanwhile stands in the audit. So each
moment of a camera belongs to one turn, and no fight is there twice.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from operator import itemgetter
from uuid import uuid5

from sqlalchemy import (
    Connection,
    and_,
    bindparam,
    delete,
    func,
    insert,
    select,
    text,
    update,
)

from detector.journal import tables
from detector.journal.records import AuditEntry, IncidentRecord
from detector.types import Claim

REFUSED = "incident-refused"
"""The audit's action."""

Turn = tuple[Claim, datetime]
"""A claim, and from when on it counts."""

CHUNK = 500
"""Cameras asked for in one statement: SQLite takes a bounded number of values."""

_EARLIER = (
    update(tables.claims)
    .where(
        tables.claims.c.camera == bindparam("its_camera"),
        tables.claims.c.epoch == bindparam("its_epoch"),
        tables.claims.c.at > bindparam("earlier"),
    )
    .values(at=bindparam("earlier"))
)


def claim(connection: Connection, wanted: Mapping[str, Claim], now: datetime) -> dict[str, Claim]:
    """Claim cameras, by name, from `now` on; those that someone has by a newer epoch, with that.

    To be called in a transaction. A claim that is there already counts from the earlier time: that
    of the assignment, though the journal was away then and the box itself came first.
    """
    if connection.dialect.name == "postgresql":  # SQLite's transactions exclude each other anyway
        connection.execute(text("LOCK TABLE claims IN SHARE ROW EXCLUSIVE MODE"))
    found = newest(connection, wanted)
    newer = {}
    new, again = [], []
    for camera, one in wanted.items():
        there = found.get(camera)
        if there is not None and there != one and there.epoch >= one.epoch:
            newer[camera] = there
        elif there != one:
            new.append({"camera": camera, "epoch": one.epoch, "box": one.box, "at": now})
        else:
            again.append({"its_camera": camera, "its_epoch": one.epoch, "earlier": now})
    if new:
        connection.execute(insert(tables.claims), new)
    if again:
        connection.execute(_EARLIER, again)
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


def within_turns(
    connection: Connection, incidents: Collection[IncidentRecord]
) -> tuple[list[IncidentRecord], list[AuditEntry]]:
    """Of incidents that a box reports, what the journal takes, and what the audit says of the rest.

    One that was opened when another box's turn had begun is refused, unless the journal has it
    already. One that was still open then ends with its own turn.
    """
    turns = _turns(connection, {one.camera for one in incidents if one.epoch is not None})
    over = {}
    for one in incidents:
        for turn, at in _after(one, turns):
            if at <= one.opened_at:
                over[one.id] = turn
                break
    if over:
        there = tables.incidents.c.id
        for key in connection.scalars(select(there).where(there.in_(over))):
            del over[key]
    taken = [_ended(one, _after(one, turns)) for one in incidents if one.id not in over]
    return taken, [refusal(one, over[one.id]) for one in incidents if one.id in over]


def _turns(connection: Connection, cameras: Collection[str]) -> Mapping[str, list[Turn]]:
    """By camera, all turns that are known, newest first."""
    found: defaultdict[str, list[Turn]] = defaultdict(list)
    claims = tables.claims
    query = select(claims).where(claims.c.camera.in_(cameras)).order_by(claims.c.epoch.desc())
    for row in connection.execute(query) if cameras else ():
        found[row.camera].append((Claim(row.box, row.epoch), row.at))
    return found


def _after(one: IncidentRecord, turns: Mapping[str, list[Turn]]) -> list[Turn]:
    """The turns at its camera after its own."""
    epoch = one.epoch
    if epoch is None:
        return []
    return [turn for turn in turns.get(one.camera, ()) if turn[0].epoch > epoch]


def _ended(one: IncidentRecord, after: Iterable[Turn]) -> IncidentRecord:
    """It, as closed when the first turn of `after` began, where it was open then."""
    ends = [(at, turn) for turn, at in after if at > one.opened_at]
    if not ends:
        return one
    at, turn = min(ends, key=itemgetter(0))
    if one.closed_at is not None and one.closed_at <= at:
        return one
    return replace(one, closed_at=at, reason=taken_over(turn))


def taken_over(turn: Claim) -> str:
    """Why an incident is over whose camera is another box's turn now."""
    return f"watched by {turn.box} from now on"


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
