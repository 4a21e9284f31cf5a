"""From the file to memory at a start, and from memory to a file that fell behind.

Times in the file are those of the steady clock of the run that wrote them; the row of `clock`
says what makes them UTC. Read by a later run, a time that lies in the future counts as over: then
the box's clock was set back, and nobody knows how old it is.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

from alerts.clock import SteadyClock
from alerts.storage.database import TABLES, memory_database

MAX_INCIDENTS = 10_000
"""Incidents that memory holds, the newest and every open one: 3 MB."""

WITH_POSITIONS = ("queue", "refused", "unreadable")

EXPIRED_S = 3 * 86_400.0
"""So old counts what cannot be dated: no siren sounds for it, and it is told late."""

LONGEST_HOLD_S = 86_400.0
"""No alarm waits for an operator for so long: a time beyond is damaged."""

LATEST_SILENCE_AT = 2.0**33
"""In the year 2242: a silence beyond is damaged, and would never end."""

CLOCK_SET_S = 1.0
"""The box's clock was set, and not only trimmed, where it is off by more."""

MAX_POSITION = 2**53
"""No queue has given so many: a position beyond is damaged, and none could be given behind it."""

NEWER_COLUMNS = {
    "no_image": "0",
    "unconfirmed": "NULL",
}
"""What stands for a column that an earlier release's file has not."""

SET_BACK_S = 90.0
"""The file was written later than now, by so much: the clock was set back between two runs."""


def loaded(file: sqlite3.Connection, clock: SteadyClock) -> tuple[sqlite3.Connection, bool]:
    """What an earlier run left in `file`, in memory, and whether the file says just the same.

    Raises sqlite3.Error where the file cannot be read.
    """
    memory = memory_database()
    ranks = _ranks(file)
    for table in TABLES:
        rows = _read(file, table)
        if ranks and table in WITH_POSITIONS:
            rows = [(ranks[position], *rest) for position, *rest in rows]
        insert(memory, table, rows, "IGNORE")
    memory.execute("DELETE FROM incident_details WHERE id NOT IN (SELECT id FROM incidents)")
    _set_sequence(memory, len(ranks) or _sequence(file))
    found = file.execute(
        "SELECT CAST(offset_s AS REAL), CAST(saved_at AS REAL) FROM clock"
    ).fetchone()
    offset_s, saved_at = found or (0.0, 0.0)
    set_back = saved_at > clock.now() + SET_BACK_S
    _settle(memory, clock.now(), offset_s, set_back)
    return memory, not offset_s and not set_back and not ranks


def append(newer: sqlite3.Connection, memory: sqlite3.Connection) -> None:
    """Put what `newer` holds behind what `memory` holds."""
    sequence = _sequence(memory)
    for table, columns in TABLES.items():
        rows = newer.execute(f"SELECT {columns} FROM {table}").fetchall()  # noqa: S608 - of TABLES
        if table in WITH_POSITIONS:
            rows = [(position + sequence, *rest) for position, *rest in rows]
        insert(memory, table, rows)
    _set_sequence(memory, sequence + _sequence(newer))


def rewrite(memory: sqlite3.Connection, file: sqlite3.Connection) -> None:
    """Make the file say what memory says, whatever it said before; within a transaction.

    Incidents that memory holds no longer stay. Pictures are written where they are missing only.
    """
    for table in TABLES.keys() - {"alert", "incidents", "incident_details"}:
        file.execute(f"DELETE FROM {table}")  # noqa: S608 - of TABLES
    _rewrite_alerts(memory, file)  # now that none is set aside, or it would stay
    for table, columns in TABLES.items():
        if table != "alert":
            rows = memory.execute(f"SELECT {columns} FROM {table}")  # noqa: S608 - same
            insert(file, table, rows)
    _set_sequence(file, _sequence(memory))


def save_clock(file: sqlite3.Connection, offset_s: float, now: float) -> None:
    """Say in the file what makes its times UTC (`offset_s` of the clock, which shows `now`)."""
    set_by_s = offset_s if abs(offset_s) > CLOCK_SET_S else 0.0
    file.execute("INSERT OR REPLACE INTO clock VALUES (1, ?, ?)", (set_by_s, now + offset_s))


def insert(
    database: sqlite3.Connection,
    table: str,
    rows: Iterable[Sequence[object]],
    otherwise: str = "REPLACE",
) -> None:
    """Insert `rows`, each with the columns of `table`; `otherwise`: what of a key that is there."""
    columns = TABLES[table]
    marks = ", ".join("?" * (columns.count(",") + 1))
    database.executemany(
        f"INSERT OR {otherwise} INTO {table} ({columns}) VALUES ({marks})",  # noqa: S608 - of TABLES
        rows,
    )


def _read(file: sqlite3.Connection, table: str) -> list[tuple[Any, ...]]:
    there = {name for _, name, *_ in file.execute(f"PRAGMA table_info ({table})")}
    if not there:
        return []  # an earlier release's, on a disk that cannot be written
    columns = [
        name if name in there else NEWER_COLUMNS.get(name, name)
        for name in TABLES[table].split(", ")
    ]
    query = f"SELECT {', '.join(columns)} FROM {table}"  # noqa: S608 - of TABLES
    if table == "incidents":
        query += f" ORDER BY closed_at IS NOT NULL, rowid DESC LIMIT {MAX_INCIDENTS}"
        return file.execute(query).fetchall()[::-1]
    return file.execute(query).fetchall()


def _ranks(file: sqlite3.Connection) -> dict[int, int]:
    """By position, a new one in the same order; empty where all are as they were given."""
    places: list[int] = []
    for table in WITH_POSITIONS:
        places += [place for (place,) in file.execute(f"SELECT position FROM {table}")]  # noqa: S608 - of TABLES
    (sequence,) = file.execute("SELECT total(seq) FROM sqlite_sequence").fetchone()
    if all(0 <= place <= MAX_POSITION for place in [*places, sequence]):
        return {}
    return {place: rank for rank, place in enumerate(sorted({0, *places}))}


def _sequence(database: sqlite3.Connection) -> int:
    """The last position that the queue has ever given."""
    (sequence,) = database.execute("SELECT total(seq) FROM sqlite_sequence").fetchone()
    return int(sequence)


def _set_sequence(database: sqlite3.Connection, sequence: int) -> None:
    database.execute("DELETE FROM sqlite_sequence")
    database.execute("INSERT INTO sqlite_sequence VALUES ('queue', ?)", (sequence,))


def _settle(memory: sqlite3.Connection, now: float, offset_s: float, set_back: bool) -> None:
    """Make times of the earlier run those of this one; CAST, for a damaged row holds anything."""
    over = now - EXPIRED_S
    for table in WITH_POSITIONS:
        memory.execute(
            f"UPDATE {table} SET sent_at = CASE WHEN ?1 OR CAST(sent_at AS REAL) + ?2 > ?3"  # noqa: S608 - same
            " THEN ?4 ELSE CAST(sent_at AS REAL) + ?2 END",
            (set_back, offset_s, now, over),
        )
    # One of which nobody knows how long it has waited for an operator waits no more: it is sent.
    memory.execute(
        "UPDATE queue SET attempts = CAST(attempts AS INTEGER), unconfirmed = CASE"
        " WHEN NOT ?1 AND typeof(retry_at) = 'real' AND retry_at + ?2 < ?3"
        " AND unconfirmed IN ('send', 'drop') THEN unconfirmed END",
        (set_back, offset_s, now + LONGEST_HOLD_S),
    )
    memory.execute(
        "UPDATE queue SET retry_at = CASE WHEN unconfirmed IS NULL THEN 0 ELSE retry_at + ? END",
        (offset_s,),
    )
    memory.execute("UPDATE stage SET at = min(CAST(at AS REAL) + ?, ?)", (offset_s, now))
    memory.execute("UPDATE delivered SET at = CAST(at AS REAL) + ?", (offset_s,))
    memory.execute("UPDATE silence SET until = CAST(until AS REAL) + ?", (offset_s,))
    memory.execute("DELETE FROM delivered WHERE ? OR at > ?", (set_back, now))
    memory.execute("DELETE FROM silence WHERE ? OR until > ?", (set_back, LATEST_SILENCE_AT))


def _rewrite_alerts(memory: sqlite3.Connection, file: sqlite3.Connection) -> None:
    wanted = dict(memory.execute("SELECT alert_id, image_bytes FROM alert").fetchall())
    found = dict(file.execute("SELECT alert_id, image_bytes FROM alert").fetchall())
    file.executemany(
        "DELETE FROM alert WHERE alert_id = ?",
        [(key,) for key, size in found.items() if wanted.get(key) != size],
    )
    for key, size in wanted.items():
        if found.get(key) != size:
            row = memory.execute("SELECT * FROM alert WHERE alert_id = ?", (key,)).fetchone()
            file.execute("INSERT INTO alert VALUES (?, ?, ?, ?)", row)
