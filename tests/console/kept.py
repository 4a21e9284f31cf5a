"""Evidence of an incident as the daemon leaves it, with files of a few bytes."""

from __future__ import annotations

from datetime import UTC
from pathlib import Path
from typing import Any

from alerts.storage.files import unfinished, write_whole
from detector.evidence.files import record_of
from detector.evidence.record import (
    RECORD,
    SCORES,
    ClipRecord,
    Curve,
    EvidenceRecord,
    Kind,
    State,
    folder_of,
)
from detector.types import Incident

CLIP = bytes(range(256)) * 400
PICTURE = b"\xff\xd8 a picture"
GROWING = b"what has come so far"


def keep(evidence: Path, incident: Incident, clip: bytes = CLIP, **changes: Any) -> Path:
    """Keep a clip, two stills and the scores of `incident`; gives the folder."""
    folder = folder_of(evidence, incident.id, incident.opened_at)
    folder.mkdir(parents=True)
    points = [(at_s, 0.5, 0.2 + 0.05 * at_s, None) for at_s in range(-5, 12)]
    curve = Curve(label=incident.label, points=points)
    files = {
        "clip-1.mp4": (Kind.CLIP, clip),
        "peak.jpg": (Kind.STILL, PICTURE),
        "peak-marked.jpg": (Kind.MARKED, PICTURE + b", marked"),
        SCORES: (Kind.SCORES, curve.model_dump_json().encode()),
    }
    for name, (_, data) in files.items():
        write_whole(folder / name, data)
    part = ClipRecord(
        name="clip-1.mp4",
        codec="h264",
        begins_at=incident.opened_at.astimezone(UTC),
        seconds=31.0,
        pre_roll_s=10.0,
        plays_in_browser=True,
    )
    values: dict[str, Any] = {
        "incident": incident.id,
        "camera": incident.camera,
        "site": "seoul",
        "label": incident.label,
        "opened_at": incident.opened_at,
        "closed_at": incident.closed_at,
        "peak": incident.peak,
        "reason": None,
        "state": State.WHOLE,
        "version": "0.1.0",
        "weights": "tiny",
        "configuration": "0" * 64,
        "clips": [part],
        "missing": [],
        "files": [record_of(folder / name, kind) for name, (kind, _) in files.items()],
    }
    record = EvidenceRecord(**values | changes)
    write_whole(folder / RECORD, record.model_dump_json().encode())
    return folder


def grow(folder: Path, clip: bytes = GROWING) -> str:
    """The second part of the clip is being written; gives its name."""
    path = unfinished(folder / "clip-2.mp4")
    path.write_bytes(clip)
    return path.name
