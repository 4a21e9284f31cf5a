"""What is kept for how long: by age and by size, the oldest goes first, what is marked stays.

An incident counts once it has a record (`record.RECORD`); that is deleted first, so that an
end in the middle leaves nothing that counts. Only folders that this package has made are touched.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from uuid import UUID

from alerts.storage.files import UNFINISHED, write_whole
from config.errors import JikimiError
from detector.evidence.files import record_of
from detector.evidence.record import (
    KEEP,
    RECORD,
    State,
    read_record,
)

RESERVE_BYTES = 10**9
"""So much of the disk is left free, or a tenth of a small one."""


@dataclass(frozen=True, slots=True)
class Stored:
    """An incident's folder as found; `whole`: it has a record."""

    incident: UUID
    day: date
    folder: Path
    bytes: int
    keep: bool
    whole: bool


def stored(evidence: Path) -> list[Stored]:
    """All that is kept, the oldest first; raises OSError where the disk refuses."""
    found = []
    for day, folder in _folders(evidence):
        sizes = {path.name: path.lstat().st_size for path in folder.iterdir()}
        keep, whole = KEEP in sizes, RECORD in sizes
        found.append(
            Stored(UUID(folder.name), day, folder, sum(sizes.values()), keep=keep, whole=whole)
        )
    # An incident's id begins with the time at which it opened (RFC 9562, version 7).
    return sorted(found, key=lambda each: (each.day, each.incident))


def expired(found: Sequence[Stored], today: date, days: int, most_bytes: int) -> Iterator[Stored]:
    """What is to go of `found` (the oldest first): too old, or too much. Pure."""
    total = sum(each.bytes for each in found)
    oldest = today - timedelta(days=days)
    for each in found:
        if not each.keep and (each.day < oldest or total > most_bytes):
            total -= each.bytes
            yield each


def room(evidence: Path, taken_bytes: int, most_bytes: int) -> int:
    """How much evidence may take, so that the disk, which alerts need, too, does not get full.

    `taken_bytes`: what it takes now. Raises OSError.
    """
    disk = shutil.disk_usage(evidence)
    spare_bytes = disk.free - min(RESERVE_BYTES, disk.total // 10)
    return min(most_bytes, taken_bytes + spare_bytes)


def delete(folder: Path) -> None:
    """Delete an incident's evidence; raises OSError."""
    (folder / RECORD).unlink(missing_ok=True)
    shutil.rmtree(folder)
    if not any(folder.parent.iterdir()):
        folder.parent.rmdir()


def mend(evidence: Path, busy: Collection[UUID] = ()) -> None:
    """After a crash: delete what is half written, and say in records that they were cut short.

    `busy`: incidents that are being collected now. Raises OSError.
    """
    for each in stored(evidence):
        if each.incident in busy:
            continue
        for left in each.folder.glob(f"*{UNFINISHED}"):
            left.unlink()
        if not each.whole and not each.keep:
            delete(each.folder)
        elif each.whole:
            _cut_short(each.folder)


def _cut_short(folder: Path) -> None:
    try:
        record = read_record(folder)
    except JikimiError:
        return  # damaged: it stays as it is until its time has come
    if record.state is State.COLLECTING:
        missing = [*record.missing, "what came after the daemon ended"]
        # A still may have been renewed since it was last recorded.
        files = [record_of(folder / file.name, file.kind, file.box) for file in record.files]
        update = {"state": State.CUT_SHORT, "missing": missing, "files": files}
        cut = record.model_copy(update=update)
        write_whole(folder / RECORD, cut.model_dump_json(indent=1).encode())


def _folders(evidence: Path) -> Iterator[tuple[date, Path]]:
    if not evidence.is_dir():
        return
    for of_day in evidence.iterdir():
        try:
            day = date.fromisoformat(of_day.name)
        except ValueError:
            continue
        for folder in [] if of_day.is_symlink() or not of_day.is_dir() else of_day.iterdir():
            if folder.is_dir() and not folder.is_symlink() and _is_uuid(folder.name):
                yield day, folder


def _is_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False
