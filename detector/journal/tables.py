"""The journal's tables, the same on SQLite and PostgreSQL. Migrations make them.

No foreign keys: what is told of an incident may come before it, and stays without it.
"""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    Uuid,
)

HEAD = "0003"
"""The newest migration."""


class Utc(TypeDecorator[datetime]):
    """Aware times in UTC, on SQLite too, which knows no time zones."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """To the database."""
        if value is None:
            return None
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """From the database."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


metadata = MetaData()

incidents = Table(
    "incidents",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("camera", Text, nullable=False),
    Column("label", Text, nullable=False),
    Column("opened_at", Utc, nullable=False),
    Column("closed_at", Utc),
    Column("peak", Double, nullable=False),
    Column("reason", Text),
    Column("messages", BigInteger, nullable=False),
    Column("site", Text),
    Column("box", Text, nullable=False),
    Column("epoch", BigInteger),
    Index("incidents_by_time", "opened_at", "id"),
    Index("incidents_open", "closed_at"),
)

judgements = Table(
    "judgements",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("incident_id", Uuid, nullable=False),
    Column("verdict", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("at", Utc, nullable=False),
    Column("order", Double, nullable=False),
    Index("judgements_by_incident", "incident_id", "order"),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("alert_id", Uuid, primary_key=True),
    Column("sink", Text, primary_key=True),
    Column("incident_id", Uuid, nullable=False),
    Column("camera", Text, nullable=False),
    Column("phase", Text, nullable=False),
    Column("exercise", Boolean, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("sent_at", Utc, nullable=False),
    Column("at", Utc, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("reason", Text),
    Index("deliveries_by_incident", "incident_id"),
    Index("deliveries_by_time", "at"),
)

camera_states = Table(
    "camera_states",
    metadata,
    Column("box", Text, primary_key=True),
    Column("site", Text, primary_key=True),
    Column("camera", Text, primary_key=True),
    Column("minute", Utc, primary_key=True),
    Column("since", Utc, nullable=False),
    Column("state", Text, nullable=False),
    Index("camera_states_by_time", "since"),
)
"""`minute`: that of `since`; the last change in it is kept."""

audit = Table(
    "audit",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("who", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("at", Utc, nullable=False),
    Column("reason", Text, nullable=False),
    Index("audit_by_time", "at", "id"),
)

evidence_files = Table(
    "evidence_files",
    metadata,
    Column("incident_id", Uuid, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("created_at", Utc, nullable=False),
    Column("keep", Boolean, nullable=False),
    Column("deleted_at", Utc),
)

boxes = Table(
    "boxes",
    metadata,
    Column("name", Text, primary_key=True),
    Column("seen_at", Utc, nullable=False),
    Column("whole", Boolean, nullable=False),
)
"""Daemons by the name of their store. `whole`: all incidents of that store have been here once."""

claims = Table(
    "claims",
    metadata,
    Column("camera", Text, primary_key=True),
    Column("epoch", BigInteger, primary_key=True, autoincrement=False),
    Column("box", Text, nullable=False),
    Column("at", Utc, nullable=False),
    Index("claims_by_time", "at"),
)
"""Of a cluster: which of its boxes watched a camera from when on, until the next epoch."""

handovers = Table(
    "handovers",
    metadata,
    Column("camera", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("body", Text, nullable=False),
    Column("box", Text, nullable=False),
    Column("epoch", BigInteger, nullable=False),
)
"""Of a cluster: what a camera's next box is to know of it; see `records.Handover`."""

undelivered = Table(
    "undelivered",
    metadata,
    Column("sink", Text, primary_key=True),
    Column("alert_id", Uuid, primary_key=True),
    Column("box", Text, nullable=False),
    Column("camera", Text, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("incident_id", Uuid, nullable=False),
    Column("phase", Text, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("sent_at", Utc, nullable=False),
    Column("body", Text, nullable=False),
    Column("image", LargeBinary),
    Column("no_image", Boolean, nullable=False),
    Column("held_until", Utc),
    Column("unconfirmed", Text),
    Index("undelivered_by_camera", "camera", "position"),
    Index("undelivered_by_box", "box"),
)
"""Of a cluster: what waits in a box's outbox, for the next box of its camera to deliver."""

forwarded = Table(
    "forwarded",
    metadata,
    Column("box", Text, primary_key=True),
    Column("sink", Text, primary_key=True),
    Column("alert_id", Uuid, primary_key=True),
    Column("body", Text, nullable=False),
    Column("sent_at", Utc, nullable=False),
    Column("put_at", Utc, nullable=False),
    Column("reply", Text),
    Column("reason", Text),
    Index("forwarded_by_time", "put_at"),
)
"""Of a cluster: alerts for sinks that hang on `box`; times are by the clock of the database.

`reply` and `reason`: see `records.Reply`; null until the box has replied.
"""

takers = Table(
    "takers",
    metadata,
    Column("box", Text, primary_key=True),
    Column("seen_at", Utc, nullable=False),
)
"""Of a cluster: boxes that take what is forwarded. `seen_at`: by the clock of the database."""

score_curves = Table(
    "score_curves",
    metadata,
    Column("incident_id", Uuid, primary_key=True),
    Column("label", Text, primary_key=True),
    Column("times_s", JSON, nullable=False),
    Column("scores", JSON, nullable=False),
)
