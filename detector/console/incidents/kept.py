"""What is kept of an incident, as the pages show it. Looks at the disk: not for the event loop."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from uuid import UUID

from alerts.storage.files import UNFINISHED
from config.errors import JikimiError
from detector.evidence.export import find
from detector.evidence.record import (
    RECORD,
    SCORES,
    Curve,
    EvidenceRecord,
    FileRecord,
    Kind,
    folder_of,
    read_curve,
    read_record,
)
from detector.journal.records import IncidentRecord

GROWING = re.compile(rf"clip-[1-9]\.mp4{re.escape(UNFINISHED)}")
"""The part of a clip that is being written; it plays meanwhile."""

MOST_RECORDS = 512


@dataclass(frozen=True, slots=True)
class Clip:
    """A part of a clip. `pre_roll_s`: None where it is not known yet."""

    url: str
    name: str
    plays: bool
    growing: bool
    seconds: float | None = None
    pre_roll_s: float | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """`folder` and `record` are None where nothing is kept (yet)."""

    incident: UUID
    folder: Path | None = None
    record: EvidenceRecord | None = None
    clips: tuple[Clip, ...] = ()

    def still(self, *wanted: str) -> str | None:
        """The address of the first of the stills `wanted` (such as `peak-marked`) that is kept."""
        for name in wanted:
            if found := self._file(f"{name}.jpg"):
                return address(self.incident, found)
        return None

    def curve(self) -> Curve | None:
        """The scores, None where they are not kept (yet), or cannot be read."""
        if self.folder is None or not self._file(SCORES):
            return None
        try:
            return read_curve(self.folder / SCORES)
        except JikimiError:
            return None

    def _file(self, name: str) -> FileRecord | None:
        files = self.record.files if self.record else ()
        return next((one for one in files if one.name == name), None)


def kept_of(evidence: Path | None, incident: IncidentRecord) -> Kept:
    """What is kept of `incident` in the folder `evidence`."""
    if evidence is None:
        return Kept(incident.id)
    folder = folder_of(evidence, incident.id, incident.opened_at)
    record = record_in(folder)
    if record is None:
        return Kept(incident.id)
    hashes = {one.name: one for one in record.files}
    clips = [
        Clip(
            url=address(incident.id, hashes[one.name]),
            name=one.name,
            plays=one.plays_in_browser,
            growing=False,
            seconds=one.seconds,
            pre_roll_s=one.pre_roll_s,
        )
        for one in record.clips
        if one.name in hashes
    ]
    name = f"clip-{len(record.clips) + 1}.mp4{UNFINISHED}"
    if (folder / name).is_file():
        clips.append(Clip(f"/evidence/{incident.id}/{name}", name, plays=True, growing=True))
    return Kept(incident.id, folder, record, tuple(clips))


def file_of(evidence: Path, incident: UUID, name: str) -> tuple[EvidenceRecord, Path, Kind]:
    """The file `name` of `incident`: one that its record names, or the clip that grows.

    Raises JikimiError where there is none.
    """
    folder = find(evidence, incident)
    record = read_record(folder)
    kinds = {one.name: one.kind for one in record.files}
    kind = Kind.CLIP if GROWING.fullmatch(name) else kinds.get(name)
    path = folder / name
    if kind is None or path.is_symlink() or not path.is_file():
        raise JikimiError(f"{name!r} is not kept of incident {incident}")
    return record, path, kind


def address(incident: UUID, file: FileRecord) -> str:
    """Where a file is to be had; another one where it was renewed."""
    return f"/evidence/{incident}/{file.name}?v={file.sha256[:12]}"


def record_in(folder: Path) -> EvidenceRecord | None:
    """The record of an incident's folder, None where there is none that can be read."""
    try:
        stat = (folder / RECORD).stat()
        return _record(folder, stat.st_mtime_ns, stat.st_ino)
    except (OSError, JikimiError):
        return None


@lru_cache(MOST_RECORDS)
def _record(folder: Path, _changed_ns: int, _inode: int) -> EvidenceRecord:
    return read_record(folder)
