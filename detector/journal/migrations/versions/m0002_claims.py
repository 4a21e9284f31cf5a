"""Which box of a cluster watches a camera, and by which epoch an incident was seen."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the table and the column."""
    op.create_table(
        "claims",
        sa.Column("camera", sa.Text, primary_key=True),
        sa.Column("epoch", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("box", sa.Text, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("claims_by_time", "claims", ["at"])
    op.add_column("incidents", sa.Column("epoch", sa.BigInteger))


def downgrade() -> None:
    """Never: an earlier release goes on with the tables of a later one."""
    raise NotImplementedError
