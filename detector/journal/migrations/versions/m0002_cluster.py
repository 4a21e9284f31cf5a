"""Which box of a cluster watches a camera, and what it leaves to the next."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

Moment = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add the tables and the column."""
    op.create_table(
        "claims",
        sa.Column("camera", sa.Text, primary_key=True),
        sa.Column("epoch", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("box", sa.Text, nullable=False),
        sa.Column("at", Moment, nullable=False),
    )
    op.create_index("claims_by_time", "claims", ["at"])
    op.add_column("incidents", sa.Column("epoch", sa.BigInteger))
    op.create_table(
        "handovers",
        sa.Column("camera", sa.Text, primary_key=True),
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("box", sa.Text, nullable=False),
        sa.Column("epoch", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "undelivered",
        sa.Column("sink", sa.Text, primary_key=True),
        sa.Column("alert_id", sa.Uuid, primary_key=True),
        sa.Column("box", sa.Text, nullable=False),
        sa.Column("camera", sa.Text, nullable=False),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.Column("incident_id", sa.Uuid, nullable=False),
        sa.Column("phase", sa.Text, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("sent_at", Moment, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("image", sa.LargeBinary),
        sa.Column("no_image", sa.Boolean, nullable=False),
        sa.Column("held_until", Moment),
        sa.Column("unconfirmed", sa.Text),
    )
    op.create_index("undelivered_by_camera", "undelivered", ["camera", "position"])
    op.create_index("undelivered_by_box", "undelivered", ["box"])


def downgrade() -> None:
    """Never: an earlier release goes on with the tables of a later one."""
    raise NotImplementedError
