"""Which boxes of a cluster take what is forwarded to them, and why one does not."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy import Engine

AWAY_S = 8.0
"""Who was not seen for so long is away: a box, or the journal that all share."""

NO_JOURNAL = "boxes reach each other over a journal that all share; state journal: url:"


class Reach:
    """As the thread of `Forwarding` has found it last. Safe to ask from any thread."""

    def __init__(self, url: str | None) -> None:
        """`url`: of the journal that all share; None where there is none."""
        self.url = url
        self._looked_s: float | None = None
        self._ages: Mapping[str, float] = {}
        self._lost: set[str] = set()
        self._wakes: dict[str, tuple[str, Callable[[], None]]] = {}
        self._failure: str | None = None if url else NO_JOURNAL
        self.engine: Engine | None = None
        """The journal's, while it answers."""
        self.leaving = threading.Event()
        """Set once the daemon ends: nobody waits for another box then."""

    def on_ready(self, sink: str, box: str, wake: Callable[[], None]) -> None:
        """Call `wake` once `box`, on which `sink` hangs, is there again after a `lost`."""
        self._wakes[sink] = (box, wake)

    def lost(self, sink: str) -> None:
        """An alert for `sink` did not get as far as its box."""
        self._lost.add(sink)

    def reaches(self, box: str) -> bool:
        """Whether `box` takes what is forwarded to it, as far as is known."""
        return self._looked_s is not None and self.trouble(box) is None

    def trouble(self, box: str) -> str | None:
        """Why `box` does not; None where it does, or nothing is known yet."""
        if away := self.journal_away():
            return f"box {box} is not reached: {away}"
        if self._looked_s is None:
            return None
        if box not in self._ages:
            return (
                f"no box {box} was ever heard of; is one of the cluster called so, and does its "
                "daemon run?"
            )
        age_s = self._ages[box] + time.monotonic() - self._looked_s
        return f"box {box} was last heard of {age_s:.0f} s ago" if age_s > AWAY_S else None

    def journal_away(self) -> str | None:
        """Why no box is reached at all; None where that is up to each."""
        hangs = self._looked_s is not None and time.monotonic() - self._looked_s > AWAY_S
        return self._failure or ("the journal does not answer" if hangs else None)

    def looked(self, ages: Mapping[str, float]) -> None:
        """The journal says how many seconds ago each box was seen; who waits for one is woken."""
        self._ages = ages
        self._looked_s = time.monotonic()
        self._failure = None
        for sink in list(self._lost):
            box, wake = self._wakes[sink]
            if self.reaches(box):
                self._lost.discard(sink)
                wake()

    def failed(self, reason: str) -> bool:
        """The journal cannot be asked; whether that is news."""
        is_news = self._failure != reason
        self._failure = reason
        return is_news
