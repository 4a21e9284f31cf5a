"""What operators say of an incident: what it was, and whether sinks that wait are told of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from structlog import get_logger

from alerts.dispatcher import Dispatcher
from alerts.storage.write_behind import FLUSH_S
from config.errors import ControlError
from detector.console.monitor import Change, Topic
from detector.daemon.calibration_store import CalibrationStore
from detector.daemon.operators.requests import incident_id, text, who
from detector.daemon.watched.cameras import Cameras
from detector.journal.recorder import Recorder
from detector.journal.records import Verdict

WHERE_IDS = "`jikimi incidents --json` shows the ids"

log = get_logger()


@dataclass(frozen=True, slots=True)
class _Named:
    """An incident that a request names; one that only the journal knows has no camera here."""

    id: UUID
    camera: str
    label: str
    is_open: bool


class VerdictCommands:
    """Each takes the request's JSON object and returns the answer's, as `OperatorCommands` do."""

    def __init__(
        self,
        cameras: Cameras,
        dispatcher: Dispatcher,
        recorder: Recorder,
        calibrations: CalibrationStore,
        knows: Callable[[UUID], bool],
        tell: Callable[[Change], None],
    ) -> None:
        """`knows`: whether there is an incident, beside those that the local store has."""
        self._cameras = cameras
        self._dispatcher = dispatcher
        self._recorder = recorder
        self._calibrations = calibrations
        self._knows = knows
        self._tell = tell

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
        note, judge = text(request, "note"), who(request)
        self._recorder.judge(of.id, verdict, note, judge)
        if verdict is Verdict.REAL:
            self._dispatcher.confirming.confirm(of.id, is_open=of.is_open)
        else:
            reason = f"{verdict.value}, says {judge}"
            self._dispatcher.confirming.dismiss(of.id, reason, is_open=of.is_open)
        self._tell(Change(Topic.VERDICT, str(of.id), of.camera))
        camera = next((one for one in self._cameras.all() if one.camera.name == of.camera), None)
        learns = camera is not None and camera.learning.judged(of.label, of.id, verdict)
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
        reason = f"dismissed by {who(request)}"
        spared, ahead = self._dispatcher.confirming.dismiss(of.id, reason, is_open=of.is_open)
        return self._settled("dismiss", request, of, spared, ahead)

    def _incident(self, request: dict[str, Any]) -> _Named:
        """The one that `incident` names.

        Where `camera` is named, too, it is one of that camera's: who may command one camera may
        not settle what another has seen.
        """
        incident = incident_id(request, WHERE_IDS)
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
        self._recorder.audit(who(request), action, str(of.id), text(request, "note"))
        self._tell(Change(Topic.VERDICT, str(of.id), of.camera))
        log.warning(action, incident=str(of.id), sinks=sinks, ahead=ahead, by=who(request))
        return {
            "incident": str(of.id),
            "sinks": sinks,
            "ahead": ahead,
            "in_memory_only": self._dispatcher.stored(),
        }
