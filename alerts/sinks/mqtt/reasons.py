"""What a broker's reason codes (MQTT 5, 2.4) mean for an operator, and for what is delivered.

MQTT 3.1.1 has codes in CONNACK alone; paho translates them into those of MQTT 5.
"""

from __future__ import annotations

from enum import Enum, auto
from types import MappingProxyType


class About(Enum):
    """What a refusal is about."""

    CONNECTION = auto()
    ALERT = auto()
    """This one, for good."""
    SIZE = auto()
    """This one as it is."""
    LATER = auto()
    """This one, now."""
    LOAD = auto()
    """How much goes over the connection: everything, or this one alert."""
    UNCLEAR = auto()
    """The connection, or the alert that was under way: a second time tells."""


WORDS = MappingProxyType(
    {
        0x80: "gives no reason; look at its log",
        0x81: "calls a packet malformed",
        0x82: "calls it a breach of the protocol",
        0x83: "has a rule of its own against it; look at its log",
        0x84: "does not speak this version of MQTT; write protocol: 3.1.1, or 5",
        0x85: "does not accept the client_id; choose another",
        0x86: "bad user name or password; check username and password",
        0x87: "not authorised; check username, password and what its access list allows them",
        0x88: "is not available",
        0x89: "is busy",
        0x8A: "has banned this client; ask whoever runs it",
        0x8B: "is shutting down",
        0x8C: "wants another way to authenticate, which Jikimi does not know",
        0x8D: "keep-alive timeout: nothing came through for too long",
        0x8E: "another client took over the session; give each client its own client_id",
        0x8F: "does not accept the topic filter",
        0x90: "does not accept the topic; check topic",
        0x91: "has that packet identifier in use",
        0x92: "does not know that packet identifier",
        0x93: "got more at once than it takes",
        0x94: "does not accept the topic alias",
        0x95: "the packet is too large for it",
        0x96: "gets messages at too high a rate",
        0x97: "a quota is exceeded; ask whoever runs it",
        0x98: "an administrator closed the connection",
        0x99: "does not accept the format of the payload",
        0x9A: "keeps no retained messages",
        0x9B: "takes no QoS 1",
        0x9C: "use another broker for now; check host",
        0x9D: "has moved; check host",
        0x9F: "gets too many connections",
        0xA0: "the longest time for a connection is over",
    }
)

_ANSWER = MappingProxyType(
    {
        0x87: About.ALERT,
        0x90: About.ALERT,
        0x99: About.ALERT,
        0x95: About.SIZE,
        0x88: About.CONNECTION,
        0x89: About.CONNECTION,
        0x8B: About.CONNECTION,
    }
)

_DISCONNECT = MappingProxyType(
    {
        0x80: About.UNCLEAR,
        0x81: About.UNCLEAR,
        0x82: About.UNCLEAR,
        0x83: About.UNCLEAR,
        0x87: About.UNCLEAR,  # AWS IoT Core: at a publish that its policy does not allow
        0x97: About.UNCLEAR,
        0x93: About.LOAD,
        0x96: About.LOAD,
        0x90: About.ALERT,
        0x99: About.ALERT,
        0x95: About.SIZE,
    }
)


def of_answer(code: int, *, with_image: bool) -> About:
    """What a PUBACK with `code` (0x80 or above) is about.

    A quota may be one of bytes: an alert with its picture goes again without it first.
    """
    if code == 0x97 and with_image:
        return About.SIZE
    return _ANSWER.get(code, About.LATER)


def of_disconnect(code: int) -> About:
    """What a DISCONNECT with `code` is about, where it came while an alert was under way."""
    return _DISCONNECT.get(code, About.CONNECTION)


def words(code: int) -> str:
    """What the broker says by `code`; the code beside it, for its manual."""
    return f"{WORDS.get(code, 'refuses')} (0x{code:02X})"
