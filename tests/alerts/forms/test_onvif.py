"""ONVIF events as the Core Specification has them for an MQTT broker."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from alerting import PICTURE, follow_up, make_alert

from alerts.forms.onvif import onvif_event
from alerts.message import Alert, AlertPhase

AT = datetime(2026, 1, 2, 3, 4, 5, 678900, tzinfo=UTC)


def event(alert: Alert) -> tuple[str, dict[str, Any]]:
    found = onvif_event(alert)
    assert found is not None
    return found[0], json.loads(found[1])


def test_an_incident_is_a_property_of_its_camera_and_rule() -> None:
    opened = make_alert(opened_at=AT, score=0.87654, image=PICTURE)
    closed = follow_up(opened, AlertPhase.CLOSED, 1, sent_at=AT + timedelta(seconds=9))
    topic, payload = event(opened)
    assert topic == "onvif-ej/RuleEngine/jikimi:IncidentDetector/Incident/&gate/violence"
    assert payload == {
        "UtcTime": "2026-01-02T03:04:05.678Z",
        "Source": {"VideoSource": "gate", "Rule": "violence"},
        "Data": {
            "State": True,
            "Label": "violence",
            "Score": 0.877,
            "IncidentId": str(opened.incident_id),
        },
    }
    topic_of_end, end = event(closed)
    assert topic_of_end == topic
    assert end["UtcTime"] == "2026-01-02T03:04:14.678Z"
    assert end["Data"]["State"] is False
    assert end["Data"]["IncidentId"] == str(opened.incident_id)


def test_an_update_changes_no_property() -> None:
    assert onvif_event(follow_up(make_alert(), AlertPhase.UPDATED, 1)) is None


def test_an_exercise_never_ends_a_real_incident() -> None:
    real, _ = event(make_alert())
    exercise, payload = event(make_alert(exercise=True, phase=AlertPhase.CLOSED))
    assert exercise != real
    assert payload["Source"]["Rule"] == "exercise"


@pytest.mark.parametrize(
    ("phase", "lost"), [(AlertPhase.CAMERA_LOST, True), (AlertPhase.CAMERA_BACK, False)]
)
def test_a_lost_camera_is_a_signal_loss(phase: AlertPhase, lost: bool) -> None:
    alert = make_alert(phase=phase, label="camera", sent_at=AT)
    topic, payload = event(alert)
    assert topic == "onvif-ej/VideoSource/SignalLoss/&gate"
    assert payload == {
        "UtcTime": "2026-01-02T03:04:05.678Z",
        "Source": {"Source": "gate"},
        "Data": {"State": lost},
    }


def test_times_are_utc_and_values_stay_one_level_without_wildcards() -> None:
    seoul = AT.astimezone(timezone(timedelta(hours=9)))
    topic, payload = event(make_alert(camera="정문", label="a/b+#", opened_at=seoul))
    assert topic.endswith("/&정문/a-b--")
    assert payload["Source"]["Rule"] == "a/b+#"
    assert payload["UtcTime"] == "2026-01-02T03:04:05.678Z"
