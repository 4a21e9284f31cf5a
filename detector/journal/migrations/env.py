"""Run by Alembic, on the connection that `detector.journal.database.migrate` hands over."""

from __future__ import annotations

from alembic import context

from detector.journal.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
)
context.run_migrations()
