"""Takes what other boxes of a cluster forward to sinks of this one, in a thread of its own.

It says that this box is there, too, and looks which others are. Neither detection nor any sink of
this box waits for it or for the journal.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from pydantic import ValidationError
from structlog import get_logger

from alerts.deadline import Deadline
from alerts.dispatcher import Dispatcher
from alerts.liveness import LiveThread
from alerts.message import Alert
from alerts.sink import FarSink, RefusedError, box_of
from config.errors import DeliveryError, JikimiError
from config.settings import SinkSettings
from detector.daemon.forwarding.far_sink import ForwardingSink
from detector.daemon.forwarding.reach import Reach
from detector.daemon.forwarding.replies import reply_of
from detector.journal.records import Reply

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy import Connection

    from detector.journal.forwarding import Addressed

IDLE_S = 0.5
"""So often it looks for what no NOTIFY has told of, as where a pooler is between."""

BUSY_S = 0.02
"""So often for the sink's reply, while one is due."""

SEEN_EVERY_S = 2.0
RETRY_S = 1.0
FORGET_EVERY_S = 60.0

STUCK_AFTER_S = 60.0
"""Longer than a server that is slow takes: connecting 5 s, a statement 30 s."""

log = get_logger()


class Forwarding:
    """Of one daemon. Thread-safe."""

    def __init__(
        self,
        url: str | None,
        dispatcher: Dispatcher,
        box: Callable[[], str | None],
        sinks: Callable[[], Sequence[SinkSettings]],
    ) -> None:
        """`url`: of the journal in PostgreSQL; `box`: this one, None where it is in no cluster."""
        self._dispatcher = dispatcher
        self._clock = dispatcher.store.clock
        self._box = box
        self._sinks = sinks
        self._reach = Reach(url)
        self._stopping = threading.Event()
        self._taken: set[tuple[str, UUID]] = set()
        self._replies: deque[tuple[tuple[str, UUID], Reply]] = deque()
        self._look_s = 0.0
        self._forget_s = 0.0
        self.thread = LiveThread("forwarding", self._run, stuck_after_s=STUCK_AFTER_S)

    def far_sink(self, sink: SinkSettings) -> FarSink | None:
        """What stands for `sink` here; None where this box drives it itself."""
        box, own = box_of(sink), self._box()
        if box is None or own is None or box == own:
            return None
        return ForwardingSink(sink, box, self._reach, self._clock)

    def look_again(self) -> None:
        """Start, where this is a box of a cluster and some sink hangs on one."""
        wanted = self._box() and any(box_of(sink) for sink in self._sinks())
        if wanted and self._reach.url and not self.thread.is_alive():
            self.thread.start()

    def request_stop(self) -> None:
        """Take no more, and have no sink wait for another box."""
        self._reach.leaving.set()

    def stop(self, deadline: Deadline) -> None:
        """Tell what has become of what was taken, and end by `deadline`."""
        self.request_stop()
        self._stopping.set()
        self.thread.join(deadline.left_s())

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._serve()
            except Exception as error:  # noqa: BLE001 - told; a dead thread would be a silent siren
                self._failed(error)
                self.thread.beat()
                self._stopping.wait(RETRY_S)

    def _serve(self) -> None:
        """Until it is to end; raises whatever the journal raises."""
        from detector.journal import forwarding  # noqa: PLC0415 - loads SQLAlchemy
        from detector.journal.database import open_journal  # noqa: PLC0415 - same

        assert self._reach.url
        engine = open_journal(self._reach.url)
        try:
            with engine.connect() as connection:
                connection.execution_options(isolation_level="AUTOCOMMIT")
                forwarding.listen(connection)
                self._reach.engine = engine
                self._look_s = 0.0
                is_last = False
                while not is_last:
                    is_last = self._stopping.is_set()
                    self._look(connection)
                    self.thread.beat()
                    is_busy = self._taken or self._reach.leaving.is_set()
                    forwarding.wait(connection, BUSY_S if is_busy else IDLE_S)
        finally:
            self._reach.engine = None
            engine.dispose()

    def _look(self, connection: Connection) -> None:
        from detector.journal import forwarding  # noqa: PLC0415 - same

        box = self._box() or ""
        while self._replies:
            key, reply = self._replies[0]
            forwarding.tell(connection, box, key, reply)
            self._replies.popleft()
            self._taken.discard(key)
        own = {sink.name for sink in self._sinks() if box_of(sink) == box}
        if not self._reach.leaving.is_set():
            now = self._clock.now()  # before it is asked: its age is none too small then
            for one in forwarding.addressed(connection, box, self._taken):
                self._take(one, now - one.age_s, own)
        now_s = time.monotonic()
        if now_s >= self._look_s:
            if own:
                forwarding.seen(connection, box)
            self._reach.looked(forwarding.ages(connection))
            self._look_s = now_s + SEEN_EVERY_S
        if now_s >= self._forget_s:
            forwarding.forget(connection)
            self._forget_s = now_s + FORGET_EVERY_S

    def _take(self, one: Addressed, sent_at: float, own: set[str]) -> None:
        """Have the sink deliver it; its reply is written at a later look."""
        key = (one.sink, one.alert_id)
        self._taken.add(key)
        reply = partial(self._reply, key)
        if one.sink not in own:
            reply(DeliveryError(f"no sink {one.sink} hangs on it by its configuration"))
            return
        try:
            alert = Alert.model_validate_json(one.body)
        except ValidationError:
            reply(RefusedError("the alert cannot be read; is that box of the same release?"))
            return
        self._dispatcher.take_in(one.sink, alert, sent_at, reply)

    def _reply(self, key: tuple[str, UUID], error: Exception | None) -> None:
        self._replies.append((key, reply_of(error)))

    def _failed(self, error: Exception) -> None:
        from psycopg import Error  # noqa: PLC0415 - same
        from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415 - same

        from detector.journal.database import in_words  # noqa: PLC0415 - same

        if not isinstance(error, (Error, SQLAlchemyError, OSError, JikimiError)):
            log.error("fault while forwarding, it goes on", exc_info=error)
        reason = in_words(self._reach.url or "", error)
        if self._reach.failed(reason):
            log.warning("other boxes are not reached, will try again", reason=reason)
