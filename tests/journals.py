"""A journal with a store of its own, and what it has on disk."""

from __future__ import annotations

from pathlib import Path

from alerts.deadline import Deadline
from alerts.storage.store import Store
from detector.daemon.journal import OUTBOX, Entry, Journal, read_entries


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
