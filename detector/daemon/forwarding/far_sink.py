"""In place of a sink that hangs on another box: hands its alerts to that box, and waits for it."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from alerts.clock import SteadyClock
from alerts.message import Alert
from alerts.schema import alert_json
from alerts.storage.files import within
from config.errors import DeliveryError
from config.settings import SinkSettings
from detector.daemon.forwarding.reach import Reach
from detector.daemon.forwarding.replies import error_of

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy import Engine

    from detector.journal.records import Reply

ANSWER_S = 5.0
"""A box has so long to answer, beside what its sink may take."""

POLL_S = 0.02
"""Between two looks for the answer: an alarm is rare, and counts."""


class ForwardingSink:
    """Its box drives the sink of the same name; all that is told of it here is as of any sink."""

    def __init__(self, settings: SinkSettings, box: str, reach: Reach, clock: SteadyClock) -> None:
        """`clock`: the dispatcher's."""
        self._name = settings.name
        self._box = box
        self._reach = reach
        self._clock = clock
        self._within_s = ANSWER_S + getattr(settings.options, "timeout_s", 0.0)
        self._image = getattr(settings.options, "image", False)

    def on_ready(self, wake: Callable[[], None]) -> None:
        """Call `wake` whenever the box is there again."""
        self._reach.on_ready(self._name, self._box, wake)

    def connected(self) -> bool:
        """Whether the box takes what is handed to it."""
        return self._reach.reaches(self._box)

    def trouble(self) -> str | None:
        """Why the box does not; None where it does, or that is not known yet."""
        return self._reach.trouble(self._box)

    def start(self) -> None:
        """Nothing is its own."""

    def forward(self, alert: Alert, sent_at: float) -> None:
        """Return once the sink on that box has taken it; raises what it raised there."""
        if away := self._reach.journal_away():
            raise self._not_reached(away)
        until_s = time.monotonic() + self._within_s
        try:  # a server that hangs would hold up what expires here meanwhile
            within(2 * self._within_s, partial(self._hand_over, alert, sent_at, until_s))
        except OSError as error:
            raise self._not_reached("the journal does not answer") from error

    def close(self) -> None:
        """Nothing is open."""

    def _hand_over(self, alert: Alert, sent_at: float, until_s: float) -> None:
        from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415 - takes a third of a second

        from detector.journal.database import in_words  # noqa: PLC0415 - same

        box, engine = self._box, self._reach.engine
        if engine is None:
            raise self._not_reached("the journal is yet to be opened")
        key = (self._name, alert.alert_id)
        body = alert_json(alert, image=self._image).decode()
        try:
            reply = self._reply(engine, key, body, sent_at, until_s)
        except SQLAlchemyError as error:
            raise self._not_reached(in_words(self._reach.url or "", error)) from error
        if reply is None:
            away = self.trouble()
            if away:
                self._reach.lost(self._name)
            raise DeliveryError(away or f"box {box} does not answer")
        if failure := error_of(reply, box):
            raise failure

    def _reply(
        self, engine: Engine, key: tuple[str, UUID], body: str, sent_at: float, until_s: float
    ) -> Reply | None:
        """What the box replies by `until_s`."""
        from detector.journal import forwarding  # noqa: PLC0415 - same

        with engine.connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT")
            sent = forwarding.instant(connection, lambda: self._clock.now() - sent_at)
            if time.monotonic() >= until_s:
                return None  # nobody waits for it any more
            forwarding.put(connection, self._box, key, body, sent)
            while time.monotonic() < until_s and not self._reach.leaving.is_set():
                if reply := forwarding.reply(connection, self._box, key):
                    return reply
                self._reach.leaving.wait(POLL_S)
        return None

    def _not_reached(self, reason: str) -> DeliveryError:
        self._reach.lost(self._name)
        return DeliveryError(f"box {self._box} is not reached: {reason}")
