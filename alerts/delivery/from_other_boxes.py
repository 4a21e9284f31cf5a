"""Alerts that other boxes of a cluster have handed to a sink which hangs on this one.

They wait in memory alone: each stays in its sender's outbox until it is answered, and is handed
over again where it is not.
"""

from __future__ import annotations

import traceback
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from alerts.message import Alert
from alerts.sink import DeferredError
from config.errors import DeliveryError
from config.secrets import scrub

Answer = Callable[[Exception | None], None]
"""Called once: None where the sink has taken it, else why not. From any thread, at once."""


@dataclass(frozen=True, slots=True)
class Forwarded:
    """`sent_at`: when its sender sent it, by this box's steady clock."""

    alert: Alert
    sent_at: float
    answer: Answer

    def hand(self, deliver: Callable[[Alert, float], None], oldest: float) -> Exception | None:
        """Deliver it, unless it was sent before `oldest`, and answer; why it was not taken."""
        error: Exception | None = DeliveryError("the thread of its sink died")
        try:
            error = self._taken(deliver, oldest)
        finally:
            self.answer(error)
        return error

    def _taken(self, deliver: Callable[[Alert, float], None], oldest: float) -> Exception | None:
        if self.sent_at < oldest:
            return DeferredError("the alert had expired before its sink could take it")
        try:
            deliver(self.alert, self.sent_at)
        except DeliveryError as error:
            return error
        except Exception as error:  # noqa: BLE001 - a sink from outside may raise anything
            trace = scrub(traceback.format_exc())
            structlog.get_logger().error("sink has a fault", trace=trace)
            return DeferredError(str(error) or type(error).__name__)
        return None


class FromOtherBoxes:
    """Those of one sink, in the order in which they came. Thread-safe."""

    def __init__(self) -> None:
        self._waiting: deque[Forwarded] = deque()

    def put(self, one: Forwarded) -> None:
        """It waits."""
        self._waiting.append(one)

    def next(self, before: float | None) -> Forwarded | None:
        """Take the first, where it was sent before that (None: whenever)."""
        try:
            one = self._waiting.popleft()
        except IndexError:
            return None
        if before is not None and one.sent_at >= before:
            self._waiting.appendleft(one)
            return None
        return one

    def answer_all(self, error: Exception) -> None:
        """None of them gets through now."""
        while one := self.next(None):
            one.answer(error)
