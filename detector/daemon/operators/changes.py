"""Who wants to hear of what changes, and word of it."""

from __future__ import annotations

import threading
from collections.abc import Callable

from structlog import get_logger

from detector.console.monitor import Change, Listener

log = get_logger()


class Changes:
    """Listeners, called in the thread in which something changes. Safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listeners: list[Listener] = []

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Have `listener` called at every change; returns what ends that, harmless if repeated."""
        with self._lock:
            self._listeners.append(listener)

        def end() -> None:
            with self._lock:
                if listener in self._listeners:
                    self._listeners.remove(listener)

        return end

    def tell(self, change: Change) -> None:
        """Something has changed; a listener that fails harms nobody else."""
        with self._lock:
            listeners = list(self._listeners)
        for listener in listeners:
            try:
                listener(change)
            except Exception:
                log.exception("a page was not told of a change", topic=change.topic.value)
