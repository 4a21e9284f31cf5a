"""What is kept of an incident as files, told to the journal."""

from __future__ import annotations

import hashlib
import sqlite3
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from structlog import get_logger

from config.errors import JikimiError
from config.settings import Settings
from detector.evidence.collector import Origin
from detector.evidence.record import EVIDENCE, EvidenceFile, Kind, read_curve, read_record
from detector.evidence.recorder import EvidenceRecorder
from detector.journal.recorder import Recorder
from detector.journal.records import EvidenceFile as FileRow
from detector.journal.records import ScoreCurve

log = get_logger()


def evidence_recorder(
    settings: Settings, weights: str, recorder: Recorder
) -> EvidenceRecorder | None:
    """Keeps evidence, and tells the journal; `weights`: their name. None where none is kept."""
    if not settings.evidence.enabled:
        return None
    shown = settings.model_dump_json()  # which shows no secret
    origin = Origin(version("jikimi"), weights, hashlib.sha256(shown.encode()).hexdigest())
    folder = settings.state_dir / EVIDENCE
    journal = EvidenceJournal(recorder, folder)
    return EvidenceRecorder(settings.evidence, folder, origin, journal.stored, journal.deleted)


class EvidenceJournal:
    """Called from the thread that writes evidence, which lies in `evidence`."""

    def __init__(self, recorder: Recorder, evidence: Path) -> None:
        self._recorder = recorder
        self._evidence = evidence

    def stored(self, file: EvidenceFile) -> None:
        """A file is whole, or was renewed."""
        self._record(self._row(file, None))
        if file.kind is Kind.SCORES:
            try:
                curve = read_curve(file.path)
            except JikimiError as error:
                log.warning("scores not journalled", reason=str(error))
                return
            at_s = tuple(point[0] for point in curve.points)
            smoothed = tuple(point[2] for point in curve.points)
            self._record(ScoreCurve(file.incident, curve.label, at_s, smoothed))

    def deleted(self, folder: Path) -> None:
        """An incident's folder goes for its age or size."""
        try:
            record = read_record(folder)
        except JikimiError as error:
            log.warning("evidence deleted, the journal still names it", reason=str(error))
            return
        now = datetime.now(UTC)
        for file in record.files:
            path = folder / file.name
            whole = EvidenceFile(record.incident, file.kind, path, file.bytes, file.sha256)
            self._record(self._row(whole, now))

    def _record(self, row: FileRow | ScoreCurve) -> None:
        try:
            self._recorder.record(row)
        except sqlite3.ProgrammingError:  # the daemon ends, and its disk took too long
            log.warning("evidence not journalled", incident=str(row.incident_id))

    def _row(self, file: EvidenceFile, deleted_at: datetime | None) -> FileRow:
        return FileRow(
            incident_id=file.incident,
            name=file.path.relative_to(self._evidence).as_posix(),
            kind=file.kind.value,
            sha256=file.sha256,
            size_bytes=file.bytes,
            created_at=_written_at(file.path),
            deleted_at=deleted_at,
        )


def _written_at(path: Path) -> datetime:
    try:
        return datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except OSError:  # somebody else has deleted it
        return datetime.now(UTC)
