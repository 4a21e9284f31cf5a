"""What a broker takes: its CONNACK says so in MQTT 5 (3.2.2.3), refusals tell the rest."""

from __future__ import annotations

from dataclasses import dataclass, replace

from paho.mqtt.properties import Properties

AT_ONCE = 20
"""Unacknowledged messages at most, where the broker does not take fewer."""

NO_RETAINED = 0x9A
NO_QOS_1 = 0x9B


def packet_bytes(topic: str, payload: bytes) -> int:
    """Size of the PUBLISH, with packet identifier and an empty list of properties."""
    rest = 2 + len(topic.encode()) + 2 + 1 + len(payload)
    length_bytes = next(count for count in range(1, 6) if rest < 128**count)
    return 1 + length_bytes + rest


@dataclass(frozen=True, slots=True)
class Limits:
    """What the broker takes."""

    at_once: int = AT_ONCE
    packet_bytes: int | None = None
    qos: int = 1
    retain: bool = True

    def of(self, properties: Properties | None) -> Limits:
        """What `properties` of a CONNACK say; a lower QoS and no retaining stay, once known."""
        return Limits(
            at_once=min(AT_ONCE, getattr(properties, "ReceiveMaximum", AT_ONCE)),
            packet_bytes=getattr(properties, "MaximumPacketSize", None),
            qos=min(self.qos, getattr(properties, "MaximumQoS", 1)),
            retain=self.retain and bool(getattr(properties, "RetainAvailable", 1)),
        )

    def excess(self, topic: str, payload: bytes) -> str | None:
        """What there is to say of a message that is too large for the broker; None of others."""
        size = packet_bytes(topic, payload)
        if self.packet_bytes is None or size <= self.packet_bytes:
            return None
        return f"takes {self.packet_bytes} bytes at most, the message has {size}"

    def after_refusal(self, code: int) -> Limits:
        """What to try next, after a CONNACK with `code`: it may have been about the last will."""
        if code == NO_QOS_1:
            return replace(self, qos=0)
        return replace(self, retain=False) if code == NO_RETAINED else self
