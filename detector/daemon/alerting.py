"""The alert that tells of an incident, or of a camera lost or back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID, uuid5

from uuid_utils.compat import uuid7

from alerts.message import Alert, AlertContext, AlertPhase
from config.settings import CameraSettings
from detector.daemon.watched.loss import Notice
from detector.motion.snapshot import snapshot
from detector.types import Box, Claim, Incident, Phase, Sample

CAMERA_LABEL = "camera"
"""The label of notices about the camera itself."""


@dataclass(frozen=True, slots=True, eq=False)
class IncidentReport:
    """An incident that changed, and what it was seen on; `reason`: why it closed, if not quiet.

    `age_s`: how long ago it should have been told.
    """

    incident: Incident
    camera: CameraSettings
    sample: Sample | None = None
    box: Box | None = None
    reason: str | None = None
    exercise: bool = False
    age_s: float = 0.0


def incident_alert(
    report: IncidentReport, sequence: int, now: datetime, claim: Claim | None = None
) -> tuple[Alert, AlertContext]:
    """The message for `report`, with its picture while the incident is open.

    Updates carry one too: to a sink with a minimum duration an update is the first it hears.
    """
    incident, sample = report.incident, report.sample
    picture = None
    if incident.phase is not Phase.CLOSED and sample is not None and sample.frame is not None:
        picture = snapshot(sample.frame, report.box)
    camera = report.camera
    # An incident opens and closes once: told again after a power cut, it is a repeat by its id.
    phase = incident.phase
    alert_id = uuid7() if phase is Phase.UPDATED else uuid5(incident.id, phase.value)
    alert = Alert(
        alert_id=alert_id,
        incident_id=incident.id,
        sequence=sequence,
        phase=AlertPhase(incident.phase.value),
        exercise=report.exercise,
        label=incident.label,
        score=incident.peak,
        camera=camera.name,
        site=camera.site,
        location=camera.location,
        station=camera.station,
        opened_at=incident.opened_at,
        sent_at=now.astimezone(UTC),
        reason=report.reason,
        verified=None if report.exercise else incident.verified,
        box=claim and claim.box,
        epoch=claim and claim.epoch,
    )
    # Set past validation: pydantic's Base64Bytes takes encoded text, and the picture is raw.
    alert = alert.model_copy(update={"image": picture})
    context = AlertContext(
        duration_s=incident.duration_s,
        mean_grey=None if sample is None else float(sample.grey.mean()),
        age_s=report.age_s,
    )
    return alert, context


def camera_alert(
    camera: CameraSettings, loss: UUID, notice: Notice, since: datetime, reason: str, now: datetime
) -> Alert:
    """The message that `camera` is lost, or back; both carry `loss` as their incident id."""
    lost = notice is Notice.LOST
    return Alert(
        alert_id=uuid7(),
        incident_id=loss,
        sequence=0 if lost else 1,
        phase=AlertPhase.CAMERA_LOST if lost else AlertPhase.CAMERA_BACK,
        label=CAMERA_LABEL,
        score=0.0,
        camera=camera.name,
        site=camera.site,
        location=camera.location,
        station=camera.station,
        opened_at=since,
        sent_at=now.astimezone(UTC),
        reason=reason,
    )
