"""Alembic's folder: one module a change of the tables. They only add, so that older boxes go on."""
