"""Twelve ways to damage a file of the daemon's state."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from damage import (
    directory,
    empty,
    fifo,
    half,
    link_to_a_device,
    link_to_nowhere,
    remove,
    replace,
)

HEADER = 100
"""Bytes of an SQLite file's header; a flipped bit in there is another fault than one behind."""

FLIPPED = 64


def damage(path: Path, way: str, seed: int) -> None:
    """Damage `path`, which need not exist, in one of `WAYS`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    WAYS[way](path, random.Random(seed))


def _content(path: Path) -> bytearray:
    return bytearray(path.read_bytes() if path.is_file() else b"")


def _garbage(path: Path, draw: random.Random) -> None:
    replace(path, draw.randbytes(max(len(_content(path)), 20_000)))


def _flipped_bits(path: Path, draw: random.Random) -> None:
    content = _content(path)
    for _ in range(FLIPPED if content else 0):
        content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    replace(path, content)


def _damaged_pages(path: Path, draw: random.Random) -> None:
    content = _content(path)
    replace(path, content[:HEADER] + draw.randbytes(max(0, len(content) - HEADER)))


def _foreign(path: Path, _: random.Random) -> None:
    remove(path)
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE alert (other TEXT)")
        database.execute("CREATE TABLE incidents (other TEXT)")


def _newer(path: Path, _: random.Random) -> None:
    content = _content(path)
    if content.startswith(b"SQLite"):
        with closing(sqlite3.connect(path)) as database:
            database.execute("PRAGMA user_version = 99")
    else:
        replace(path, b'{"format": 99, "of": "a newer release"}\n')


def _bad_rows(path: Path, draw: random.Random) -> None:
    """Every text of every row is nonsense, in a file that is whole."""
    if not _content(path).startswith(b"SQLite"):
        replace(path, b'{"format": "yester\\udcffday", "labels": [[[]]]}\n')
        return
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        names = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        for (table,) in database.execute(names).fetchall():
            columns = database.execute(f"PRAGMA table_info({table})").fetchall()
            for _, column, kind, _, _, key in columns:
                if kind == "TEXT" and not key:
                    nonsense = f"yester\x00\ufffdday {draw.random()}"
                    database.execute(f"UPDATE OR IGNORE {table} SET {column} = ?", (nonsense,))


def _undrawn(way: Callable[[Path], None]) -> Callable[[Path, random.Random], None]:
    return lambda path, _: way(path)


WAYS: dict[str, Callable[[Path, random.Random], None]] = {
    "empty": _undrawn(empty),
    "half": _undrawn(half),
    "garbage": _garbage,
    "flipped bits": _flipped_bits,
    "damaged pages": _damaged_pages,
    "foreign": _foreign,
    "of a newer release": _newer,
    "bad rows": _bad_rows,
    "a folder": _undrawn(directory),
    "a dangling link": _undrawn(link_to_nowhere),
    "a pipe": _undrawn(fifo),
    "a full device": _undrawn(link_to_a_device),
}
