"""Takes what the journal lacks from the local store and writes it there, in a thread of its own.

Nothing waits for it. What is written is forgotten in the store afterwards, so that a kill between
the two only has it written twice, which changes nothing.
"""

from __future__ import annotations

import secrets
import socket
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from structlog import get_logger

from alerts.deadline import Deadline
from alerts.liveness import LiveThread
from alerts.storage.database import read_database
from alerts.storage.files import COMPANIONS, identity, in_the_way, move_aside, move_companions
from alerts.storage.store import Store
from config.errors import JikimiError
from detector.journal import local
from detector.journal.local import Batch

if TYPE_CHECKING:
    from sqlalchemy import Engine

BATCH = 500
"""Rows of each kind in one transaction: some 50 ms."""

PAUSE_S = 0.25
"""Between two transactions: what comes meanwhile shares the next one."""

FIRST_RETRY_S = 1.0
LONGEST_RETRY_S = 30.0

HELD_S = 1.0
"""How often to look whether the store's own disk takes something again."""

SEEN_EVERY_S = 60.0
FORGET_EVERY_S = 86_400.0

HANGS_AFTER_S = 60.0
"""Longer than a server that is slow takes: connecting 5 s, a statement 30 s."""

ANSWER_S = 10.0
"""Who takes longer for one round does not answer."""

RESTARTED = "monitor restarted"

log = get_logger()


class JournalFeeder:
    """Writes the journal at `where`: a path of SQLite, or a URL of PostgreSQL."""

    def __init__(
        self,
        store: Store,
        store_path: Path,
        where: Path | str,
        also: Callable[[Engine], bool] = lambda _: False,
    ) -> None:
        """`also` is called after each batch, and says whether it has more to do at once."""
        self._store = store
        self._store_path = store_path
        self._where = where
        self._also = also
        self._stopping = threading.Event()
        self._engine: Engine | None = None
        self._file: tuple[int, int] | None = None
        self._box: str | None = None
        self._looked_back = False
        self._stopped_cameras = False
        self._whole = False
        self._sweep = True
        self._unreadable: set[str] = set()
        self._held = False
        self._failures = 0
        self._retry_s = 0.0
        self._seen_s = 0.0
        self._forgot_s = float("-inf")
        self._busy_since_s: float | None = None
        store.faults.watch("journal", self._hangs)
        self.thread = LiveThread("journal", self._run, stuck_after_s=HANGS_AFTER_S)

    def start(self) -> None:
        """Begin to write."""
        self.thread.start()

    def request_stop(self) -> None:
        """End after what is under way; what is not written then is at the next start."""
        self._stopping.set()
        self._store.news.set()

    def stop(self, deadline: Deadline) -> None:
        """End by `deadline`; one that hangs is left behind, and loses nothing."""
        self.request_stop()
        self.thread.join(deadline.left_s())

    def _run(self) -> None:
        self._close()  # where one that died has left it
        with suppress(sqlite3.ProgrammingError):  # the store was closed first: all is in its file
            while not self._stopping.is_set():
                self._round()
            self._last_round()
        self._close()

    def _round(self) -> None:
        """Write what waits, then wait for more."""
        try:
            more = self._feed()
        except sqlite3.ProgrammingError:
            raise
        except Exception as error:  # noqa: BLE001 - told below; a dead feeder would write nothing
            self._failed(error)
            more = False
        self._busy_since_s = None
        self.thread.waiting()
        if not self._failures:
            if not more:
                due_s = max(0.0, self._seen_s - time.monotonic())
                self._store.news.wait(HELD_S if self._held else due_s)
                self._store.news.clear()
            self._stopping.wait(PAUSE_S)
        else:
            self._stopping.wait(max(0.0, self._retry_s - time.monotonic()))
        self.thread.beat()

    def _last_round(self) -> None:
        """The end of what was open, where the journal takes it at once."""
        try:
            while not self._failures and self._feed():
                self.thread.beat()
        except sqlite3.ProgrammingError:
            raise
        except Exception as error:  # noqa: BLE001 - same
            self._failed(error)

    def _feed(self) -> bool:
        """Write one batch of what waits; whether there may be more."""
        from detector.journal import writer  # noqa: PLC0415 - SQLAlchemy takes a third of a second

        self._busy_since_s = time.monotonic()
        engine = self._opened()
        box = self._name()
        self._look_back(engine, box)
        # What a kill undoes here is not to stand there: nobody would be told of its end. But where
        # this disk fails, a server is the one place that keeps it.
        self._held = not self._store.file.wait_written() and isinstance(self._where, Path)
        if self._held:
            return False
        batch = local.waiting(self._store.read, box, BATCH, self._unreadable)
        if not batch and self._sweep:
            batch = self._behind_memory(box)
        if batch.incidents or batch.pending:
            self._write(engine, box, batch)
        now, now_s = datetime.now(UTC), time.monotonic()
        is_whole = self._whole or (not batch and self._looked_back and not self._sweep)
        if now_s >= self._seen_s or is_whole != self._whole:
            with engine.begin() as connection:
                writer.seen(connection, box, now, whole=is_whole)
            self._seen_s = now_s + SEEN_EVERY_S
            self._whole = is_whole
        if now_s - self._forgot_s >= FORGET_EVERY_S:
            with engine.begin() as connection:
                writer.forget(connection, now)
            self._forgot_s = now_s
        for kind, key, reason in batch.damaged:
            log.error("cannot be journalled, set aside", kind=kind, key=key, reason=reason)
            if kind == "incident":
                self._unreadable.add(key)
        if batch:
            self._store.write(local.mark(batch))
        more = self._also(engine)
        self._works()
        return bool(batch) or more

    def _write(self, engine: Engine, box: str, batch: Batch) -> None:
        """All of it at once or, where one row is refused, each by itself."""
        from detector.journal import writer  # noqa: PLC0415 - same
        from detector.journal.database import in_words, is_about_one_row  # noqa: PLC0415

        try:
            with engine.begin() as connection:
                writer.write(connection, box, batch.incidents, [one for _, one in batch.pending])
                return
        except Exception as error:
            if not is_about_one_row(error):
                raise
        incidents, pending = batch.incidents, batch.pending
        batch.incidents, batch.pending = [], []
        for incident in incidents:
            try:
                with engine.begin() as connection:
                    writer.write(connection, box, [incident], [])
                batch.incidents.append(incident)
            except Exception as error:
                if not is_about_one_row(error):
                    raise
                reason = in_words(self._where, error)
                batch.damaged.append(("incident", str(incident.id), reason))
        for row, record in pending:
            try:
                with engine.begin() as connection:
                    writer.write(connection, box, [], [record])
                batch.pending.append((row, record))
            except Exception as error:
                if not is_about_one_row(error):
                    raise
                batch.damaged.append((row[0], row[1], in_words(self._where, error)))

    def _opened(self) -> Engine:
        """The journal, opened anew where its file was removed or replaced."""
        from detector.journal.database import open_journal  # noqa: PLC0415 - same

        if self._engine and isinstance(self._where, Path) and identity(self._where) != self._file:
            log.warning("the journal was removed or replaced, a new one is begun")
            self._close()
        if self._engine is None:
            if isinstance(self._where, Path):
                self._where.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
                for suffix in ("", *COMPANIONS):
                    path = self._where.with_name(self._where.name + suffix)
                    if what := in_the_way(path):
                        faults = self._store.faults
                        faults.set_aside("journal", path, move_aside(path), f"{what} is there")
            self._engine = open_journal(self._where)
            if isinstance(self._where, Path):
                self._file = identity(self._where)
            self._whole = False
            self._looked_back = False
            self._seen_s = 0.0
        return self._engine

    def _close(self) -> None:
        if self._engine:
            self._engine.dispose()
        self._engine = None

    def _look_back(self, engine: Engine, box: str) -> None:
        """Once the store has said what it holds: put right what earlier runs left in the journal.

        A journal that has not had all of this store's incidents (a new one, or another) gets them.
        """
        from detector.journal import writer  # noqa: PLC0415 - same

        if self._looked_back or not self._store.loaded:
            return
        known = {UUID(key) for (key,) in self._store.read("SELECT id FROM incidents") if _is(key)}
        own = box if isinstance(self._where, str) else None
        with engine.begin() as connection:
            self._whole = writer.is_whole(connection, box)
            writer.close_unknown(connection, own, known, datetime.now(UTC), RESTARTED)
            if not self._stopped_cameras:
                writer.stop_cameras(connection, box)
        self._stopped_cameras = True
        self._store.write(local.try_again)
        if not self._whole:
            self._store.write(
                lambda database: database.execute("UPDATE incident_details SET journalled = 0")
            )
            self._unreadable.clear()
        self._sweep = True
        self._looked_back = True

    def _behind_memory(self, box: str) -> Batch:
        """Of what the store's file has and memory has not, what waits."""
        if not self._store.loaded or self._store.file.flush() is not None:
            return Batch()
        with closing(read_database(self._store_path)) as file:
            found = local.waiting(
                lambda query, values: file.execute(query, values).fetchall(),
                box,
                BATCH,
                self._unreadable,
            )
        found.pending.clear()  # memory has all of these
        self._sweep = bool(found)
        return found

    def _name(self) -> str:
        """Under which the journal knows this store, for as long as its file lasts."""
        if self._box is None or self._store.loaded:
            found = self._store.read("SELECT name FROM box")
            if found and isinstance(found[0][0], str):
                self._box = found[0][0]
            else:
                name = self._box or f"{socket.gethostname()}-{secrets.token_hex(4)}"
                self._box = name
                if self._store.loaded:
                    self._store.write(
                        lambda database: database.execute(
                            "INSERT OR REPLACE INTO box VALUES (1, ?)", (name,)
                        )
                    )
        return self._box

    def _failed(self, error: Exception) -> None:
        from detector.journal.database import in_words, is_damaged  # noqa: PLC0415 - same

        expected = isinstance(error, (OSError, JikimiError)) or _is_of_database(error)
        if not expected:
            log.error("fault while writing the journal, it goes on", exc_info=error)
        self._close()
        reason = in_words(self._where, error)
        if is_damaged(self._where, error):
            with suppress(OSError):
                self._set_aside(reason)
        self._store.faults.fails("journal", self._shown(), reason)
        pause_s = min(FIRST_RETRY_S * 2.0 ** min(self._failures, 10), LONGEST_RETRY_S)
        self._retry_s = time.monotonic() + pause_s
        self._failures += 1

    def _works(self) -> None:
        if self._failures:
            self._failures = 0
            self._sweep = True
        self._store.faults.works("journal", self._shown())

    def _hangs(self) -> str | None:
        since_s = self._busy_since_s
        hangs = since_s is not None and time.monotonic() - since_s > ANSWER_S
        return "the journal does not answer" if hangs else None

    def _set_aside(self, reason: str) -> None:
        assert isinstance(self._where, Path)
        aside = move_aside(self._where)
        move_companions(self._where, aside)
        self._store.faults.set_aside("journal", self._where, aside, reason)

    def _shown(self) -> str:
        from detector.journal.database import name_of  # noqa: PLC0415 - same

        return name_of(self._where)


def _is_of_database(error: Exception) -> bool:
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415 - same

    return isinstance(error, (SQLAlchemyError, sqlite3.Error))


def _is(key: Any) -> bool:
    """Whether `key` is an id."""
    try:
        UUID(key)
    except (ValueError, TypeError, AttributeError):
        return False
    return True
