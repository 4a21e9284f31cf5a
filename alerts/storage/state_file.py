"""The open database file, its lock, and whether it still is where it was opened.

Whatever else stands at its path is set aside, with the time in its name: an alarm that refuses to
start over old messages would be worse than losing them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from alerts.storage.database import is_damage, open_database
from alerts.storage.faults import StorageFaults
from alerts.storage.files import (
    COMPANIONS,
    FileLock,
    identity,
    in_the_way,
    move_aside,
    move_companions,
)


class StateFile:
    """Held for this process from `__init__` to `close`."""

    def __init__(
        self, path: Path, faults: StorageFaults, read: Callable[[sqlite3.Connection], object]
    ) -> None:
        """Open or make it, and hand it to `read`.

        Raises ConfigError where another daemon holds it, OSError or sqlite3.Error where no
        database can be had there at all.
        """
        self._path = path
        self._faults = faults
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
        self._clear_the_way(path.with_name(path.name + ".lock"))
        self._lock = FileLock(path.with_name(path.name + ".lock"))
        try:
            try:
                self.database = self._opened(read)
            except sqlite3.Error as error:
                if not is_damage(error):
                    raise
                self._set_aside(str(error))
                self.database = self._opened(read)
            self._seen = self._identity()
        except BaseException:
            self._lock.release()
            raise

    def in_place(self) -> bool:
        """Whether file, log and lock are still the ones that were opened."""
        return self._identity() == self._seen and self._lock.in_place()

    def leave(self, reason: str) -> None:
        """Close it and set aside what is at its path now, so that a new one can be made."""
        self.close()
        self._set_aside(reason)

    def close(self) -> None:
        """Close it and let go of the lock."""
        with suppress(sqlite3.Error):
            self.database.close()
        self._lock.release()

    def _opened(self, read: Callable[[sqlite3.Connection], object]) -> sqlite3.Connection:
        for name in ("", *COMPANIONS):
            self._clear_the_way(self._path.with_name(self._path.name + name))
        self._path.touch(mode=0o600, exist_ok=True)  # pictures of people: for this user only
        database = open_database(self._path)
        try:
            read(database)
        except BaseException:
            database.close()
            raise
        return database

    def _clear_the_way(self, path: Path) -> None:
        if what := in_the_way(path):
            self._faults.set_aside("outbox", path, move_aside(path), f"{what} is there")

    def _set_aside(self, reason: str) -> None:
        if not self._path.exists():
            return
        aside = move_aside(self._path)
        move_companions(self._path, aside)
        self._faults.set_aside("outbox", self._path, aside, reason)

    def _identity(self) -> list[tuple[int, int] | None]:
        return [identity(self._path.with_name(self._path.name + name)) for name in ("", "-wal")]
