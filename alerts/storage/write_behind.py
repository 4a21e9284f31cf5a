"""A database file that is written behind whoever changes it, so that no alarm waits for a disk.

On a disk that something else writes to, a commit takes up to 600 ms (see `alerts/README.md`).
What the disk has outlives a power cut and a `kill -9`; what it does
not have yet is lost with them, as it would be had they come that much earlier.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

import structlog

from alerts.deadline import Deadline
from alerts.liveness import LiveThread

MAX_WAITING = 1000
"""Changes that may wait for a disk that hangs: with their pictures 150 MB at most."""

FLUSH_S = 5.0

T = TypeVar("T")
Change = Callable[[sqlite3.Connection], object]


def transaction(database: sqlite3.Connection, change: Callable[[sqlite3.Connection], T]) -> T:
    """Apply `change` whole or not at all; `database` is in autocommit mode."""
    database.execute("BEGIN IMMEDIATE")
    try:
        result = change(database)
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise
    return result


class WriteBehind:
    """Applies changes to `database` in the order they were put, in a thread of its own.

    It takes over the connection. What comes while the disk is busy goes into one transaction. A
    disk that refuses is named in the log, once until it takes something again; what it refused
    is not tried again.
    """

    def __init__(self, database: sqlite3.Connection, path: Path) -> None:
        self._database = database
        self._path = path
        self._state = threading.Condition()
        self._waiting: list[Change] = []
        self._writing = False
        self._closing = False
        self._failing = False
        self.thread = LiveThread(f"write-{path.stem}", self._run)
        self.thread.start()

    def put(self, change: Change) -> None:
        """Have `change` applied; returns at once."""
        with self._state:
            if len(self._waiting) < MAX_WAITING:
                self._waiting.append(change)
                self._state.notify_all()
                return
        self._report("the disk does not answer")

    def flush(self, timeout_s: float = FLUSH_S) -> bool:
        """Wait until all that was put has been tried; False where that takes too long."""
        with self._state:
            return self._state.wait_for(lambda: not self._waiting and not self._writing, timeout_s)

    def request_close(self) -> None:
        """Write what waits and close the database, without waiting; what is put later is lost."""
        with self._state:
            self._closing = True
            self._state.notify_all()

    def close(self, deadline: Deadline) -> bool:
        """Write what waits and close the database; False where that takes too long."""
        self.request_close()
        self.thread.join(deadline.left_s())
        if self.thread.is_alive():
            self._report("the disk does not answer")
        return not self.thread.is_alive()

    def _run(self) -> None:
        while batch := self._next():
            try:
                transaction(self._database, partial(_apply, batch))
                self._failing = False
            except sqlite3.Error as error:
                self._report(str(error))
        self._database.close()

    def _next(self) -> list[Change]:
        """All that waits, once something does; nothing at the end."""
        with self._state:
            self._writing = False
            self._state.notify_all()
            self.thread.waiting()
            self._state.wait_for(lambda: self._waiting or self._closing)
            self.thread.beat()
            batch = self._waiting
            self._waiting = []
            self._writing = bool(batch)
            return batch

    def _report(self, reason: str) -> None:
        if not self._failing:
            structlog.get_logger().error(
                "cannot write to disk, only memory holds what is new; check the disk",
                file=str(self._path),
                reason=reason,
            )
        self._failing = True


def _apply(changes: Sequence[Change], database: sqlite3.Connection) -> None:
    for change in changes:
        change(database)
