"""CloudEvents are read by the official SDK."""

from __future__ import annotations

import pytest
from alerting import PICTURE, make_alert
from cloudevents.core.bindings.http import HTTPMessage, from_http_event

from alerts.forms.cloud_event import CONTENT_TYPE, cloud_event
from alerts.message import Alert, AlertPhase

TYPES = {
    AlertPhase.OPENED: "io.jikimi.incident.opened.v1",
    AlertPhase.UPDATED: "io.jikimi.incident.updated.v1",
    AlertPhase.CLOSED: "io.jikimi.incident.closed.v1",
    AlertPhase.CAMERA_LOST: "io.jikimi.camera.lost.v1",
    AlertPhase.CAMERA_BACK: "io.jikimi.camera.back.v1",
}


def read(alert: Alert, *, image: bool = True) -> object:
    body = cloud_event(alert, image=image)
    return from_http_event(HTTPMessage({"content-type": CONTENT_TYPE}, body))


@pytest.mark.parametrize("phase", list(AlertPhase))
def test_the_sdk_reads_it_and_finds_the_alert_in_it(phase: AlertPhase) -> None:
    alert = make_alert(phase=phase, camera="정문 1", site="a/b", image=PICTURE)
    event = read(alert)
    assert event.get_type() == TYPES[phase]
    assert event.get_id() == str(alert.alert_id)
    assert event.get_source() == "/jikimi/a%2Fb/%EC%A0%95%EB%AC%B8%201"
    assert event.get_subject() == str(alert.incident_id)
    assert event.get_time() == alert.sent_at
    assert event.get_datacontenttype() == "application/json"
    assert Alert.model_validate(event.get_data()) == alert
    assert "image" not in read(alert, image=False).get_data()


def test_a_drill_can_be_told_by_an_attribute() -> None:
    assert read(make_alert(exercise=True)).get_extension("exercise") is True
    assert read(make_alert()).get_extension("exercise") is None
