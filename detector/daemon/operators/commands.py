"""All commands of operators by name (JSON both ways), and what those on cameras do.

`verdicts` has what operators say of an incident, `outbox` what they do with messages.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from structlog import get_logger

from alerts.dispatcher import Dispatcher
from alerts.storage.write_behind import FLUSH_S
from config.errors import ControlError
from detector.console.monitor import Change, Topic
from detector.daemon.calibration_store import CalibrationStore
from detector.daemon.operators.control import Commands
from detector.daemon.operators.outbox import OutboxCommands
from detector.daemon.operators.requests import camera_name, duration_s, incident_id, text, who, why
from detector.daemon.operators.verdicts import VerdictCommands
from detector.daemon.reporter import IncidentReporter
from detector.daemon.watched.camera import WatchedCamera
from detector.daemon.watched.cameras import Cameras
from detector.journal.recorder import Recorder, audit_entry

log = get_logger()


class OperatorCommands:
    """Each command takes the request's JSON object and returns the answer's.

    `camera` names a camera. Raises ControlError where there is none of that name. What changes
    something answers once the disk has it; `in_memory_only` says why where it does not take it.
    """

    def __init__(
        self,
        cameras: Cameras,
        dispatcher: Dispatcher,
        drill_label: str,
        reporter: IncidentReporter,
        calibrations: CalibrationStore,
        knows: Callable[[UUID], bool] = lambda _: False,
        tell: Callable[[Change], None] = lambda _: None,
    ) -> None:
        """`drill_label`: the label under which an exercise goes out.

        `knows`: whether there is an incident, beside those that the local store has. `tell` hears
        of verdicts and silences.
        """
        self._cameras = cameras
        self._dispatcher = dispatcher
        self._drill_label = drill_label
        self._reporter = reporter
        self._calibrations = calibrations
        self._recorder = recorder = Recorder(dispatcher.store)
        self._tell = tell
        self._outbox = OutboxCommands(dispatcher, recorder)
        self._verdicts = VerdictCommands(cameras, dispatcher, recorder, calibrations, knows, tell)

    def by_name(self) -> Commands:
        """For the control server."""
        return {
            "audit-export": self.audit_export,
            "confirm": self._verdicts.confirm,
            "deliveries": self.deliveries,
            "dismiss": self._verdicts.dismiss,
            "drill": self.drill,
            "judge": self._verdicts.judge,
            "outbox": self._outbox.show,
            "outbox-drop": self._outbox.drop,
            "outbox-retry": self._outbox.retry,
            "recalibrate": self.recalibrate,
            "silence": self.silence,
            "unsilence": self.unsilence,
        }

    def by_sink(self, command: str, request: dict[str, Any]) -> dict[str, Any]:
        """Run what came in by way of a sink, for one camera; of its incidents, too."""
        allowed = {
            "confirm": self._verdicts.confirm,
            "dismiss": self._verdicts.dismiss,
            "drill": self.drill,
            "silence": self.silence,
            "unsilence": self.unsilence,
        }
        if command not in allowed or not isinstance(request.get("camera"), str):
            raise ControlError(f"{command!r} of {request.get('camera')!r} is not run for a sink")
        return allowed[command]({**request, "by": "whoever may send a sink its commands"})

    def drill(self, request: dict[str, Any]) -> dict[str, Any]:
        """Send an exercise on `camera`, or on the first; `deliveries` says what came of it."""
        camera = self._camera(request) or self._cameras.first()
        incident = camera.drill(self._drill_label, datetime.now(UTC))
        self._reporter.flush(FLUSH_S)
        self._audit("drill", request, camera.camera.name)
        return {
            "camera": camera.camera.name,
            "incident": str(incident),
            "sinks": [sink.name for sink in self._dispatcher.status()],
            "in_memory_only": self._dispatcher.stored(),
        }

    def audit_export(self, request: dict[str, Any]) -> dict[str, Any]:
        """Keep that evidence of `incidents` (ids) is handed out, and the `reason`."""
        incidents = request.get("incidents")
        if not (isinstance(incidents, list) and all(isinstance(one, str) for one in incidents)):
            raise ControlError("incidents must be a list of ids")
        by, reason = who(request), text(request, "reason")
        self._recorder.record(*[audit_entry(by, "export", one, reason) for one in incidents])
        return {"in_memory_only": self._dispatcher.stored()}

    def deliveries(self, request: dict[str, Any]) -> dict[str, Any]:
        """How far the exercise `incident` (its id) got at each sink."""
        incident = incident_id(request, "give the id that drill returned")
        return {"deliveries": [asdict(one) for one in self._dispatcher.deliveries(incident)]}

    def silence(self, request: dict[str, Any]) -> dict[str, Any]:
        """Send no alarms of `camera`, or of any, for `for_s` seconds."""
        self._camera(request)
        camera = request.get("camera")
        until = self._dispatcher.cameras.silence(camera, duration_s(request))
        log.warning("silenced", camera=camera or "all", until=until.isoformat())
        self._audit(
            "silence", request, camera or "", f"until {until.isoformat(timespec='seconds')}"
        )
        self._tell(Change(Topic.SILENCE, camera or "", camera or ""))
        return {
            "camera": camera,
            "until": until.isoformat(timespec="seconds"),
            "in_memory_only": self._dispatcher.stored(),
        }

    def unsilence(self, request: dict[str, Any]) -> dict[str, Any]:
        """End the silence of `camera`, or every silence; None in `ended`: of every camera."""
        camera = camera_name(request)
        cameras = self._dispatcher.cameras
        if camera not in cameras.silences():  # a camera that is gone may be silenced still
            self._camera(request)
        ended = cameras.unsilence(camera)
        self._audit("unsilence", request, camera or "")
        self._tell(Change(Topic.SILENCE, camera or "", camera or ""))
        return {"ended": ended, "in_memory_only": self._dispatcher.stored()}

    def recalibrate(self, request: dict[str, Any]) -> dict[str, Any]:
        """Forget what `camera` has learnt: it was turned, or moved."""
        camera = self._camera({"camera": request.get("camera") or ""})
        assert camera is not None
        camera.learning.recalibrate()
        self._audit("recalibrate", request, camera.camera.name)
        stored = self._calibrations.flush(FLUSH_S)
        return {"camera": camera.camera.name, "in_memory_only": stored}

    def _audit(self, action: str, request: dict[str, Any], target: str, reason: str = "") -> None:
        """Keep who asked for it, on what."""
        self._recorder.audit(who(request), action, target, why(request, reason))

    def _camera(self, request: dict[str, Any]) -> WatchedCamera | None:
        """The camera that is named, None where none is."""
        name = camera_name(request)
        return None if name is None else self._cameras.by_name(name)
