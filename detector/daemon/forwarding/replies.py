"""What came of a forwarded alert, as the journal has it: the sender's errors are the sink's own."""

from __future__ import annotations

from alerts.sink import (
    DeferredError,
    RefusedError,
    TimedOutError,
    TooLargeError,
    UnclearError,
)
from config.errors import DeliveryError
from config.secrets import scrub
from detector.journal.records import DELIVERED, Reply

KINDS: dict[str, type[DeliveryError]] = {
    kind.__name__: kind
    for kind in (TooLargeError, RefusedError, DeferredError, UnclearError, TimedOutError)
}
"""Those that are about one alert or the receiver; any other is about the way there."""


def reply_of(error: Exception | None) -> Reply:
    """None: the sink has taken it."""
    if error is None:
        return Reply(DELIVERED)
    names = (name for name, kind in KINDS.items() if isinstance(error, kind))
    kind = next(names, DeliveryError.__name__)
    return Reply(kind, scrub(str(error) or type(error).__name__))


def error_of(reply: Reply, box: str) -> DeliveryError | None:
    """What to raise where `box` has replied so; None where its sink has taken the alert."""
    if reply.kind == DELIVERED:
        return None
    return KINDS.get(reply.kind, DeliveryError)(f"box {box}: {reply.reason}")
