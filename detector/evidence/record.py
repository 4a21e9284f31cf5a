"""`evidence.json`: what is kept of one incident, with the hash of every file.

It is written last and renamed into place: what it does not name does not count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from config.errors import JikimiError

EVIDENCE = "evidence"
"""The folder in the state directory."""

RECORD = "evidence.json"

KEEP = "keep"
"""A file of this name in an incident's folder: it is never deleted by age or size."""

SCORES = "scores.json"

FORMAT = 1


Corners = tuple[float, float, float, float]
"""A box: left, top, width and height, relative to the picture (0…1)."""


class Kind(StrEnum):
    """What a file of evidence is."""

    STILL = "still"
    MARKED = "marked still"
    CLIP = "clip"
    SCORES = "scores"


class State(StrEnum):
    """Where an incident's evidence stands; `CUT_SHORT`: the daemon ended while it was collected."""

    COLLECTING = "collecting"
    WHOLE = "whole"
    CUT_SHORT = "cut short"


@dataclass(frozen=True, slots=True)
class EvidenceFile:
    """A file of `incident` as it was written, for the journal; one at the same path replaces it."""

    incident: UUID
    kind: Kind
    path: Path
    bytes: int
    sha256: str


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class FileRecord(_Part):
    """One file: its SHA-256 in hexadecimal digits.

    `box`: where in a still something moved.
    """

    name: str = Field(pattern=r"^[a-z0-9-]+\.[a-z0-9]+$")
    kind: Kind
    bytes: int = Field(ge=0)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    box: Corners | None = None


class ClipRecord(_Part):
    """One part of the clip, more than one where the camera was lost or changed in mid-incident.

    `begins_at`: when its first packet had arrived; `pre_roll_s`: how long that is before the
    incident opened, negative after it. `plays_in_browser`: whether Chromium shows it.
    """

    name: str
    codec: str
    begins_at: datetime
    seconds: float
    pre_roll_s: float
    plays_in_browser: bool


class EvidenceRecord(_Part):
    """The whole; `missing`: what there should be and is not, in the operator's words.

    `weights`: name of those that scored it; `configuration`: SHA-256 of the settings, secrets left
    out; `version`: of Jikimi. `verified`: as the incident has it.
    """

    format: int = Field(default=FORMAT, ge=FORMAT, le=FORMAT)
    incident: UUID
    camera: str
    site: str
    label: str
    opened_at: datetime
    closed_at: datetime | None
    peak: float
    reason: str | None
    verified: bool | None = None
    state: State
    version: str
    weights: str
    configuration: str
    clips: Sequence[ClipRecord]
    missing: Sequence[str]
    files: Sequence[FileRecord]


class Curve(_Part):
    """`scores.json`: how the score went.

    `points`: seconds since the incident opened, probability, smoothed probability, and the box that
    was scored, None where nothing moved.
    """

    label: str
    points: Sequence[tuple[float, float, float, Corners | None]]


def read_record(folder: Path) -> EvidenceRecord:
    """What is kept in an incident's `folder`; raises JikimiError where it cannot be read."""
    path = folder / RECORD
    try:
        return EvidenceRecord.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        why = error.strerror if isinstance(error, OSError) else "damaged"
        raise JikimiError(f"{path}: cannot be read ({why})") from None


def read_curve(path: Path) -> Curve:
    """The scores in a file that `Curve` tells of; raises JikimiError where it cannot be read."""
    try:
        return Curve.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        why = error.strerror if isinstance(error, OSError) else "damaged"
        raise JikimiError(f"{path}: cannot be read ({why})") from None


def folder_of(evidence: Path, incident: UUID, opened_at: datetime) -> Path:
    """Where an incident's evidence is kept: by the day in UTC on which it opened."""
    return evidence / opened_at.astimezone(UTC).date().isoformat() / str(incident)
