"""The values that the journal keeps. Times are UTC; nothing here knows a database."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

JOURNAL = "journal.sqlite"
"""Where it lies in the state directory, unless a URL says otherwise."""

DELIVERED = "delivered"
"""The reply to a forwarded alert that its sink has taken."""

STOPPED = "stopped"
"""The state of a camera that no daemon watches any more, beside those of `CameraState`."""


class Verdict(StrEnum):
    """What an operator has found an incident to be."""

    REAL = "real"
    FALSE_ALARM = "false-alarm"
    EXERCISE = "exercise"


class Outcome(StrEnum):
    """What has become of an alert at a sink, for good."""

    DELIVERED = "delivered"
    LATE = "late"
    REFUSED = "refused"
    EXPIRED = "expired"
    DISMISSED = "dismissed"
    UNCONFIRMED = "unconfirmed"


@dataclass(frozen=True, slots=True)
class Judgement:
    """One verdict on an incident, by whom and when; the newest counts, all are kept.

    `order`: seconds of the steady clock, by which the newest is known though the box's clock was
    set back.
    """

    id: UUID
    incident_id: UUID
    verdict: Verdict
    note: str
    by: str
    at: datetime
    order: float


@dataclass(frozen=True, slots=True)
class IncidentRecord:
    """An incident as it stands; `messages`: how many told of it so far.

    `box`: the daemon that watched, by the name that its store has; `epoch`: of its turn at the
    camera, where it is one of a cluster. `judgement`: the newest.
    """

    id: UUID
    camera: str
    label: str
    opened_at: datetime
    closed_at: datetime | None
    peak: float
    reason: str | None
    messages: int
    site: str | None
    box: str
    judgement: Judgement | None = None
    epoch: int | None = None


@dataclass(frozen=True, slots=True)
class DeliveryRecord:
    """What has become of an alert at a sink; `attempts`: since that daemon's start.

    `reason`: why it was refused. `incident_id` is that of an exercise or of a camera's loss, too.
    """

    alert_id: UUID
    sink: str
    incident_id: UUID
    camera: str
    phase: str
    exercise: bool
    outcome: Outcome
    sent_at: datetime
    at: datetime
    attempts: int
    reason: str | None


@dataclass(frozen=True, slots=True)
class CameraStateRecord:
    """Since when a camera is what it is, until its next record; at most one a minute is kept."""

    camera: str
    site: str
    state: str
    since: datetime


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """Who did what, on what (a camera, an incident, or nothing: ""), when and why."""

    id: UUID
    who: str
    action: str
    target: str
    at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class EvidenceFile:
    """A file about an incident; `name`: its path in the evidence folder; `kind`: clip or peak, say.

    `keep`: neither the file nor its incident is deleted for age. `deleted_at`: the file is gone.
    """

    incident_id: UUID
    name: str
    kind: str
    sha256: str
    size_bytes: int
    created_at: datetime
    keep: bool = False
    deleted_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ScoreCurve:
    """Smoothed scores of one label; `times_s`: seconds from the incident's opening, also before."""

    incident_id: UUID
    label: str
    times_s: tuple[float, ...]
    scores: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Handover:
    """What the next box of `camera` is to know of it: JSON of a `kind`, the latest counts.

    `box`, `epoch`: of a cluster, which box says so, in which turn of it.
    """

    camera: str
    kind: str
    body: str
    box: str
    epoch: int


@dataclass(frozen=True, slots=True)
class Reply:
    """What came of an alert that was forwarded to another box.

    `kind`: `DELIVERED`, or the name of an error of `alerts.sink`, with its reason.
    """

    kind: str
    reason: str | None = None
