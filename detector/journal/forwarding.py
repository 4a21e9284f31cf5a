"""Alerts for sinks that hang on another box of a cluster, in the journal that the boxes share.

Each call is a transaction of its own: `connection` is one of PostgreSQL in autocommit. Times are by
the database's clock, so that no two boxes' clocks are ever compared.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Connection,
    DateTime,
    Double,
    and_,
    cast,
    delete,
    extract,
    func,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from detector.journal.records import DELIVERED, Reply
from detector.journal.tables import forwarded, takers

CHANNEL = "jikimi_forwarded"
"""Of LISTEN and NOTIFY; the payload is the box's name."""

KEPT = timedelta(hours=1)
"""So long a repeat is known by its `alert_id`, and what nobody takes waits."""

Key = tuple[str, UUID]
"""Sink and alert."""

_NOW = func.clock_timestamp(type_=DateTime(timezone=True))


@dataclass(frozen=True, slots=True)
class Addressed:
    """An alert as JSON, `age_s` after it was sent."""

    sink: str
    alert_id: UUID
    body: str
    age_s: float


def instant(connection: Connection, age_s: Callable[[], float]) -> datetime:
    """When it was `age_s` ago, by the clock of the database.

    Earlier rather than later, however long the database takes: `age_s` is asked once it has said.
    """
    now: datetime = connection.execute(select(_NOW)).scalar_one()
    return now - timedelta(seconds=age_s())


def put(connection: Connection, box: str, key: Key, body: str, sent_at: datetime) -> None:
    """Hand `box` an alert for its sink; again, where that has failed; a repeat changes nothing."""
    sink, alert_id = key
    again = {"body": body, "sent_at": sent_at, "put_at": _NOW, "reply": None, "reason": None}
    statement = insert(forwarded).values(box=box, sink=sink, alert_id=alert_id, **again)
    where = forwarded.c.reply != DELIVERED
    keys = [column.name for column in forwarded.primary_key]
    connection.execute(
        statement.on_conflict_do_update(index_elements=keys, set_=again, where=where)
    )
    connection.execute(select(func.pg_notify(CHANNEL, box)))


def reply(connection: Connection, box: str, key: Key) -> Reply | None:
    """What `box` has replied; None where it has not yet."""
    query = select(forwarded.c.reply, forwarded.c.reason).where(_is(box, key))
    row = connection.execute(query).one_or_none()
    return None if row is None or row.reply is None else Reply(row.reply, row.reason)


def addressed(connection: Connection, box: str, but: Collection[Key]) -> list[Addressed]:
    """What `box` has not replied to, oldest first, without those of `but`."""
    age_s = cast(extract("epoch", _NOW - forwarded.c.sent_at), Double)
    rows = forwarded.c
    query = select(rows.sink, rows.alert_id, rows.body, age_s.label("age_s"))
    query = query.where(rows.box == box, rows.reply.is_(None)).order_by(rows.sent_at)
    if but:
        query = query.where(tuple_(rows.sink, rows.alert_id).not_in(but))
    return [Addressed(**row) for row in connection.execute(query).mappings()]


def tell(connection: Connection, box: str, key: Key, what: Reply) -> None:
    """Reply to the sender; the message itself is needed no more."""
    values = {"reply": what.kind, "reason": what.reason, "body": ""}
    connection.execute(update(forwarded).where(_is(box, key)).values(values))


def seen(connection: Connection, box: str) -> None:
    """`box` takes what is forwarded to it."""
    statement = insert(takers).values(box=box, seen_at=_NOW)
    connection.execute(
        statement.on_conflict_do_update(index_elements=["box"], set_={"seen_at": _NOW})
    )


def ages(connection: Connection) -> dict[str, float]:
    """By box, how many seconds ago it was last seen."""
    age_s = cast(extract("epoch", _NOW - takers.c.seen_at), Double)
    return {box: float(age) for box, age in connection.execute(select(takers.c.box, age_s))}


def forget(connection: Connection) -> None:
    """Delete what is old, whether it was taken or not."""
    connection.execute(delete(forwarded).where(forwarded.c.put_at < _NOW - KEPT))


def listen(connection: Connection) -> None:
    """Have `wait` hear of what is put."""
    connection.execute(text(f"LISTEN {CHANNEL}"))


def wait(connection: Connection, timeout_s: float) -> None:
    """Until something is put for any box, or for so long."""
    driver = connection.connection.driver_connection
    assert driver is not None
    for _ in driver.notifies(timeout=timeout_s, stop_after=1):
        pass


def _is(box: str, key: Key) -> ColumnElement[bool]:
    sink, alert_id = key
    rows = forwarded.c
    return and_(rows.box == box, rows.sink == sink, rows.alert_id == alert_id)
