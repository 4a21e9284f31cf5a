"""What is told of an incident that a crash, or a box of a cluster that died, has left open."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from alerts.storage.copying import EXPIRED_S
from config.settings import CameraSettings, Settings
from config.urls import StreamUrl
from detector.daemon.alerting import IncidentReport
from detector.daemon.journal import LeftOpen
from detector.types import Phase

NOWHERE = StreamUrl.parse("pattern://calm")
"""Stands for the address of a camera that is no longer configured; nothing opens it."""


def reports_of(
    left: LeftOpen, settings: Settings, reason: str, now: datetime
) -> list[IncidentReport]:
    """Whoever was told of it hears that it is over, and why.

    Of one that nobody has heard of, its beginning is told first, late.
    """
    incident = left.incident
    known = {camera.name: camera for camera in settings.cameras}
    # A camera that is gone since: who was told of the incident hears of its end, too.
    camera = known.get(incident.camera) or CameraSettings(
        name=incident.camera, url=NOWHERE, site=settings.site
    )
    reports = [IncidentReport(incident, camera, reason=reason)]
    if not left.told and incident.camera in known:
        opened = replace(incident, closed_at=None, phase=Phase.OPENED)
        age_s = (now - incident.opened_at).total_seconds()
        late = IncidentReport(opened, camera, age_s=age_s if age_s >= 0 else EXPIRED_S)
        reports.insert(0, late)
    return reports
