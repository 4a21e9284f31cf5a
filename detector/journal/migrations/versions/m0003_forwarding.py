"""What boxes of a cluster hand to sinks that hang on another one."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

Moment = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add the tables."""
    op.create_table(
        "forwarded",
        sa.Column("box", sa.Text, primary_key=True),
        sa.Column("sink", sa.Text, primary_key=True),
        sa.Column("alert_id", sa.Uuid, primary_key=True),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("sent_at", Moment, nullable=False),
        sa.Column("put_at", Moment, nullable=False),
        sa.Column("reply", sa.Text),
        sa.Column("reason", sa.Text),
    )
    op.create_index("forwarded_by_time", "forwarded", ["put_at"])
    op.create_table(
        "takers",
        sa.Column("box", sa.Text, primary_key=True),
        sa.Column("seen_at", Moment, nullable=False),
    )


def downgrade() -> None:
    """Never: an earlier release goes on with the tables of a later one."""
    raise NotImplementedError
