"""Has the disk take what was written, in a thread of its own: nobody who writes waits for it.

What was written to the log outlives a `kill -9` at once, for the operating system has it; a power
cut only once it is on the disk, which takes up to 600 ms on one that something else writes to.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from alerts.liveness import LiveThread
from alerts.storage.database import LOG_LIMIT, connect


class Syncer:
    """Syncs the log of the database at `path` whenever asked."""

    def __init__(
        self, path: Path, done: Callable[[int], None], failed: Callable[[Exception], None]
    ) -> None:
        """`done` gets the highest number asked for before what was synced; `failed`, why not."""
        self._path = path
        self._log = path.with_name(path.name + "-wal")
        self._done = done
        self._failed = failed
        self._state = threading.Condition()
        self._asked: int | None = None
        self._stopping = False
        self.thread = LiveThread(f"sync-{path.stem}", self._run)

    def start(self) -> None:
        """Begin to wait for requests."""
        self.thread.start()

    def request(self, number: int) -> None:
        """Sync what is written by now; returns at once."""
        with self._state:
            self._asked = number
            self._state.notify()

    def stop(self) -> None:
        """End, once what is under way is done, and wait for that."""
        with self._state:
            self._stopping = True
            self._state.notify()
        self.thread.join(None)

    def _run(self) -> None:
        while True:
            with self._state:
                self.thread.waiting()
                self._state.wait_for(lambda: self._stopping or self._asked is not None)
                self.thread.beat()
                number = self._asked
            if number is None:
                return
            try:
                self.sync()
            except (OSError, sqlite3.Error) as error:
                self._failed(error)
            else:
                self._done(number)
            with self._state:  # not before: a thread that takes this one's place has it to do
                if self._asked == number:
                    self._asked = None

    def sync(self) -> None:
        """Sync now, in this thread; raises OSError or sqlite3.Error where the disk refuses."""
        descriptor = os.open(self._log, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
            size = os.fstat(descriptor).st_size
        finally:
            os.close(descriptor)
        if size > LOG_LIMIT:
            with closing(connect(str(self._path))) as database:
                database.execute("PRAGMA wal_checkpoint(PASSIVE)")
