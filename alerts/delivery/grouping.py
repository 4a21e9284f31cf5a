"""Of a sink that groups: which alerts go as one message, and how long one is waited with."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from uuid import UUID

from alerts.message import AlertPhase
from alerts.sink import DeferredError, RefusedError, TimedOutError, UnclearError
from alerts.storage.outbox import Message, Outbox
from config.errors import DeliveryError

MOST = 200
"""Alerts in one message at the most; with pictures of 60 kB, 12 MB are read for it."""

ALARM_GAP_S = 5.0
"""From one message to the next alarm: at most 12 a minute, which ntfy.sh and Telegram allow."""

NEWS_GAP_S = 60.0
"""To anything else: a fight of three minutes says twice that it goes on."""


class Groups:
    """The messages of one sink; without effect where it does not group.

    The first alarm after a quiet time goes at once; those that come within `ALARM_GAP_S` are
    gathered. What waits with it goes along.
    """

    def __init__(self, outbox: Outbox, sink: str, *, groups: bool) -> None:
        self._outbox = outbox
        self._sink = sink
        self._groups = groups
        self._size = MOST
        self._worked_s = float("-inf")
        self._is_unclear = False

    def rest_s(self, message: Message) -> float:
        """Seconds until the group that `message` heads may go; 0 or less: now."""
        if not self._groups:
            return 0.0
        gap_s = ALARM_GAP_S if message.alert.phase is AlertPhase.OPENED else NEWS_GAP_S
        return self._worked_s + gap_s - time.monotonic()

    def of(self, first: Message, now: float, but: Collection[UUID]) -> Sequence[Message]:
        """What goes as one message with `first`: itself alone, or all that is due but `but`."""
        if not self._groups or self._size == 1:
            return [first]
        due = self._outbox.all_due(self._sink, now, but, self._size)
        return [one for one in due if one.alert.exercise == first.alert.exercise] or [first]

    def worked(self) -> None:
        """The sink has taken a message: after a refusal, twice as many may go by the next."""
        self._worked_s = time.monotonic()
        self._size = min(2 * self._size, MOST)
        self._is_unclear = False

    def failed(self, messages: Sequence[Message], error: Exception) -> bool:
        """`messages` were not taken; whether the sink is to be left alone for a while.

        What is refused goes without its pictures, then by halves, until the one to blame is
        alone: eight messages at most.
        """
        pictured = [one for one in messages if one.alert.image is not None]
        is_refused = isinstance(error, RefusedError)
        if pictured and (is_refused or isinstance(error, TimedOutError)):
            for message in pictured:
                self._outbox.drop_image(message)
            return not is_refused
        is_unclear, self._is_unclear = self._is_unclear, isinstance(error, UnclearError)
        is_theirs = (
            is_refused or isinstance(error, DeferredError) or not isinstance(error, DeliveryError)
        )
        if is_theirs or (is_unclear and self._is_unclear):
            self._size = max(1, len(messages) // 2)
        return not is_theirs
