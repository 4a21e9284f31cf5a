"""What the daemon says of itself: alive or stuck, and what is not as it should be."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Any, Literal, TypedDict

from alerts.dispatcher import Dispatcher
from alerts.worker import SinkState
from detector.daemon.camera import CameraStatus
from detector.daemon.cameras import Cameras
from detector.inference.worker import InferenceWorker
from detector.types import CameraState

STUCK_AFTER_S = 10.0
"""Without progress of the inference worker or the supervisor for so long it is not alive."""

OVERLOADED = (
    "overloaded: more views come than can be scored; "
    "cameras with an incident go first, the others are watched less often"
)


class Silence(TypedDict):
    """A silence that holds: of `camera` (None: of every one), `until` in ISO 8601, UTC."""

    camera: str | None
    until: str


class HealthStatus(TypedDict):
    """The body of /healthz. `sinks`: `alerts.worker.SinkStatus` as objects.

    A silence was asked for, so it is shown and does not make the status `degraded`.
    """

    live: bool
    status: Literal["ok", "degraded", "stuck"]
    reasons: list[str]
    cameras: list[CameraStatus]
    sinks: list[dict[str, Any]]
    silences: list[Silence]


class Health:
    """Looks at every part of the daemon when asked."""

    def __init__(self, cameras: Cameras, worker: InferenceWorker, dispatcher: Dispatcher) -> None:
        self._cameras = cameras
        self._worker = worker
        self._dispatcher = dispatcher
        self.supervised_s = time.monotonic()
        """When the supervisor last looked round (monotonic); the daemon sets it."""

    def stuck(self) -> list[str]:
        """What has made no progress; asks no sink and no disk, which may be slow themselves."""
        now_s = time.monotonic()
        return [
            f"{what} has made no progress for {now_s - since_s:.0f} s"
            for what, since_s in (
                ("the inference worker", self._worker.progress_s),
                ("the supervisor", self.supervised_s),
            )
            if now_s - since_s > STUCK_AFTER_S
        ]

    def status(self) -> HealthStatus:
        """How everything is."""
        stuck = self.stuck()
        cameras = [camera.status() for camera in self._cameras.all()]
        sinks = self._dispatcher.status()
        reasons = stuck + [
            f"camera {camera['name']} is {camera['state']}"
            for camera in cameras
            if camera["state"] != CameraState.LIVE.value
        ]
        reasons += [
            f"sink {sink.name}: {sink.last_error}"
            for sink in sinks
            if sink.state is SinkState.FAILING
        ]
        reasons += self._dispatcher.trouble()
        if self._worker.overloaded:
            reasons.append(OVERLOADED)
        return {
            "live": not stuck,
            "status": "stuck" if stuck else "degraded" if reasons else "ok",
            "reasons": reasons,
            "cameras": cameras,
            "sinks": [asdict(sink) for sink in sinks],
            "silences": [
                {"camera": camera, "until": until.isoformat(timespec="seconds")}
                for camera, until in self._dispatcher.silences().items()
            ],
        }
