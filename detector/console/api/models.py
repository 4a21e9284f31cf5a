"""What programs send and are sent. Times are ISO 8601 with their offset from UTC."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from detector.journal.queries import IncidentDetails, IncidentFilter
from detector.journal.records import Outcome, Verdict

YEARS = range(1971, 9999)
"""Those that every database and time zone can show."""

LONGEST_NAME = 200
LONGEST_NOTE = 2000
MOST_LISTED = 1000
LONGEST_SILENCE_S = 8760 * 3600


def _sane(at: datetime) -> datetime:
    if at.year not in YEARS:
        raise ValueError(f"give a time between {YEARS.start} and {YEARS.stop - 1}")
    return at


def _printable(text: str) -> str:
    if "\0" in text:
        raise ValueError("a text has no NUL")
    return text


Time = Annotated[AwareDatetime, AfterValidator(_sane)]
Name = Annotated[str, Field(min_length=1, max_length=LONGEST_NAME), AfterValidator(_printable)]
Note = Annotated[str, Field(max_length=LONGEST_NOTE), AfterValidator(_printable)]


class Asked(BaseModel):
    """What is sent: nothing else may be in it."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Nothing(Asked):
    """Nothing is sent."""


class VerdictAsked(Asked):
    """What an incident was."""

    verdict: Verdict
    note: Note = ""


class SilenceAsked(Asked):
    """No alarms of a camera (null: of any) for so many seconds."""

    camera: Name | None = None
    for_s: Annotated[float, Field(gt=0, le=LONGEST_SILENCE_S, strict=True)]


class UnsilenceAsked(Asked):
    """Alarms again, of a camera (null: every silence ends)."""

    camera: Name | None = None


class DrillAsked(Asked):
    """An exercise on a camera."""

    camera: Name


class IncidentsAsked(Asked):
    """Which incidents; what is left out does not limit.

    `before`: the id of the last one on the page before.
    """

    camera: Name | None = None
    label: Name | None = None
    since: Time | None = None
    until: Time | None = None
    verdict: Verdict | None = None
    judged: bool | None = None
    open: bool | None = None
    limit: Annotated[int, Field(ge=1, le=MOST_LISTED)] = 50
    before: UUID | None = None

    def filter(self) -> IncidentFilter:
        """For the journal."""
        return IncidentFilter(
            self.camera,
            self.label,
            self.since,
            self.until,
            self.verdict,
            self.judged,
            self.open,
        )


class Answer(BaseModel):
    """What is sent back."""

    model_config = ConfigDict(from_attributes=True)


class CameraFound(Answer):
    """A camera as it stands; not its settings, which have its password.

    `scores`, `thresholds`, `learnt_hours`: by label.
    """

    name: str
    site: str
    place: str
    state: str
    reason: str
    since: datetime
    lost: bool
    scores: dict[str, float]
    thresholds: dict[str, float]
    learnt_hours: dict[str, float]
    open_incidents: list[UUID]
    silent_until: datetime | None


class CameraList(Answer):
    """All that the asker may see."""

    cameras: list[CameraFound]


class JudgementFound(Answer):
    """A verdict, by whom and when."""

    verdict: Verdict
    note: str
    by: str
    at: datetime


class IncidentFound(Answer):
    """An incident; `judgement`: the newest."""

    id: UUID
    camera: str
    site: str | None
    label: str
    opened_at: datetime
    closed_at: datetime | None
    peak: float
    reason: str | None
    judgement: JudgementFound | None


class IncidentList(Answer):
    """The newest first; `next`: what `before` is for those behind them, null: there are none."""

    incidents: list[IncidentFound]
    next: UUID | None


class DeliveryFound(Answer):
    """What has become of an alert at a sink."""

    alert_id: UUID
    sink: str
    phase: str
    outcome: Outcome
    sent_at: datetime
    at: datetime
    attempts: int
    reason: str | None


class FileFound(Answer):
    """A file of evidence; `url`: null where it is deleted."""

    name: str
    kind: str
    sha256: str
    size_bytes: int
    created_at: datetime
    deleted_at: datetime | None
    url: str | None


FILE_PARTS = ("kind", "sha256", "size_bytes", "created_at", "deleted_at")


class IncidentDetailsFound(IncidentFound):
    """All that is known of an incident; judgements newest first."""

    deliveries: list[DeliveryFound]
    judgements: list[JudgementFound]
    evidence: list[FileFound]


class Done(Answer):
    """Done. `in_memory_only`: why the disk does not have it, null: it has."""

    in_memory_only: str | None = None


class Silenced(Done):
    """`until`: when alarms come again."""

    camera: str | None
    until: datetime


class Drilled(Done):
    """`incident`: what /api/incidents/{incident}/deliveries is asked with."""

    camera: str
    incident: UUID
    sinks: list[str]


class Reached(Answer):
    """How far the first message of an exercise, or of an incident, got at a sink."""

    sink: str
    state: str
    after_ms: int | None = None
    error: str | None = None
    remark: str | None = None


class DeliveryList(Answer):
    """By sink, of an exercise since the start; and all that the journal has."""

    exercise: list[Reached]
    deliveries: list[DeliveryFound]


class SharedCameraFound(Answer):
    """A camera of the cluster. `live`: its box has pictures; `page`: null where none is known."""

    name: str
    site: str
    live: bool
    page: str | None


class BoxFound(Answer):
    """A box. `state`: works, draining, empty (drained), stopped (and gone) or dead, `since` when.

    `sites`: whose cameras it reaches; none: all. `load`: share of its room that is taken.
    `console`: its address, null where that is not known, or the asked one.
    """

    name: str
    state: str
    since: datetime
    sites: list[str]
    load: float
    console: str | None
    cameras: list[SharedCameraFound]


class UnwatchedFound(Answer):
    """A camera that nobody watches, and why."""

    name: str
    site: str
    reason: str


class LossFound(Answer):
    """What the loss of any one box would mean.

    `may_die`: all cameras would have a box with room for them. `unwatched`: else, by the box that
    is lost, how many would have none. `box`: whose loss would leave another with `load` to do.
    """

    may_die: bool
    box: str | None
    load: float
    unwatched: dict[str, int]


class ClusterFound(Answer):
    """All boxes. `box`: the one that is asked; `told_at`: when this held.

    `cut_off`: that is long ago, for the coordinator is not heard. `unknown_boxes`: by sink that
    hangs on one box, its name where no such box has joined.
    """

    box: str
    told_at: datetime
    cut_off: bool
    boxes: list[BoxFound]
    unwatched: list[UnwatchedFound]
    loss: LossFound
    unknown_boxes: dict[str, str]


class SilenceFound(Answer):
    """`camera`: null for all."""

    camera: str | None
    until: datetime


class SinkFound(Answer):
    """A sink; `depth`: messages that wait."""

    name: str
    type: str
    state: str
    depth: int
    refused: int
    last_error: str | None


class Health(Answer):
    """`reasons`: what is not as it should be."""

    live: bool
    status: str
    reasons: list[str]
    sinks: list[SinkFound]
    silences: list[SilenceFound]


def details_of(found: IncidentDetails) -> IncidentDetailsFound:
    """The incident and what is known of it."""
    evidence = []
    for file in found.evidence:
        name = file.name.rsplit("/", 1)[-1]
        url = None if file.deleted_at else f"/evidence/{file.incident_id}/{name}"
        parts = {part: getattr(file, part) for part in FILE_PARTS}
        evidence.append(FileFound(name=name, url=url, **parts))
    return IncidentDetailsFound(
        **IncidentFound.model_validate(found.incident).model_dump(),
        deliveries=[DeliveryFound.model_validate(one) for one in found.deliveries],
        judgements=[JudgementFound.model_validate(one) for one in found.judgements],
        evidence=evidence,
    )
