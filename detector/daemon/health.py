"""What the daemon says of itself: alive or stuck, and what is not as it should be."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Literal, TypedDict

from alerts.delivery.status import SinkState
from alerts.dispatcher import Dispatcher
from detector.daemon.observability.log_writer import LogWriter
from detector.daemon.supervisor import Supervisor
from detector.daemon.watched.camera import CameraStatus
from detector.daemon.watched.cameras import Cameras
from detector.evidence.recorder import EvidenceRecorder
from detector.inference.second_look.worker import SecondLookWorker
from detector.inference.serve_engine import ServeEngine
from detector.inference.worker import InferenceWorker
from detector.types import CameraState

OVERLOADED = (
    "overloaded: more views come than can be scored; "
    "cameras with an incident go first, the others are watched less often"
)


class Silence(TypedDict):
    """A silence that holds: of `camera` (None: of every one), `until` in ISO 8601, UTC."""

    camera: str | None
    until: str


class AwaitingStatus(TypedDict):
    """`sink` is not told of `incident` before an operator confirms it; `then`: what at `until`."""

    incident: str
    camera: str
    sink: str
    until: str
    then: str


class SecondLookStatus(TypedDict):
    """What the second look does: a `LookState`, `off` (no camera asks for it) or `none`.

    `none`: the weights have none. `reason`: why it is behind or failing.
    """

    state: str
    reason: str


class HealthStatus(TypedDict):
    """The body of /healthz. `sinks`: `alerts.delivery.status.SinkStatus` as objects.

    A silence was asked for, so it is shown and does not make the status `degraded`; nor does a
    second look that is behind or failing, for alarms come all the same.
    """

    live: bool
    status: Literal["ok", "degraded", "stuck"]
    reasons: list[str]
    cameras: list[CameraStatus]
    sinks: list[dict[str, Any]]
    silences: list[Silence]
    awaiting: list[AwaitingStatus]
    second_look: SecondLookStatus


class Health:
    """Looks at every part of the daemon when asked."""

    def __init__(
        self,
        cameras: Cameras,
        worker: InferenceWorker,
        dispatcher: Dispatcher,
        supervisor: Supervisor,
        log_writer: LogWriter,
        second_look: SecondLookWorker | None = None,
        evidence: EvidenceRecorder | None = None,
        serve_engine: ServeEngine | None = None,
    ) -> None:
        self._cameras = cameras
        self._worker = worker
        self._dispatcher = dispatcher
        self._supervisor = supervisor
        self._log_writer = log_writer
        self._second_look = second_look
        self._evidence = evidence
        self._serve_engine = serve_engine

    def liveness(self) -> tuple[bool, list[str]]:
        """Whether it is alive, and which threads are stuck, dead or were started anew.

        Asks no sink and no disk, which may be slow themselves.
        """
        stuck = self._supervisor.stuck()
        return not stuck, stuck + self._supervisor.faults()

    def status(self) -> HealthStatus:
        """How everything is."""
        live, threads = self.liveness()
        cameras = [camera.status() for camera in self._cameras.all()]
        sinks = self._dispatcher.status()
        reasons = threads + [
            f"camera {camera['name']} is {camera['state']}"
            for camera in cameras
            if camera["state"] != CameraState.LIVE.value
        ]
        reasons += [
            f"sink {sink.name}: {sink.last_error}"
            for sink in sinks
            if sink.state is SinkState.FAILING
        ]
        if trouble := self._log_writer.trouble():
            reasons.append(trouble)
        reasons += self._dispatcher.trouble()
        if self._evidence:
            reasons += self._evidence.trouble()
        if self._serve_engine and (trouble := self._serve_engine.trouble):
            reasons.append(trouble)
        if self._worker.overloaded:
            reasons.append(OVERLOADED)
        return {
            "live": live,
            "status": "stuck" if not live else "degraded" if reasons else "ok",
            "reasons": reasons,
            "cameras": cameras,
            "sinks": [asdict(sink) for sink in sinks],
            "silences": [
                {"camera": camera, "until": until.isoformat(timespec="seconds")}
                for camera, until in self._dispatcher.cameras.silences().items()
            ],
            "awaiting": [
                {
                    "incident": str(incident),
                    "camera": one.camera,
                    "sink": one.sink,
                    "until": one.until.isoformat(timespec="seconds"),
                    "then": one.then,
                }
                for incident, waiting in self._dispatcher.confirming.awaiting().items()
                for one in waiting
            ],
            "second_look": self._looks(),
        }

    def _looks(self) -> SecondLookStatus:
        if self._second_look is None:
            return {"state": "none", "reason": ""}
        if not any(camera.camera.detection.second_look for camera in self._cameras.all()):
            return {"state": "off", "reason": ""}
        return {"state": self._second_look.state.value, "reason": self._second_look.reason}
