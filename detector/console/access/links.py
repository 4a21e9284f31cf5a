"""One-time links, by which the first person gets in on the machine itself."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable

VALID_S = 600.0
MAX_LINKS = 32


class OneTimeLinks:
    """Makes and takes them; safe from any thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._until_s: dict[str, float] = {}

    def make(self) -> str:
        """A secret that `take` takes once, within ten minutes."""
        secret = secrets.token_urlsafe(16)
        with self._lock:
            self._until_s[secret] = self._clock() + VALID_S
            while len(self._until_s) > MAX_LINKS:
                del self._until_s[next(iter(self._until_s))]
        return secret

    def take(self, secret: str) -> bool:
        """Whether `secret` is one that is good; it is no longer."""
        with self._lock:
            until_s = self._until_s.pop(secret, 0.0)
        return self._clock() < until_s
