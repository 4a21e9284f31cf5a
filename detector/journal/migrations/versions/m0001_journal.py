"""The journal's first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

Moment = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "incidents",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("camera", sa.Text, nullable=False),
        sa.Column("label", sa.Text, nullable=False),
        sa.Column("opened_at", Moment, nullable=False),
        sa.Column("closed_at", Moment),
        sa.Column("peak", sa.Double, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("messages", sa.BigInteger, nullable=False),
        sa.Column("site", sa.Text),
        sa.Column("box", sa.Text, nullable=False),
    )
    op.create_index("incidents_by_time", "incidents", ["opened_at", "id"])
    op.create_index("incidents_open", "incidents", ["closed_at"])
    op.create_table(
        "judgements",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("incident_id", sa.Uuid, nullable=False),
        sa.Column("verdict", sa.Text, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("at", Moment, nullable=False),
        sa.Column("order", sa.Double, nullable=False),
    )
    op.create_index("judgements_by_incident", "judgements", ["incident_id", "order"])
    op.create_table(
        "deliveries",
        sa.Column("alert_id", sa.Uuid, primary_key=True),
        sa.Column("sink", sa.Text, primary_key=True),
        sa.Column("incident_id", sa.Uuid, nullable=False),
        sa.Column("camera", sa.Text, nullable=False),
        sa.Column("phase", sa.Text, nullable=False),
        sa.Column("exercise", sa.Boolean, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("sent_at", Moment, nullable=False),
        sa.Column("at", Moment, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("reason", sa.Text),
    )
    op.create_index("deliveries_by_incident", "deliveries", ["incident_id"])
    op.create_index("deliveries_by_time", "deliveries", ["at"])
    op.create_table(
        "camera_states",
        sa.Column("box", sa.Text, primary_key=True),
        sa.Column("site", sa.Text, primary_key=True),
        sa.Column("camera", sa.Text, primary_key=True),
        sa.Column("minute", Moment, primary_key=True),
        sa.Column("since", Moment, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
    )
    op.create_index("camera_states_by_time", "camera_states", ["since"])
    op.create_table(
        "audit",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("who", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("target", sa.Text, nullable=False),
        sa.Column("at", Moment, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
    )
    op.create_index("audit_by_time", "audit", ["at", "id"])
    op.create_table(
        "evidence_files",
        sa.Column("incident_id", sa.Uuid, primary_key=True),
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("sha256", sa.Text, nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("created_at", Moment, nullable=False),
        sa.Column("keep", sa.Boolean, nullable=False),
        sa.Column("deleted_at", Moment),
    )
    op.create_table(
        "boxes",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("seen_at", Moment, nullable=False),
        sa.Column("whole", sa.Boolean, nullable=False),
    )
    op.create_table(
        "score_curves",
        sa.Column("incident_id", sa.Uuid, primary_key=True),
        sa.Column("label", sa.Text, primary_key=True),
        sa.Column("times_s", sa.JSON, nullable=False),
        sa.Column("scores", sa.JSON, nullable=False),
    )


def downgrade() -> None:
    """Never: an earlier release goes on with the tables of a later one."""
    raise NotImplementedError
