"""What goes out to a broker: as much at once as its Receive Maximum allows (MQTT 5, 4.9)."""

from __future__ import annotations

import threading

from paho.mqtt.client import Client
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from alerts.sink import TooLargeError
from alerts.sinks.mqtt.board import Post
from alerts.sinks.mqtt.connection import Connection
from alerts.sinks.mqtt.limits import Limits
from alerts.sinks.mqtt.options import MqttOptions
from config.errors import DeliveryError

CONNECT_WAIT_S = 2.0
"""How long an alert waits for a connection that is being made, before it fails."""


class Outgoing:
    """The connection that there is, and what of it is under way.

    `changed` is the lock of this and of the board, for the sink's thread and paho's: `claim`,
    `publish`, `answer` and `release` take it themselves, whoever calls anything else holds it.
    """

    def __init__(self, options: MqttOptions) -> None:
        self.changed = threading.Condition()
        self.connection = Connection(options)
        self.client: Client | None = None
        self.limits = Limits()
        self._broker = options.host
        self._timeout_s = options.timeout_s
        self._quota = 0
        self._awaiting = False
        self._answers: dict[int, ReasonCode] = {}

    # --- what the connection tells

    def opened(self, properties: Properties | None) -> str | None:
        """The broker has accepted it, and says what it takes; the trouble where that is news."""
        self.limits = self.limits.of(properties)
        self._quota = self.limits.at_once
        return self.connection.opened(self.limits)

    def refused(self, code: int) -> str | None:
        """The broker refuses it, by a CONNACK with `code`; the trouble where that is news."""
        self.limits = self.limits.after_refusal(code)
        return self.connection.refused(code)

    def lost(self, code: int, from_broker: bool) -> str | None:
        """It has ended; the trouble where that is news."""
        return self.connection.lost(code, from_broker, self._awaiting)

    def acknowledged(self, mid: int, reason: ReasonCode) -> None:
        """The broker has answered to the message `mid`."""
        self._quota = min(self._quota + 1, self.limits.at_once)
        if self._awaiting:
            self._answers[mid] = reason
        self.changed.notify_all()

    # --- whatever can wait

    @property
    def is_idle(self) -> bool:
        """Whether nothing is under way."""
        return self._quota == self.limits.at_once

    def spare(self) -> Client | None:
        """The client, where it takes one more and then still an alert; waits for nothing."""
        least = min(2, self.limits.at_once)
        return self.client if self.connection.is_open and self._quota >= least else None

    def take(self) -> None:
        """One more is under way."""
        self._quota -= 1

    # --- an alert

    def claim(self, post: Post) -> tuple[Client, int]:
        """The client, once it is connected and takes one more; the connection's number.

        Raises DeliveryError where that takes too long, TooLargeError where the broker never
        takes `post`. `release` is to be called after it.
        """
        with self.changed:
            self.changed.wait_for(
                lambda: (
                    (self.connection.is_open and self._quota > 0)
                    or (not self.connection.is_open and self.connection.trouble())
                ),
                CONNECT_WAIT_S,
            )
            if not self.connection.is_open or self.client is None:
                trouble = self.connection.trouble() or "no answer yet"
                raise DeliveryError(f"broker {self._broker}: {trouble}")
            if self._quota < 1:
                raise DeliveryError(f"broker {self._broker} acknowledges nothing")
            if excess := self.limits.excess(post.topic, post.payload):
                raise TooLargeError(f"broker {self._broker} {excess}")
            self.take()
            self._awaiting = True
            self._answers.clear()
            return self.client, self.connection.number

    def publish(self, client: Client, post: Post) -> int:
        """Hand `post` to paho; its packet identifier. Without the lock: paho holds its own."""
        retain = post.retain and self.limits.retain
        return client.publish(post.topic, post.payload, self.limits.qos, retain=retain).mid

    def answer(self, mid: int, number: int) -> tuple[ReasonCode | None, bool]:
        """Wait for the broker's answer to `mid`; None where none comes.

        The second says whether the connection of that number has ended.
        """
        with self.changed:
            self.changed.wait_for(
                lambda: mid in self._answers or self.connection.ended(number), self._timeout_s
            )
            return self._answers.get(mid), self.connection.ended(number)

    def release(self) -> None:
        """The alert is answered, or given up."""
        with self.changed:
            self._awaiting = False
            self._answers.clear()
