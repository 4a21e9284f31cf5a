"""A journal with a store of its own, and what it has on disk."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from uuid_utils.compat import uuid7

from alerts.deadline import Deadline
from alerts.storage.store import Store
from detector.daemon.journal import OUTBOX, Entry, Journal, read_entries
from detector.types import Incident, Phase

OPENED_AT = datetime(2026, 11, 27, 3, 3, 41, 250_000, tzinfo=UTC)


class StoredJournal(Journal):
    """The journal of the daemon whose state directory is `folder`, and nothing else of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = Store(folder / OUTBOX)
        super().__init__(self.store)

    def close(self, deadline: Deadline) -> None:
        self.store.close(deadline)


def kept(journal: StoredJournal, limit: int = 50) -> list[Entry]:
    """The newest `limit` incidents in the file, once the disk has all that was recorded."""
    assert journal.store.file.flush() is None
    return read_entries(journal.folder, limit)


def incident(after_s: float = 0, lasts_s: float | None = 12, camera: str = "gate") -> Incident:
    """One that opened so long after `OPENED_AT`; None: it is still open."""
    at = OPENED_AT + timedelta(seconds=after_s)
    opened = Incident(uuid7(), camera, "violence", at, None, 0.8666, Phase.UPDATED)
    if lasts_s is None:
        return opened
    return replace(opened, closed_at=at + timedelta(seconds=lasts_s), phase=Phase.CLOSED)
