"""Alerts that may themselves be why a receiver fails, told from a receiver that takes nothing."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from alerts.storage.outbox import Message

HURRIED = 8
"""So many other alerts are tried a second apart, before the back-off rules again."""


class Suspects:
    """Alerts at which a receiver failed, the first of them twice running.

    Each is passed over until every other one has been tried: where one of those gets through,
    the suspects are to blame, and where none does, the connection is.
    """

    def __init__(self) -> None:
        self._last_failed: UUID | None = None
        self._messages: dict[UUID, Message] = {}

    def __len__(self) -> int:
        return len(self._messages)

    def failed(self, message: Message) -> None:
        """The receiver could not take `message`; kept without its picture, for many may wait."""
        key = message.alert.alert_id
        if self._messages or key == self._last_failed:
            bare = message.alert.model_copy(update={"image": None})
            self._messages[key] = replace(message, alert=bare)
        self._last_failed = key

    def is_hurried(self, depth: int) -> bool:
        """Whether one of the `depth` alerts that wait is to be tried soon, to tell by."""
        return 0 < len(self._messages) < min(depth, HURRIED)

    def ids(self) -> list[UUID]:
        """What is passed over."""
        return list(self._messages)

    def clear(self) -> list[Message]:
        """Pass over nothing any more; returns what was. The last failure is remembered."""
        messages = list(self._messages.values())
        self._messages.clear()
        return messages
