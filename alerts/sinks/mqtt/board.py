"""What a broker is to show beside the alerts: retained messages, the latest of each topic.

They wait here while the broker is away or takes no more, and go again after each reconnection. A
picture goes only while nothing else is under way, so that an alarm never waits behind several.
"""

from __future__ import annotations

from dataclasses import dataclass

CLEARED = b""
"""The payload by which a broker forgets a retained message (MQTT 5, 3.3.1.3)."""

LARGE_BYTES = 4096
"""A larger payload is a picture; states and discovery messages have less than 1 kB."""


@dataclass(frozen=True, slots=True)
class Post:
    """One message to publish."""

    topic: str
    payload: bytes
    retain: bool = True

    @property
    def is_large(self) -> bool:
        """Whether it is a picture, which takes the line's time."""
        return len(self.payload) > LARGE_BYTES


class Board:
    """What is shown, and what of it the broker has yet to get. Not thread-safe: its owner locks."""

    def __init__(self, availability: str) -> None:
        """`availability`: the topic that says whether this daemon is there."""
        self._availability = availability
        self._shown: dict[str, bytes] = {}
        self._owned: set[str] = set()
        self._lasting: set[str] = set()
        self._waiting: dict[str, Post] = {}
        self._large: Post | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits."""
        return not self._waiting

    def show(self, topic: str, payload: bytes) -> None:
        """Show `payload` until `clear` or the next one."""
        if self._shown.get(topic) == payload:
            # Shown again after another sink of this site has left, which said `offline`.
            self._put(Post(self._availability, b"online"))
        self._shown[topic] = payload
        self._put(Post(topic, payload))

    def show_lasting(self, topic: str, payload: bytes) -> None:
        """Show it beyond `clear`, until it is shown `CLEARED`."""
        if self._shown.get(topic) != payload:
            self._lasting.add(topic)
            self.show(topic, payload)

    def keep(self, topic: str, payload: bytes) -> None:
        """`payload` was published already: show it again after a reconnection, clear it in time."""
        self._shown[topic] = payload

    def own(self, topic: str) -> None:
        """Have `clear` clear it, too, if it was shown by an earlier run alone."""
        self._owned.add(topic)

    def leave(self, topic: str) -> None:
        """Another client shows something there by now: publish nothing there, nor clear it."""
        self._shown.pop(topic, None)
        self._waiting.pop(topic, None)
        self._owned.discard(topic)
        self._lasting.discard(topic)
        if self._large is not None and self._large.topic == topic:
            self._large = None

    def say(self, topic: str, payload: bytes) -> None:
        """Publish once, not retained."""
        self._put(Post(topic, payload, retain=False))

    def show_again(self) -> None:
        """Have all of it go once more: the connection is a new one, or somebody has forgotten."""
        self._waiting = {}
        self._put(Post(self._availability, b"online"))
        for topic, payload in self._shown.items():
            self._put(Post(topic, payload))

    def clear(self) -> None:
        """Say `offline`, and that nothing is shown any more but what lasts."""
        self._waiting = {}
        self._put(Post(self._availability, b"offline"))
        shown = {topic for topic, payload in self._shown.items() if payload != CLEARED}
        for topic in sorted((shown | self._owned) - self._lasting):
            self._put(Post(topic, CLEARED))

    def next(self, is_idle: bool) -> Post | None:
        """What to publish now, None where nothing is; `is_idle`: nothing else is under way."""
        for post in self._waiting.values():
            if not post.is_large or is_idle:
                break
        else:
            return None
        del self._waiting[post.topic]
        if post.is_large:
            self._large = post
        return post

    def acknowledged(self) -> None:
        """The broker has taken all that was under way."""
        self._large = None

    def drop(self, post: Post) -> None:
        """The broker does not take this one: show nothing there, the one before neither."""
        self.show(post.topic, CLEARED)

    def connection_lost(self) -> None:
        """Show a picture no longer that was under way: it may be why, and would be again."""
        if self._large is not None:
            self.drop(self._large)
            self._large = None

    def _put(self, post: Post) -> None:
        self._waiting[post.topic] = post
