"""What one camera is seen to do: its connection's state, what is made of it, and who is told."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

from structlog import get_logger
from uuid_utils.compat import uuid7

from alerts.message import Alert
from config.settings import CameraSettings
from detector.capture.reader import StateChange
from detector.daemon.alerting import camera_alert
from detector.daemon.observability.metrics import DetectorMetrics
from detector.daemon.watched.loss import LossTracker, Notice, SampleCounts
from detector.types import CameraState

log = get_logger()


class SeenState:
    """Follows one camera: the reader tells `enter`, the supervisor `tick`.

    `counts`: its samples, by which a camera that is connected may be unwatched all the same.
    """

    def __init__(
        self,
        camera: CameraSettings,
        metrics: DetectorMetrics,
        notify: Callable[[Alert], object],
        show: Callable[[CameraSettings, CameraState, datetime], None],
    ) -> None:
        """`notify`: told of a camera that is lost, and back; `show`: of every change."""
        self.counts = SampleCounts()
        self._camera = camera
        self._metrics = metrics
        self._notify = notify
        self._show = show
        self._loss = LossTracker(camera.capture.offline_grace_s, time.monotonic())
        self._loss_id: UUID = uuid7()
        # What the reader says and what is made of it: the supervisor brings it up to date, too.
        self._lock = threading.Lock()
        self._stopped = False
        self._connection = StateChange(camera.name, CameraState.CONNECTING, datetime.now(UTC))
        self._seen = self._trouble = self._connection

    @property
    def seen(self) -> StateChange:
        """What the camera does, since when and why."""
        return self._seen

    @property
    def lost(self) -> bool:
        """Whether people have been told that it is lost, and not yet that it is back."""
        return self._loss.lost

    def start(self) -> None:
        """Show how it begins."""
        self._tell(self._seen)

    def stop(self) -> None:
        """Show nothing any more: the series of a camera that is gone would come back."""
        with self._lock:
            self._stopped = True

    def enter(self, change: StateChange) -> None:
        """Its connection changes."""
        with self._lock:
            self._connection = change
            self._loss.enter(change.state, time.monotonic())
            self._follow()

    def tick(self, now_s: float, utc: datetime) -> None:
        """Do what is due by `now_s` (monotonic): unwatched or not, lost and back."""
        with self._lock:
            notice = self._loss.tick(now_s, self.counts.scored)
            self.counts.tick(now_s)
            self._follow()
        if notice:
            self._notify_of(notice, utc)

    def _follow(self) -> None:
        """Show the connection's state, or that it is of no use; under the lock."""
        change, before = self._connection, self._seen
        if change.state is CameraState.LIVE and self._loss.unwatched:
            if before.state is CameraState.UNWATCHED:
                return
            why = self.counts.why(self._camera.url)
            change = StateChange(change.camera, CameraState.UNWATCHED, datetime.now(UTC), why)
            log.warning("camera state", camera=change.camera, state=change.state.value, reason=why)
        elif before.state is CameraState.UNWATCHED and change.state is CameraState.LIVE:
            log.info("camera state", camera=change.camera, state=change.state.value)
        if self._stopped or change == before:
            return
        self._seen = change
        if change.state is not CameraState.LIVE:
            self._trouble = change
        self._tell(change)

    def _tell(self, change: StateChange) -> None:
        self._metrics.show_state(self._camera.name, self._camera.site, change.state)
        self._show(self._camera, change.state, change.utc)

    def _notify_of(self, notice: Notice, utc: datetime) -> None:
        if notice is Notice.LOST:
            self._loss_id = uuid7()
        self._metrics.camera_lost.labels(self._camera.name).set(notice is Notice.LOST)
        change = self._seen if notice is Notice.BACK else self._trouble
        self._notify(
            camera_alert(self._camera, self._loss_id, notice, change.utc, change.reason, utc)
        )
