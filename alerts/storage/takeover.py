"""Incidents that a release before this one kept in a file of their own, taken over once.

In its place stands a link to the file that holds them now: a release that is gone back to reads
and writes the same incidents.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path

import structlog

from alerts.storage.copying import insert
from alerts.storage.database import TABLES, connect, is_damage, transaction
from alerts.storage.faults import StorageFaults
from alerts.storage.files import in_the_way, move_aside, move_companions


def take_over(old: Path, path: Path, file: sqlite3.Connection, faults: StorageFaults) -> None:
    """Copy the incidents of the journal at `old` into `file`, which is open at `path`; rename it.

    One that is damaged is set aside. Where it cannot be read or renamed, it is tried again at the
    next start.
    """
    try:
        if old.is_symlink() and old.readlink() == Path(path.name):
            return
        if what := in_the_way(old):
            faults.set_aside("outbox", old, move_aside(old), f"{what} is there")
        elif old.exists():
            _take(old, file)
        with suppress(OSError):  # for going back only
            old.symlink_to(path.name)
    except (OSError, sqlite3.Error) as error:
        if is_damage(error):
            faults.set_aside("outbox", old, move_aside(old), str(error))
        else:
            faults.unread(old, str(error))


def _take(old: Path, file: sqlite3.Connection) -> None:
    count = _copy(old, file)
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    kept_as = old.with_name(f"{old.name}.taken-over-{stamp}")
    old.rename(kept_as)
    move_companions(old, kept_as)
    structlog.get_logger().info(
        "incidents of an earlier release taken over",
        file=str(old),
        count=count,
        kept_as=str(kept_as),
    )


def _copy(old: Path, file: sqlite3.Connection) -> int:
    with closing(connect(str(old))) as journal:
        rows = journal.execute(f"SELECT {TABLES['incidents']} FROM incidents").fetchall()  # noqa: S608 - a constant
    transaction(file, lambda database: insert(database, "incidents", rows, "IGNORE"))
    return len(rows)
