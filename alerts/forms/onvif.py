"""Alerts as ONVIF events for an MQTT broker: what a VMS that takes ONVIF Profile M reads.

ONVIF Core Specification, "Event Broker": the topic is `TopicPrefix/onvif-ej/LocalTopic/&Source`,
with the namespace `tns1` left out and any other kept, and each value of `Source` as one level. The
payload holds `UtcTime`, `Source` and `Data`. Both events here are properties: retained, and
deleted by an empty payload.

There is no standard event for a fight, so `tns1:RuleEngine/jikimi:IncidentDetector/Incident` is of
Jikimi's own namespace. A camera that is lost is `tns1:VideoSource/SignalLoss`.
"""

from __future__ import annotations

import json
from datetime import UTC
from typing import Any

from alerts.message import Alert, AlertPhase

EXERCISE_RULE = "exercise"
"""The `Rule` of an exercise: it is a property of its own, so it never ends a real one."""

_STATES = {
    AlertPhase.OPENED: True,
    AlertPhase.CLOSED: False,
    AlertPhase.CAMERA_LOST: True,
    AlertPhase.CAMERA_BACK: False,
}

_FORBIDDEN = str.maketrans("/+#\0", "----")


def onvif_event(alert: Alert) -> tuple[str, bytes] | None:
    """Topic, without its TopicPrefix, and payload (UTF-8 JSON); None where no property changes."""
    state = _STATES.get(alert.phase)
    if state is None:
        return None
    source: dict[str, str]
    data: dict[str, Any] = {"State": state}
    if alert.phase in {AlertPhase.OPENED, AlertPhase.CLOSED}:
        local_topic = "RuleEngine/jikimi:IncidentDetector/Incident"
        rule = EXERCISE_RULE if alert.exercise else alert.label
        source = {"VideoSource": alert.camera, "Rule": rule}
        data |= {
            "Label": alert.label,
            "Score": round(alert.score, 3),
            "IncidentId": str(alert.incident_id),
        }
    else:
        local_topic = "VideoSource/SignalLoss"
        source = {"Source": alert.camera}
    began = alert.phase is AlertPhase.OPENED
    moment = (alert.opened_at if began else alert.sent_at).astimezone(UTC)
    utc_time = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    levels = "/".join(value.translate(_FORBIDDEN) for value in source.values())
    payload = {"UtcTime": utc_time, "Source": source, "Data": data}
    return f"onvif-ej/{local_topic}/&{levels}", json.dumps(payload, ensure_ascii=False).encode()
