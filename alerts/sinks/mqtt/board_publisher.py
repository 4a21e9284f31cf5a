"""Publishes the board, behind the alerts, as far as the broker takes it."""

from __future__ import annotations

from collections.abc import Callable

from paho.mqtt.client import Client
from paho.mqtt.reasoncodes import ReasonCode
from structlog.typing import FilteringBoundLogger

from alerts.sinks.mqtt.board import Board, Post
from alerts.sinks.mqtt.outgoing import Outgoing


class BoardPublisher:
    """Puts what is on the board on the line.

    Any thread may call `change`, `publish` and `flush`; whoever calls anything else holds the lock
    of `outgoing`.
    """

    def __init__(self, board: Board, outgoing: Outgoing, log: FilteringBoundLogger) -> None:
        self._board = board
        self._outgoing = outgoing
        self._log = log
        self._publishing = False
        self._topics: dict[int, str] = {}
        self._is_refused = False

    def change(self, change: Callable[[], None]) -> None:
        """Make `change` to the board, and publish what follows from it."""
        with self._outgoing.changed:
            change()
        self.publish()

    def publish(self) -> None:
        """Publish what the broker takes of the board; the rest follows as it acknowledges.

        Part of the quota is left for an alert. Only one thread at a time, or an old state might
        come last; without the lock, for paho holds one of its own while it tells of a PUBACK.
        """
        with self._outgoing.changed:
            if self._publishing:
                return
            self._publishing = True
        try:
            while (found := self._next()) is not None:
                client, post = found
                self._topics[self._outgoing.publish(client, post)] = post.topic
        except BaseException:
            self._publishing = False
            raise

    def flush(self, timeout_s: float) -> None:
        """Wait until the broker has taken all of it, or is away."""
        outgoing = self._outgoing
        with outgoing.changed:
            outgoing.changed.wait_for(
                lambda: (
                    not outgoing.connection.is_open or (self._board.is_empty and outgoing.is_idle)
                ),
                timeout_s,
            )

    # --- what the connection tells

    def opened(self) -> None:
        """The connection is a new one."""
        self._board.show_again()
        self._topics.clear()
        self._is_refused = False

    def lost(self) -> None:
        """The connection has ended."""
        self._board.connection_lost()

    def acknowledged(self, mid: int, reason: ReasonCode) -> str | None:
        """The broker has answered to `mid`; the topic where it is the first that it refuses."""
        if self._outgoing.is_idle:
            self._board.acknowledged()
        topic = self._topics.pop(mid, None)
        if topic is None or not reason.is_failure or self._is_refused:
            return None
        self._is_refused = True
        return topic

    def _next(self) -> tuple[Client, Post] | None:
        """What to publish now; None where nothing is to be, or can be: then it is over."""
        outgoing = self._outgoing
        with outgoing.changed:
            is_idle = outgoing.is_idle
            while (client := outgoing.spare()) and (post := self._board.next(is_idle)):
                if excess := outgoing.limits.excess(post.topic, post.payload):
                    self._board.drop(post)
                    self._log.warning("picture not shown", topic=post.topic, reason=excess)
                    continue
                outgoing.take()
                return client, post
            self._publishing = False
            return None
