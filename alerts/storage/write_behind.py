"""The file that is written behind memory, so that no alarm waits for a disk.

What was written outlives a `kill -9` and, once it is synced (`syncing.py`), a power cut; what was
not is lost with them, as it would be had they come that much earlier. What a disk refuses stays in
memory, and is written as a whole once it takes something again.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Protocol

import structlog

from alerts.clock import SteadyClock
from alerts.deadline import Deadline
from alerts.liveness import LiveThread
from alerts.storage.copying import CLOCK_SET_S, rewrite, save_clock
from alerts.storage.database import NotOursError, is_damage, read_database, transaction
from alerts.storage.faults import StorageFaults
from alerts.storage.state_file import StateFile
from alerts.storage.syncing import Syncer
from config.errors import ConfigError

MAX_WAITING = 1000
"""Changes that may wait for a disk that hangs: beyond that memory is written as a whole."""

FLUSH_S = 3.0

CHECK_S = 5.0
"""How often to look whether the file is still there, and what the box's clock shows."""

FIRST_RETRY_S = 1.0
LONGEST_RETRY_S = 30.0

NO_ANSWER = "the disk does not answer"
ANSWER_S = 5.0
"""A disk that takes longer for one transaction does not answer."""

WRITTEN_S = 1.0
"""An alert waits so long for the disk, once, before it goes out from memory."""

SAVE_CLOCK_S = 60.0

Change = Callable[[sqlite3.Connection], object]


class Content(Protocol):
    """What the file holds, in memory."""

    def load(self, file: sqlite3.Connection) -> None:
        """Take in what an earlier run left in `file`."""

    def snapshot(self) -> sqlite3.Connection:
        """A copy of all of it, to be closed; nothing that was put before it waits any more."""


class WriteBehind:
    """Applies changes to the file at `path` in the order they were put, in a thread of its own.

    What comes while the disk is busy goes into one transaction.
    """

    def __init__(
        self, path: Path, content: Content, clock: SteadyClock, faults: StorageFaults
    ) -> None:
        self._path = path
        self._content = content
        self._clock = clock
        self._faults = faults
        self._state = threading.Condition()
        self._waiting: list[Change] = []
        self._stale = True
        """The file lacks what memory holds, and not only what waits."""
        self._is_read = False
        self._file: StateFile | None = None
        self._busy_since_s: float | None = None
        self._sync_since_s: float | None = None
        self._tries = 0
        self._refusals = 0
        # Numbers of changes: how many were put, are in the batch at work, written, on the disk.
        self._put = 0
        self._taken = 0
        self._written = 0
        self._synced = 0
        self._is_slow = False
        self._sync_error: Exception | None = None
        self._syncer = Syncer(path, self._on_synced, self._on_sync_failed)
        self._failures = 0
        self._unsaved = False
        self._retry_s = 0.0
        self._check_s = 0.0
        self._clock_saved: tuple[float, float] | None = None
        self._closing = False
        self.stale_since: datetime | None = None
        """Since when the disk has taken nothing (UTC); None where it takes what is put."""
        self._saved_at = datetime.now(UTC)
        self.held_elsewhere: ConfigError | None = None
        """Set where another daemon holds the file."""
        faults.watch("outbox", self._hangs)
        self.thread = LiveThread(f"write-{path.stem}", self._run)
        self.thread.renew = self._go_on

    def threads(self) -> list[LiveThread]:
        """Those that write and sync."""
        return [self.thread, self._syncer.thread]

    def start(self) -> None:
        """Open the file, read it into `content`, and begin to write."""
        self._syncer.start()
        self.thread.start()

    def put(self, change: Change) -> None:
        """Have `change`, which memory has, applied; returns at once."""
        with self._state:
            self._put += 1
            if self._stale:
                self._unsaved = True
                return  # all of memory is going to be written
            self._waiting.append(change)
            if len(self._waiting) > MAX_WAITING:
                self._waiting.clear()
                self._stale = True
            self._state.notify_all()

    def is_covered(self, *, stale: bool) -> None:
        """What was put so far is in a snapshot, or (not `stale`) in the file."""
        with self._state:
            self._waiting.clear()
            self._stale = stale
            self._taken = self._put

    def wait_tried(self, timeout_s: float) -> bool:
        """Wait until the file was opened, or could not be; False where that takes too long."""
        with self._state:
            self._is_slow = not self._state.wait_for(lambda: self._tries > 0, timeout_s)
            return not self._is_slow

    def wait_written(self) -> bool:
        """Wait until a kill undoes nothing that was put; not long, and not for a disk that fails.

        A sink that is told of what is in memory only would hear no end of it after a kill. False
        where that was not waited for.
        """
        with self._state:
            number = self._put
            if self._written < number and not (self._is_slow or self._failures):
                self._is_slow = not self._state.wait_for(
                    lambda: self._written >= number or self._failures, WRITTEN_S
                )
            return self._written >= number

    def flush(self, timeout_s: float = FLUSH_S) -> str | None:
        """Wait until the disk has all that was put; why not, where it refuses or takes too long."""
        with self._state:
            refusals = self._refusals
            number = self._put
            self._retry_s = 0.0
            self._state.notify_all()
            self._state.wait_for(
                lambda: self._synced >= number or self._refusals > refusals, timeout_s
            )
            if self._synced >= number:
                return None
        return self._faults.failing("outbox") or NO_ANSWER

    def has_all(self) -> bool:
        """Whether the disk has all that was put."""
        with self._state:
            return not self._stale and self._synced >= self._put

    def request_close(self) -> None:
        """Write what waits and close the file, without waiting; what is put later is lost."""
        with self._state:
            self._closing = True
            self._state.notify_all()

    def close(self, deadline: Deadline) -> bool:
        """Write what waits and close the file; False where that takes too long."""
        self.request_close()
        self.thread.join(deadline.left_s())
        if self.thread.is_alive():
            self._faults.fails("outbox", self._path, NO_ANSWER)
        return not self.thread.is_alive()

    def _go_on(self) -> None:
        """The thread has died, and with it what it was about to write; memory has that."""
        self.is_covered(stale=True)
        self._unsaved = True
        self.thread.start()

    def _run(self) -> None:
        while (batch := self._next()) is not None:
            self._try(batch)
        if self._stale or self._clock_was_set():
            self._try([])  # once more, from what memory held at the end; by what clock
        if self._stale and self._unsaved:
            structlog.get_logger().error(
                "the disk has not taken all that memory held, it is lost with this process",
                file=str(self._path),
            )
        self._syncer.stop()
        if self._file:
            with suppress(OSError, sqlite3.Error):
                self._syncer.sync()  # closing does, unless somebody reads
            self._file.close()

    def _next(self) -> list[Change] | None:
        """All that waits, once something is to be done; None at the end."""
        with self._state:
            self._busy_since_s = None
            self._state.notify_all()
            while not self._closing:
                now_s = time.monotonic()
                due_s = self._retry_s if self._stale else self._check_s
                if due_s <= now_s or self._sync_error or (self._waiting and not self._stale):
                    break
                self.thread.waiting()
                self._state.wait(due_s - now_s)
                self.thread.beat()
            if self._closing and not self._waiting:
                return None
            batch = self._waiting
            self._waiting = []
            self._taken = self._put
            self._busy_since_s = time.monotonic()
            return batch

    def _try(self, batch: list[Change]) -> None:
        began_at = datetime.now(UTC)
        try:
            self._write(batch)
        except (OSError, sqlite3.Error, ConfigError) as error:
            self._failed(error, batch)
        except Exception as error:  # noqa: BLE001 - logged; a dead writer would write nothing
            structlog.get_logger().exception("fault while writing to disk, it goes on")
            self._failed(error, batch)
        else:
            self._saved_at = began_at
            with self._state:
                self._written = self._taken
                self._is_slow = False
                to_sync = self._written > self._synced or self._failures > 0
                if to_sync and self._sync_since_s is None:
                    self._sync_since_s = time.monotonic()
            if to_sync:
                self._syncer.request(self._written)
        self._check_s = time.monotonic() + CHECK_S
        with self._state:
            self._tries += 1
            self._state.notify_all()

    def _on_synced(self, number: int) -> None:
        with self._state:
            self._synced = max(self._synced, number)
            self._sync_since_s = None if self._synced >= self._written else time.monotonic()
            if not self._stale:
                self._failures = 0
                self._unsaved = False
                self.stale_since = None
                self._faults.works("outbox", self._path)
            self._state.notify_all()

    def _on_sync_failed(self, error: Exception) -> None:
        with self._state:
            self._sync_error = error
            self._sync_since_s = None
            self._state.notify_all()

    def _write(self, batch: list[Change]) -> None:
        if error := self._sync_error:
            self._sync_error = None
            if self._file is None or self._file.in_place():
                raise error
        if self._file and not self._file.in_place():
            self._begin_anew("removed or replaced while running")
        if self._file is None:
            self._file = StateFile(self._path, self._faults, self._read)
        if self._stale:
            snapshot = self._content.snapshot()
            try:
                transaction(self._file.database, partial(self._apply, [partial(rewrite, snapshot)]))
            finally:
                snapshot.close()
        elif batch or self._clock_was_set():
            transaction(self._file.database, partial(self._apply, batch))

    def _apply(self, changes: Sequence[Change], database: sqlite3.Connection) -> None:
        _apply(changes, database)
        saved = self._clock_saved
        if not saved or self._clock.now() - saved[1] > SAVE_CLOCK_S or self._clock_was_set():
            # Read once: set between two readings it would count as saved, and be in no file.
            self._clock_saved = (self._clock.offset_s(), self._clock.now())
            save_clock(database, *self._clock_saved)

    def _read(self, database: sqlite3.Connection) -> None:
        if not self._is_read:
            try:
                self._content.load(database)
            except (ArithmeticError, TypeError, ValueError) as error:
                raise NotOursError(f"a row holds what none can ({error})") from error
            self._is_read = True

    def _failed(self, error: Exception, batch: list[Change]) -> None:
        """Nothing of it is on disk; what waited is in memory."""
        self._unsaved |= bool(batch)
        self.stale_since = self.stale_since or self._saved_at
        self.is_covered(stale=True)
        self._clock_saved = None
        if isinstance(error, ConfigError):
            self.held_elsewhere = error
        if self._file and is_damage(error):
            self._begin_anew(str(error))
        elif self._file is None and not self._is_read and not isinstance(error, ConfigError):
            self._only_read()
        self._faults.fails("outbox", self._path, str(error))
        self._retry_s = time.monotonic() + min(
            FIRST_RETRY_S * 2.0 ** min(self._failures, 10), LONGEST_RETRY_S
        )
        self._failures += 1
        self._refusals += 1

    def _begin_anew(self, reason: str) -> None:
        file = self._file
        self._file = None
        self.is_covered(stale=True)
        try:
            if file:
                file.leave(reason)
        except OSError as error:
            self._faults.fails("outbox", self._path, str(error))

    def _only_read(self) -> None:
        """A disk that takes nothing may still say what waits."""
        try:
            database = read_database(self._path)
            try:
                self._read(database)
            finally:
                database.close()
        except (OSError, sqlite3.Error):
            return
        self.is_covered(stale=True)

    def _clock_was_set(self) -> bool:
        saved = self._clock_saved
        return saved is not None and abs(self._clock.offset_s() - saved[0]) > CLOCK_SET_S

    def _hangs(self) -> str | None:
        since = [since_s for since_s in (self._busy_since_s, self._sync_since_s) if since_s]
        hangs = bool(since) and time.monotonic() - min(since) > ANSWER_S
        return NO_ANSWER if hangs else None


def _apply(changes: Sequence[Change], database: sqlite3.Connection) -> None:
    for change in changes:
        change(database)
