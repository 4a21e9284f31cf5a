"""What a journal has on disk."""

from __future__ import annotations

from detector.daemon.journal import Entry, Journal, read_entries


def kept(journal: Journal, limit: int = 50) -> list[Entry]:
    """The newest `limit` incidents in the file, once the disk has all that was recorded."""
    assert journal._file.flush()
    return read_entries(journal._file._path, limit)
