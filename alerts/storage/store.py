"""What is kept over a restart, in memory and behind it in one file: outbox and journal.

So what becomes of an incident and who is to be told of it reach the disk in one transaction.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import structlog

from alerts.clock import SteadyClock
from alerts.deadline import Deadline
from alerts.storage import copying
from alerts.storage.database import connect, memory_database, transaction
from alerts.storage.faults import StorageFaults
from alerts.storage.files import START_S
from alerts.storage.set_aside import put_back
from alerts.storage.takeover import take_over
from alerts.storage.write_behind import Change, WriteBehind

OLD_JOURNAL = "incidents.sqlite"
"""Where releases before this one kept incidents."""

T = TypeVar("T")


class Store:
    """The tables of `alerts.storage.database`. Safe to call from any thread.

    Raises ConfigError where another daemon holds the file. A disk that cannot be read or written,
    or does not answer, stops nothing: all goes on in memory, and is written once it can be.
    """

    def __init__(
        self,
        path: Path,
        clock: SteadyClock | None = None,
        faults: StorageFaults | None = None,
        on_load: Callable[[], None] = lambda: None,
    ) -> None:
        """`on_load` is called once what an earlier run left is there, however late."""
        self._path = path
        self.clock = clock or SteadyClock()
        self.faults = faults or StorageFaults()
        self._on_load = on_load
        self._mutex = threading.RLock()
        self._memory = memory_database()
        self._changed = False
        self._together: list[Change] | None = None
        """Changes for one transaction of the file, while it is put together."""
        self.news = threading.Event()
        """Set by every change; whoever waits for one clears it."""
        self._last: sqlite3.Connection | None = None
        self.loaded = False
        """Whether what an earlier run left is there; False where the disk gives nothing."""
        self.file = WriteBehind(path, self, self.clock, self.faults)
        self.file.start()
        if not self.file.wait_tried(START_S):
            structlog.get_logger().error(
                "the disk does not answer, what waits there is delivered once it does",
                file=str(path),
            )
        if self.file.held_elsewhere:
            self.close(Deadline.after(0))
            raise self.file.held_elsewhere

    def read(self, query: str, values: tuple[object, ...] = ()) -> list[tuple[Any, ...]]:
        """The rows that `query` finds; sqlite3.ProgrammingError once the store is closed."""
        with self._mutex:
            return self._memory.execute(query, values).fetchall()

    def write(self, change: Callable[[sqlite3.Connection], T]) -> T:
        """Apply `change` in memory now and to the file behind; it must do the same to both."""
        with self._mutex:
            result = transaction(self._memory, change)
            self._changed = True
            if self._together is None:
                self.file.put(change)
            else:
                self._together.append(change)
        self.news.set()
        return result

    @contextmanager
    def together(self) -> Iterator[None]:
        """What is written meanwhile reaches the file in one transaction, or nothing of it does.

        Nobody else reads or writes meanwhile. Not to be nested.
        """
        with self._mutex:
            changes = self._together = []
            try:
                yield
            finally:
                self._together = None
                if changes:
                    self.file.put(lambda file: [change(file) for change in changes])

    def locked(self, do: Callable[[sqlite3.Connection], T]) -> T:
        """What `do` makes of the tables in memory, while nobody else changes them."""
        with self._mutex:
            return do(self._memory)

    def close(self, deadline: Deadline) -> None:
        """Close the file by `deadline`; what waits stays in it."""
        with self._mutex:
            if self._last is None:
                self._last = self._memory if self.file.has_all() else self._copy()
                self._memory.close()
        # Without the mutex: a sink that asks now is told that it is over, and does not wait.
        if self.file.close(deadline):
            self._last.close()

    def load(self, file: sqlite3.Connection) -> None:
        """Take in what an earlier run left in `file`, before what has come since."""
        take_over(self._path.with_name(OLD_JOURNAL), self._path, file, self.faults)
        memory, same = copying.loaded(file, self.clock)
        same &= not put_back(memory, "unreadable", None)  # this release may be the one that reads
        with self._mutex:
            if self._last is not None:
                return
            copying.append(self._memory, memory)
            self._memory.close()
            self._memory = memory
            self.file.is_covered(stale=self._changed or not same)
            self.loaded = True
        self.news.set()
        self._on_load()

    def snapshot(self) -> sqlite3.Connection:
        """A copy of all of it, to be closed; nothing that was put before it waits any more."""
        with self._mutex:
            self.file.is_covered(stale=False)
            return self._copy()

    def _copy(self) -> sqlite3.Connection:
        source = self._memory if self._last is None else self._last
        copy = connect(":memory:")
        source.backup(copy)
        return copy
