"""What an alert links to."""

from __future__ import annotations

import pytest
from alerting import make_alert

from alerts.message import AlertPhase
from detector.daemon.links import linked

BOX = "https://box.example"


@pytest.mark.parametrize("phase", [AlertPhase.OPENED, AlertPhase.UPDATED])
def test_an_incident_to_its_page_and_to_what_can_be_done_there(phase: AlertPhase) -> None:
    alert = make_alert(phase=phase)
    page = f"{BOX}/incident/{alert.incident_id}"
    links = {"console": page, "confirm": f"{page}?ask=confirm", "mute": f"{page}?ask=mute"}
    assert linked(alert, BOX) == alert.model_copy(update={"links": links})
    assert next(iter(linked(alert, BOX).links)) == "console"  # CAP has room for the first alone


def test_what_is_over_is_not_muted() -> None:
    assert set(linked(make_alert(phase=AlertPhase.CLOSED), BOX).links) == {"console", "confirm"}


def test_a_drill_and_a_camera_to_the_cameras_page() -> None:
    lost = make_alert(phase=AlertPhase.CAMERA_LOST, camera="정문")
    assert linked(lost, BOX).links == {"console": f"{BOX}/camera/%EC%A0%95%EB%AC%B8"}
    drill = make_alert(exercise=True)
    page = f"{BOX}/camera/gate?drill={drill.incident_id}"
    assert linked(drill, BOX).links == {"console": page}


def test_where_nobody_says_how_people_get_there_nothing_is_linked() -> None:
    alert = make_alert()
    assert linked(alert, None) is alert
