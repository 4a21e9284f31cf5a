"""Writes into the shared journal whose turn each camera is; nothing waits for it."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import UTC, datetime

from sqlalchemy import Engine, select
from sqlalchemy.exc import SQLAlchemyError

from config.errors import JikimiError
from detector.journal import claims
from detector.journal.database import in_words, open_journal
from detector.types import Claim

EVERY_S = 1.0
"""So often the journal is asked whether it is there."""

ANSWER_S = 1.5
"""Where it does not answer for so long, it is away: less than what makes a box count as dead."""


class Claiming:
    """Claims what it was told last, in a thread of its own, until the journal has it."""

    def __init__(self, url: str, cameras: Collection[str]) -> None:
        """`cameras`: whose claims by an earlier coordinator are read first."""
        self.url = url
        self.found: Mapping[str, Claim] | None = None
        """By camera, what an earlier coordinator has claimed last; None until that is read."""
        self._cameras = cameras
        self._trouble: str | None = "not asked yet"
        self._asked_s: float | None = None
        self._wanted: Mapping[str, tuple[Claim, datetime]] = {}
        self._news = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="claiming", daemon=True)
        self._thread.start()

    @property
    def trouble(self) -> str | None:
        """Why nothing can be claimed; None while the journal takes it."""
        asked_s = self._asked_s
        if asked_s is not None and time.monotonic() - asked_s > ANSWER_S:
            return self._trouble or "the journal does not answer"
        return self._trouble

    def want(self, wanted: Mapping[str, Claim]) -> None:
        """Claim these, by camera, from now on instead of what was wanted before."""
        before, now = self._wanted, datetime.now(UTC)
        self._wanted = {
            name: before[name] if name in before and before[name][0] == one else (one, now)
            for name, one in wanted.items()
        }
        self._news.set()

    def stop(self) -> None:
        """End after what is under way."""
        self._stopping = True
        self._news.set()

    def _run(self) -> None:
        engine: Engine | None = None
        had: Mapping[str, tuple[Claim, datetime]] = {}
        while not self._stopping:
            self._news.clear()
            wanted = self._wanted
            new: defaultdict[datetime, dict[str, Claim]] = defaultdict(dict)
            for name, (one, at) in wanted.items():
                if had.get(name) != (one, at):
                    new[at][name] = one
            self._asked_s = time.monotonic()
            try:
                engine = engine or open_journal(self.url)
                with engine.begin() as connection:
                    if self.found is None:
                        self.found = claims.newest(connection, self._cameras)
                    for at in sorted(new):
                        claims.claim(connection, new[at], at)
                    if not new:
                        connection.execute(select(1))
            except (SQLAlchemyError, OSError, JikimiError) as error:
                self._trouble = in_words(self.url, error)
            else:
                self._trouble, had = None, wanted
            self._asked_s = None
            self._news.wait(EVERY_S)
        if engine:
            engine.dispose()
