"""Who hears of it when a camera's state, an incident, a verdict or a silence changes.

That are sinks that show cameras, the journal, the console's pages and, of a silence, the camera's
next box. The alerts that an incident sets off go by way of `reporter`.
"""

from __future__ import annotations

from datetime import UTC, datetime

from alerts.dispatcher import Dispatcher
from alerts.message import CameraNotice
from config.settings import CameraSettings
from detector.console.monitor import Change, Topic
from detector.daemon.handover.carrying import Carrying
from detector.daemon.operators.changes import Changes
from detector.daemon.watched.cameras import Cameras
from detector.journal.recorder import Recorder
from detector.journal.records import STOPPED, CameraStateRecord
from detector.types import CameraState, Incident


class Announcer:
    """Tells them, in the thread in which it changes. Waits for no disk and no sink."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        recorder: Recorder,
        changes: Changes,
        carrying: Carrying,
        cameras: Cameras,
    ) -> None:
        self._dispatcher = dispatcher
        self._recorder = recorder
        self._changes = changes
        self._carrying = carrying
        self._cameras = cameras

    def camera_state(self, camera: CameraSettings, state: CameraState, since: datetime) -> None:
        """`camera` is in `state`, `since` then."""
        self._dispatcher.cameras.show(CameraNotice(camera.name, camera.site, state.value, since))
        self._recorder.record(CameraStateRecord(camera.name, camera.site, state.value, since))
        self._changes.tell(Change(Topic.CAMERA, camera.name, camera.name))

    def camera_stopped(self, camera: CameraSettings) -> None:
        """`camera` is watched no more, by this box."""
        now = datetime.now(UTC)
        self._recorder.record(CameraStateRecord(camera.name, camera.site, STOPPED, now))

    def incident(self, incident: Incident) -> None:
        """News of `incident` is with the sinks."""
        self._changes.tell(
            Change(Topic.INCIDENT, str(incident.id), incident.camera, incident.phase.value)
        )

    def said(self, change: Change) -> None:
        """An operator has judged an incident, or silenced a camera or all, or ended that."""
        if change.topic is Topic.SILENCE:
            self._carrying.silenced(camera.camera.name for camera in self._cameras.all())
        self._changes.tell(change)
