"""Changes sent to the pages as server-sent events (HTML Living Standard, 9.2).

A page gets the name of what has changed and asks for it itself. It is told `resync`, that anything
may have changed, at first and where it reads so slowly that it has lost some. A stream lasts
`LASTS_S`; the browser then connects anew by itself, past all that checks who asks, so that it ends
with the session.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

from config.errors import JikimiError
from detector.console.access.user import User
from detector.console.monitor import Change, Monitor

MOST_CLIENTS = 100

MOST_WAITING = 256
"""Changes that one client may be behind."""

HEARTBEAT_S = 15.0
LASTS_S = 60.0

RETRY_MS = 50
"""After which a browser connects anew: an incident is to be on the page within a second."""


class CrowdedError(JikimiError):
    """As many are listening as may."""


class _Client:
    """One page; only for the event loop's thread."""

    def __init__(self, user: User) -> None:
        self.user = user
        self.news = asyncio.Event()
        self.waiting: deque[Change] = deque()
        self.behind = False

    def tell(self, change: Change) -> None:
        if change.camera and not self.user.sees(change.camera):
            return
        if len(self.waiting) == MOST_WAITING:
            self.waiting.clear()
            self.behind = True
        self.waiting.append(change)
        self.news.set()

    def take(self) -> str:
        """All that waits, as events."""
        self.news.clear()
        text = "event: resync\ndata: {}\n\n" if self.behind else ""
        text += "".join(_event(change) for change in self.waiting)
        self.behind = False
        self.waiting.clear()
        return text


class Events:
    """Passes the monitor's changes on to the pages; used in the event loop alone."""

    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor
        self._clients: set[_Client] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._end_listening: Callable[[], None] | None = None

    def stream(self, user: User) -> AsyncIterator[str]:
        """The events for `user`, from now on; raises CrowdedError."""
        if len(self._clients) >= MOST_CLIENTS:
            raise CrowdedError(f"{MOST_CLIENTS} pages are listening already; close one")
        return self._events(_Client(user))

    def _changed(self, change: Change) -> None:
        """Called in the thread in which something changes."""
        loop = self._loop
        if loop is not None:
            with suppress(RuntimeError):  # the loop has ended, and with it all streams
                loop.call_soon_threadsafe(self._tell_all, change)

    def _tell_all(self, change: Change) -> None:
        for client in self._clients:
            client.tell(change)

    async def _events(self, client: _Client) -> AsyncIterator[str]:
        until_s = time.monotonic() + LASTS_S
        self._join(client)
        try:
            yield f"retry: {RETRY_MS}\n\nevent: resync\ndata: {{}}\n\n"
            while (left_s := until_s - time.monotonic()) > 0:
                with suppress(TimeoutError):
                    await asyncio.wait_for(client.news.wait(), min(HEARTBEAT_S, left_s))
                yield client.take() or ": still here\n\n"
        finally:
            self._leave(client)

    def _join(self, client: _Client) -> None:
        self._clients.add(client)
        if self._end_listening is None:
            self._loop = asyncio.get_running_loop()
            self._end_listening = self._monitor.listen(self._changed)

    def _leave(self, client: _Client) -> None:
        self._clients.discard(client)
        if not self._clients and self._end_listening is not None:
            self._end_listening()
            self._end_listening = None


def _event(change: Change) -> str:
    told = {
        "topic": change.topic.value,
        "key": change.key,
        "camera": change.camera,
        "phase": change.phase,
    }
    return f"event: change\ndata: {json.dumps(told)}\n\n"
