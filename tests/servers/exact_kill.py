"""A process that kills itself (SIGKILL) at an exact write: the nth time something is done.

What is done has a name: `before COMMIT outbox`, `after INSERT incidents` (a statement, and the
database file it goes to), `before fsync`, `after rename /path/of/the/target`.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import threading
from collections.abc import Callable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Self

VARIABLE = "EXACT_KILL_AT"
"""`NUMBER SECONDS PATTERN`, such as `3 0.5 before COMMIT *`: the third one, after its disk has
taken half a second, in which everything else goes on."""


def from_environment() -> None:
    """Do as the environment says, if it says anything."""
    if told := os.environ.pop(VARIABLE, ""):
        number, held_s, pattern = told.split(" ", 2)
        counter = _Counter(pattern, int(number), float(held_s))
        watch_statements(counter.done)
        _watch_files(counter.done)


class _Counter:
    def __init__(self, pattern: str, number: int, held_s: float) -> None:
        self._pattern = pattern
        self._left = number
        self._held_s = held_s
        self._mutex = threading.Lock()

    def done(self, what: str) -> None:
        """Die here, where it is time."""
        if not fnmatchcase(what, self._pattern):
            return
        with self._mutex:
            self._left -= 1
            if self._left != 0:
                return
        threading.Event().wait(self._held_s)
        os.kill(os.getpid(), signal.SIGKILL)


def watch_statements(done: Callable[[str], None]) -> Callable[[], None]:
    """Call `done` before and after each statement on a database file; returns how to end that.

    A process sees only what connects from now on.
    """
    connect = sqlite3.connect

    class Watched(sqlite3.Connection):
        file = ""

        def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
            return self._told(sql.split(None, 1)[0].upper(), super().execute, sql, *values)

        def executescript(self, script: str) -> sqlite3.Cursor:
            return self._told("SCRIPT", super().executescript, script)

        def _told(self, word: str, do: Callable[..., sqlite3.Cursor], *values: Any) -> Any:
            done(f"before {word} {self.file}")
            cursor = do(*values)
            done(f"after {word} {self.file}")
            return cursor

        @classmethod
        def at(cls, database: Any, *more: Any, **options: Any) -> Self | sqlite3.Connection:
            if str(database) == ":memory:" or options.get("uri"):
                return connect(database, *more, **options)
            found = connect(database, *more, **options | {"factory": cls})
            assert isinstance(found, cls)
            found.file = Path(database).stem
            return found

    sqlite3.connect = Watched.at  # type: ignore[assignment]

    def end() -> None:
        sqlite3.connect = connect

    return end


def _watch_files(done: Callable[[str], None]) -> None:
    for name in ("fsync", "fdatasync", "rename", "replace", "unlink"):
        setattr(os, name, _told(name, getattr(os, name), done))


def _told(name: str, do: Callable[..., Any], done: Callable[[str], None]) -> Callable[..., Any]:
    def call(*values: Any, **options: Any) -> Any:
        target = "" if name.startswith("f") else f" {values[-1]}"
        done(f"before {name}{target}")
        result = do(*values, **options)
        done(f"after {name}{target}")
        return result

    return call
