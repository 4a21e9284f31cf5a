"""How fast passwords may be guessed.

By address: after five failures the next attempt is refused for a second, then for two, four, …,
five minutes at most. By account, whoever tries: the answer comes later and later, five seconds at
most, so that many addresses gain little and nobody is locked out by others.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address

WINDOW_S = 900.0
"""Failures are forgotten after so long."""

FREE = 5
"""So many failures cost nothing: people mistype."""

MAX_WAIT_S = 300.0
MAX_DELAY_S = 5.0
FIRST_DELAY_S = 0.25

MAX_KEYS = 10_000
"""Beyond so many the first ones are forgotten."""


class Throttle:
    """Counts attempts; one that succeeds is taken back. For one thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._by_address: dict[str, deque[float]] = {}
        self._by_account: dict[str, deque[float]] = {}

    def wait_s(self, address: str) -> float:
        """For how long an attempt from `address` is refused; 0: it is not."""
        attempts = self._recent(self._by_address, _network(address))
        if len(attempts) < FREE:
            return 0.0
        due_s = attempts[-1] + min(2.0 ** (len(attempts) - FREE), MAX_WAIT_S)
        return max(0.0, due_s - self._clock())

    def delay_s(self, account: str) -> float:
        """By how much the answer to an attempt on `account` is put off."""
        beyond = len(self._recent(self._by_account, account)) - FREE
        return 0.0 if beyond <= 0 else min(FIRST_DELAY_S * 2.0 ** (beyond - 1), MAX_DELAY_S)

    def attempt(self, account: str, address: str) -> None:
        """Count one, before its outcome is known: many at once are many."""
        now_s = self._clock()
        for known, key in self._keys(account, address):
            attempts = self._recent(known, key)
            attempts.append(now_s)
            known[key] = attempts
            if len(known) > MAX_KEYS:
                del known[next(iter(known))]

    def succeeded(self, account: str, address: str) -> None:
        """Take the last one back."""
        for known, key in self._keys(account, address):
            if attempts := known.get(key):
                attempts.pop()

    def _keys(self, account: str, address: str) -> list[tuple[dict[str, deque[float]], str]]:
        return [(self._by_address, _network(address)), (self._by_account, account)]

    def _recent(self, known: dict[str, deque[float]], key: str) -> deque[float]:
        attempts = known.get(key) or deque(maxlen=64)
        while attempts and self._clock() - attempts[0] > WINDOW_S:
            attempts.popleft()
        return attempts


def _network(address: str) -> str:
    """Of IPv6 the /64: one customer has all of it."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    if isinstance(found, IPv6Address) and not found.ipv4_mapped:
        return str(IPv6Address(int(found) >> 64 << 64))
    return str(found)
