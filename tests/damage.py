"""Ways to damage a file of the daemon's state, which need not exist."""

from __future__ import annotations

import os
import shutil
import socket
import sqlite3
from contextlib import closing
from pathlib import Path


def remove(path: Path) -> None:
    """Whatever is at `path`, and not what a link there leads to."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def replace(path: Path, content: bytes | bytearray) -> None:
    """Write `content` where a file is, or in place of whatever else is there."""
    if path.is_symlink() or path.is_dir():
        remove(path)
    path.write_bytes(content)


def garbage(path: Path) -> None:
    replace(path, bytes(range(1, 256)) * 80)


def text(path: Path) -> None:
    path.write_text("Somebody's notes.\n" * 300)


def empty(path: Path) -> None:
    replace(path, b"")


def zeros(path: Path) -> None:
    replace(path, bytes(max(path.stat().st_size, 8192) if path.exists() else 8192))


def half(path: Path) -> None:
    content = path.read_bytes() if path.is_file() else b"half of something"
    replace(path, content[: len(content) // 2])


def hole(path: Path) -> None:
    content = bytearray(path.read_bytes() if path.is_file() else bytes(9000))
    content[100:6000] = os.urandom(5900)
    replace(path, content)


def flipped(path: Path) -> None:
    content = bytearray(path.read_bytes() if path.is_file() else b"something")
    for at in range(0, len(content), 97):
        content[at] ^= 0x40
    replace(path, content)


def huge(path: Path) -> None:
    with path.open("ab") as file:
        file.truncate(2**30)


def directory(path: Path) -> None:
    remove(path)
    path.mkdir()
    (path / "inside").write_text("Somebody's notes.\n" * 300)


def fifo(path: Path) -> None:
    remove(path)
    os.mkfifo(path)


def foreign_socket(path: Path) -> None:
    remove(path)
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


def link_to_nowhere(path: Path) -> None:
    remove(path)
    path.symlink_to(path.parent / "nowhere" / "at all")


def link_to_itself(path: Path) -> None:
    remove(path)
    path.symlink_to(path)


def link_to_a_device(path: Path) -> None:
    remove(path)
    path.symlink_to("/dev/full")


def another_programs(path: Path) -> None:
    remove(path)
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE bookmarks (url TEXT)")
        database.execute("INSERT INTO bookmarks VALUES ('https://example.org')")


def much_newer(path: Path) -> None:
    another_programs(path)
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("PRAGMA user_version = 99")


def other_tables(path: Path) -> None:
    another_programs(path)
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE queue (position INTEGER)")
        database.execute("PRAGMA user_version = 1")
