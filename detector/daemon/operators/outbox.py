"""What operators see of the messages that wait or were refused, and do with the refused ones."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from alerts.delivery.status import SinkState
from alerts.dispatcher import Dispatcher
from alerts.message import Alert
from config.errors import ControlError
from detector.daemon.operators.requests import who, why
from detector.journal.recorder import Recorder

SHOWN = 100
"""So many messages that wait are shown of each sink."""

HELD = "waiting for confirmation"
"""State of a message that an operator is to confirm, or that is behind one."""


class OutboxCommands:
    """Each takes the request's JSON object and returns the answer's, as `OperatorCommands` do."""

    def __init__(self, dispatcher: Dispatcher, recorder: Recorder) -> None:
        self._dispatcher = dispatcher
        self._recorder = recorder

    def show(self, _request: dict[str, Any]) -> dict[str, Any]:
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
        self._audit("outbox-retry", request, chosen)
        return {"count": self._dispatcher.send_again(chosen)}

    def drop(self, request: dict[str, Any]) -> dict[str, Any]:
        """Delete what was refused, of `alerts` (a list of ids) or, without, all of it."""
        chosen = self._refused(request)
        self._audit("outbox-drop", request, chosen)
        count = self._dispatcher.drop_refused(chosen)
        return {"count": count, "in_memory_only": self._dispatcher.stored()}

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

    def _audit(self, action: str, request: dict[str, Any], chosen: list[UUID] | None) -> None:
        """Keep who asked for it, on which alerts."""
        target = "" if chosen is None else ", ".join(str(one) for one in chosen)
        self._recorder.audit(who(request), action, target, why(request))


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
