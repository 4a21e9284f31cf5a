"""What operators ask of the running daemon: `drill`, `silence`, … (JSON both ways)."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeGuard
from uuid import UUID

from structlog import get_logger

from alerts.delivery.status import SinkState
from alerts.dispatcher import Dispatcher
from alerts.message import Alert
from alerts.storage.write_behind import FLUSH_S
from config.errors import ControlError
from detector.console.monitor import Change, Topic
from detector.daemon.calibration_store import CalibrationStore
from detector.daemon.operators.control import Commands
from detector.daemon.reporter import IncidentReporter
from detector.daemon.watched.camera import WatchedCamera
from detector.daemon.watched.cameras import Cameras
from detector.journal.recorder import Recorder, audit_entry
from detector.journal.records import Verdict

MAX_SILENCE_H = 8760
"""A year; whoever never wants to hear of a camera takes it out of the configuration."""

SHOWN = 100
"""So many messages that wait are shown of each sink."""

HELD = "waiting for confirmation"
"""State of a message that an operator is to confirm, or that is behind one."""

MAX_TEXT = 2000
"""Characters of a note."""

WHERE_IDS = "`jikimi incidents --json` shows the ids"

log = get_logger()


@dataclass(frozen=True, slots=True)
class _Named:
    """An incident that a request names; one that only the journal knows has no camera here."""

    id: UUID
    camera: str
    label: str
    is_open: bool


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
        self._recorder = Recorder(dispatcher.store)
        self._knows = knows
        self._tell = tell

    def by_name(self) -> Commands:
        """For the control server."""
        return {
            "audit-export": self.audit_export,
            "confirm": self.confirm,
            "deliveries": self.deliveries,
            "dismiss": self.dismiss,
            "drill": self.drill,
            "outbox": self.outbox,
            "outbox-drop": self.drop,
            "outbox-retry": self.retry,
            "judge": self.judge,
            "recalibrate": self.recalibrate,
            "silence": self.silence,
            "unsilence": self.unsilence,
        }

    def by_sink(self, command: str, request: dict[str, Any]) -> dict[str, Any]:
        """Run what came in by way of a sink, for one camera; of its incidents, too."""
        allowed = {
            "confirm": self.confirm,
            "dismiss": self.dismiss,
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

    def judge(self, request: dict[str, Any]) -> dict[str, Any]:
        """Say what `incident` (its id) was: `verdict`, with a `note` if one is given.

        Where sinks wait for an operator, `real` confirms it, and any other dismisses it. The
        camera's threshold learns from it, also later and after another verdict.
        """
        try:
            verdict = Verdict(str(request.get("verdict")))
        except ValueError:
            known = ", ".join(Verdict)
            raise ControlError(
                f"{request.get('verdict')!r} is no verdict; give one of {known}"
            ) from None
        of = self._incident(request)
        note, who = _text(request, "note"), _who(request)
        self._recorder.judge(of.id, verdict, note, who)
        if verdict is Verdict.REAL:
            self._dispatcher.confirming.confirm(of.id, is_open=of.is_open)
        else:
            reason = f"{verdict.value}, says {who}"
            self._dispatcher.confirming.dismiss(of.id, reason, is_open=of.is_open)
        self._tell(Change(Topic.VERDICT, str(of.id), of.camera))
        camera = next((one for one in self._cameras.all() if one.camera.name == of.camera), None)
        learns = camera is not None and camera.judged(of.label, of.id, verdict)
        in_memory_only = self._dispatcher.stored()
        if learns:
            in_memory_only = in_memory_only or self._calibrations.flush(FLUSH_S)
        return {
            "incident": str(of.id),
            "verdict": verdict.value,
            "in_memory_only": in_memory_only,
        }

    def confirm(self, request: dict[str, Any]) -> dict[str, Any]:
        """Have the sinks that wait for an operator told of `incident` (its id), with a `note`."""
        of = self._incident(request)
        told, ahead = self._dispatcher.confirming.confirm(of.id, is_open=of.is_open)
        return self._settled("confirm", request, of, told, ahead)

    def dismiss(self, request: dict[str, Any]) -> dict[str, Any]:
        """Have the sinks that wait for an operator told nothing of `incident`, with a `note`."""
        of = self._incident(request)
        reason = f"dismissed by {_who(request)}"
        spared, ahead = self._dispatcher.confirming.dismiss(of.id, reason, is_open=of.is_open)
        return self._settled("dismiss", request, of, spared, ahead)

    def audit_export(self, request: dict[str, Any]) -> dict[str, Any]:
        """Keep that evidence of `incidents` (ids) is handed out, and the `reason`."""
        incidents = request.get("incidents")
        if not (isinstance(incidents, list) and all(isinstance(one, str) for one in incidents)):
            raise ControlError("incidents must be a list of ids")
        who, reason = _who(request), _text(request, "reason")
        self._recorder.record(*[audit_entry(who, "export", one, reason) for one in incidents])
        return {"in_memory_only": self._dispatcher.stored()}

    def deliveries(self, request: dict[str, Any]) -> dict[str, Any]:
        """How far the exercise `incident` (its id) got at each sink."""
        try:
            incident = UUID(request.get("incident"))
        except (ValueError, TypeError, AttributeError):
            raise ControlError(
                f"{request.get('incident')!r} is no incident; give the id that drill returned"
            ) from None
        return {"deliveries": [asdict(one) for one in self._dispatcher.deliveries(incident)]}

    def outbox(self, _request: dict[str, Any]) -> dict[str, Any]:
        """What waits at each sink, oldest first, and what it has refused, newest first.

        `sinks` counts all that wait, `awaiting` for an operator; `messages` has the first `SHOWN`
        of each and all refused ones.
        `reason`: of what waits, why its sink fails, and None where it does not.
        """
        sinks = self._dispatcher.status()
        reasons = {one.name: one.last_error for one in sinks if one.state is SinkState.FAILING}
        waiting = [
            _message(HELD, one.sink, one.alert, one.age_s, None)
            if one.is_held
            else _message("waiting", one.sink, one.alert, one.age_s, reasons.get(one.sink))
            for one in self._dispatcher.queued(SHOWN)
        ]
        now = time.time()
        refused = [
            _message("refused", one.sink, one.alert, max(0.0, now - one.at), one.reason)
            for one in self._dispatcher.refused()
        ]
        return {
            "sinks": [
                {
                    "name": one.name,
                    "type": one.type,
                    "state": one.state,
                    "waiting": one.depth,
                    "awaiting": one.awaiting,
                }
                for one in sinks
            ],
            "messages": waiting + refused,
        }

    def retry(self, request: dict[str, Any]) -> dict[str, Any]:
        """Send again what was refused, of `alerts` (a list of ids) or, without, all of it."""
        chosen = self._refused(request)
        self._audit("outbox-retry", request, _named(chosen))
        return {"count": self._dispatcher.send_again(chosen)}

    def drop(self, request: dict[str, Any]) -> dict[str, Any]:
        """Delete what was refused, of `alerts` (a list of ids) or, without, all of it."""
        chosen = self._refused(request)
        self._audit("outbox-drop", request, _named(chosen))
        count = self._dispatcher.drop_refused(chosen)
        return {"count": count, "in_memory_only": self._dispatcher.stored()}

    def silence(self, request: dict[str, Any]) -> dict[str, Any]:
        """Send no alarms of `camera`, or of any, for `for_s` seconds."""
        self._camera(request)
        camera = request.get("camera")
        until = self._dispatcher.cameras.silence(camera, _duration_s(request))
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
        camera = request.get("camera")
        if not isinstance(camera, str | None):
            raise _wrong_name(camera)
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
        camera.recalibrate()
        self._audit("recalibrate", request, camera.camera.name)
        stored = self._calibrations.flush(FLUSH_S)
        return {"camera": camera.camera.name, "in_memory_only": stored}

    def _incident(self, request: dict[str, Any]) -> _Named:
        """The one that `incident` names.

        Where `camera` is named, too, it is one of that camera's: who may command one camera may
        not settle what another has seen.
        """
        key = request.get("incident")
        try:
            incident = UUID(key)
        except (ValueError, TypeError, AttributeError):
            raise ControlError(f"{key!r} is no incident; {WHERE_IDS}") from None
        here = self._dispatcher.store.read(
            "SELECT camera, label, closed_at IS NULL FROM incidents WHERE id = ?",
            (str(incident),),
        )
        camera, label, is_open = here[0] if here else ("", "", False)
        known = bool(here) or self._knows(incident)
        if not known or request.get("camera") not in {None, camera}:
            raise ControlError(f"there is no incident {incident}; {WHERE_IDS}")
        return _Named(incident, camera, label, bool(is_open))

    def _settled(
        self,
        action: str,
        request: dict[str, Any],
        of: _Named,
        sinks: list[str],
        ahead: list[str],
    ) -> dict[str, Any]:
        """What came of `confirm` and `dismiss`; ControlError where it was too late for all."""
        if not sinks and not ahead:
            raise ControlError(
                f"no sink waits for an operator to confirm incident {of.id}: it was sent or "
                "dropped already, or no sink that is for it has confirm: operator"
            )
        self._recorder.audit(_who(request), action, str(of.id), _text(request, "note"))
        self._tell(Change(Topic.VERDICT, str(of.id), of.camera))
        log.warning(action, incident=str(of.id), sinks=sinks, ahead=ahead, by=_who(request))
        return {
            "incident": str(of.id),
            "sinks": sinks,
            "ahead": ahead,
            "in_memory_only": self._dispatcher.stored(),
        }

    def _refused(self, request: dict[str, Any]) -> list[UUID] | None:
        """The refused alerts that `alerts` names, None where it names none: all."""
        chosen = request.get("alerts")
        if chosen is None:
            return None
        known = {str(one.alert.alert_id) for one in self._dispatcher.refused()}
        if not isinstance(chosen, list) or (unknown := [one for one in chosen if one not in known]):
            named = unknown[0] if isinstance(chosen, list) else chosen
            raise ControlError(f"{named!r} is no alert that was refused; see `jikimi outbox list`")
        return [UUID(one) for one in chosen]

    def _audit(self, action: str, request: dict[str, Any], target: str, reason: str = "") -> None:
        """Keep who asked for it, on what."""
        given = _text(request, "reason")
        why = "; ".join(part for part in (reason, given) if part)
        self._recorder.audit(_who(request), action, target, why)

    def _camera(self, request: dict[str, Any]) -> WatchedCamera | None:
        """The camera that is named, None where none is."""
        name = request.get("camera")
        if not isinstance(name, str | None):
            raise _wrong_name(name)
        return None if name is None else self._cameras.by_name(name)


def _message(
    state: str, sink: str, alert: Alert, age_s: float, reason: str | None
) -> dict[str, Any]:
    """A message that waits, or was refused, `age_s` ago."""
    return {
        "state": state,
        "sink": sink,
        "at": (datetime.now(UTC) - timedelta(seconds=age_s)).isoformat(timespec="seconds"),
        "age_s": round(age_s, 1),
        "camera": alert.camera,
        "phase": alert.phase.value,
        "alert": str(alert.alert_id),
        "incident": str(alert.incident_id),
        "exercise": alert.exercise,
        "reason": reason,
    }


def _named(alerts: list[UUID] | None) -> str:
    """Those of `outbox-retry` and `outbox-drop`, as the audit has them."""
    return "" if alerts is None else ", ".join(str(one) for one in alerts)


def _who(request: dict[str, Any]) -> str:
    """Who asks, as whoever may open the socket says."""
    return _text(request, "by") or "somebody at the control socket"


def _text(request: dict[str, Any], key: str) -> str:
    """A text that people wrote; ControlError where it is none, or too long."""
    value = request.get(key) or ""
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        raise ControlError(f"{key} must be a text of at most {MAX_TEXT} characters")
    return value.encode(errors="replace").decode()


def _wrong_name(name: object) -> ControlError:
    return ControlError(f"a {type(name).__name__} is no camera; give its name as text")


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _duration_s(request: dict[str, Any]) -> float:
    """`for_s`; raises ControlError where that is no duration of a silence."""
    for_s = request.get("for_s")
    if not _is_number(for_s) or not 0 < for_s <= MAX_SILENCE_H * 3600:
        raise ControlError(
            f"a silence lasts more than 0 s and at most {MAX_SILENCE_H}h (a year); to hear of a "
            "camera no more, take it out of the configuration"
        )
    return float(for_s)
