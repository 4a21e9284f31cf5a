"""Whether an exercise over MQTT 3.1.1 got past the broker's access list.

MQTT 3.1.1 has no way to refuse a message: the broker acknowledges it and throws it away. What
comes back to a subscription of our own was published. Where nothing comes back that cannot be
told, for the user may have no right to read, which brokers do not say either.
"""

from __future__ import annotations

import threading
from typing import Any

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.reasoncodes import ReasonCode

WAIT_S = 2.0
"""For the broker's answer to the subscription, and for the message to come back."""


class Probe:
    """Subscribes to `topic` from before the message is published until `remark` is asked."""

    def __init__(self, client: Client, topic: str, payload: bytes) -> None:
        self._client = client
        self._topic = topic
        self._payload = payload
        self._answered = threading.Event()
        self._came_back = threading.Event()
        self._granted = False
        self._before = client.on_subscribe
        client.on_subscribe = self._on_subscribe
        client.message_callback_add(topic, self._on_message)
        client.subscribe(topic, 1)
        self._answered.wait(WAIT_S)

    def remark(self) -> str | None:
        """What the acknowledgement of the message leaves open; None where it came back."""
        if self._granted:
            self._came_back.wait(WAIT_S)
        self._client.unsubscribe(self._topic)
        self._client.message_callback_remove(self._topic)
        self._client.on_subscribe = self._before
        if self._came_back.is_set():
            return None
        return (
            f"but it did not come back from {self._topic}: this user may not publish there, or "
            "may not read there; MQTT 3.1.1 cannot tell which, protocol: 5 can"
        )

    def _on_subscribe(
        self, _client: Client, _data: Any, _mid: int, reasons: list[ReasonCode], _props: Any
    ) -> None:
        self._granted = not any(reason.is_failure for reason in reasons)
        self._answered.set()

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        if message.payload == self._payload:
            self._came_back.set()
