"""CAP messages hold to the standard, and name what they follow up."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from uuid import uuid5
from xml.etree import ElementTree as ET

import pytest
from alerting import PICTURE, follow_up, make_alert

from alerts.delivery.picture import picture_of
from alerts.forms.cap import NAMESPACE, cap_alert
from alerts.message import Alert, AlertPhase
from config.settings import Location

SENDER = "jikimi@city.example"
BEGAN = datetime(2026, 11, 27, 3, 4, 5, 678_901, UTC)


def opened(**changes: object) -> Alert:
    """An `opened` as the daemon makes it: its id follows from the incident's."""
    alert = make_alert(opened_at=BEGAN, sent_at=BEGAN + timedelta(seconds=2), **changes)
    return alert.model_copy(update={"alert_id": uuid5(alert.incident_id, "opened")})


def later(alert: Alert, phase: AlertPhase, seconds: float, **changes: object) -> Alert:
    sent_at = BEGAN + timedelta(seconds=seconds)
    return follow_up(alert, phase, 1, opened_at=alert.opened_at, sent_at=sent_at, **changes)


@cache
def validate() -> Callable[[str], None]:
    """Raises where a document does not hold to the schema."""
    import xmlschema  # it and the schema take a second

    check: Callable[[str], None] = xmlschema.XMLSchema(Path(__file__).with_name("cap.xsd")).validate
    return check


def parsed(alert: Alert, *, image: bool = True) -> ET.Element:
    """The message, which is valid."""
    document = cap_alert(alert, SENDER, image=image)
    validate()(document.decode())
    return ET.fromstring(document)


def text(root: ET.Element, path: str) -> str | None:
    return root.findtext("/".join(f"{{{NAMESPACE}}}{part}" for part in path.split("/")))


def test_an_alarm_says_what_where_and_how_certain() -> None:
    place = Location(text="north gate", latitude=35.1, longitude=-129.05)
    alert = opened(location=place, station="Harbour police", score=0.9, image=PICTURE)
    root = parsed(alert)
    assert text(root, "identifier") == str(alert.alert_id)
    assert text(root, "sender") == SENDER
    assert text(root, "sent") == "2026-11-27T03:04:05-00:00"
    assert text(root, "status") == "Actual"
    assert text(root, "msgType") == "Alert"
    assert text(root, "addresses") == '"Harbour police"'
    assert text(root, "references") is None
    assert text(root, "info/category") == "Security"
    assert text(root, "info/event") == "violence"
    assert text(root, "info/urgency") == "Immediate"
    assert text(root, "info/certainty") == "Likely"
    headline = "Violence at camera gate, site yard, north gate, score 0.90"
    assert text(root, "info/headline") == headline
    assert text(root, "info/area/areaDesc") == "north gate"
    assert text(root, "info/area/circle") == "35.100000,-129.050000 0.1"
    assert text(root, "info/resource/mimeType") == "image/jpeg"
    assert base64.b64decode(text(root, "info/resource/derefUri") or "") == PICTURE
    assert text(parsed(alert, image=False), "info/resource/derefUri") is None
    assert text(parsed(opened(score=0.5)), "info/certainty") == "Possible"


@pytest.mark.parametrize("phase", [AlertPhase.UPDATED, AlertPhase.CLOSED])
def test_what_follows_refers_to_the_first_message_and_has_an_identifier_of_its_own(
    phase: AlertPhase,
) -> None:
    alert = opened()
    first, next_one = parsed(alert), parsed(later(alert, phase, 9))
    assert text(next_one, "msgType") == "Update"
    assert text(next_one, "references") == (
        f"{text(first, 'sender')},{text(first, 'identifier')},{text(first, 'sent')}"
    )
    assert text(next_one, "identifier") != text(first, "identifier")
    assert text(next_one, "incidents") == text(first, "incidents")
    assert text(next_one, "sent") == "2026-11-27T03:04:14-00:00"
    is_over = phase is AlertPhase.CLOSED
    assert text(next_one, "info/urgency") == ("Past" if is_over else "Immediate")


def test_what_a_route_lets_through_late_is_the_first_message_all_the_same() -> None:
    """A sink with a minimum duration hears of an `updated` first, as `opened`."""
    incident = opened()
    told = later(incident, AlertPhase.UPDATED, 5).model_copy(update={"phase": AlertPhase.OPENED})
    first, closed = parsed(told), parsed(later(incident, AlertPhase.CLOSED, 9))
    reference = f"{SENDER},{text(first, 'identifier')},{text(first, 'sent')}"
    assert text(closed, "references") == reference


def test_a_picture_that_follows_its_alarm_refers_to_it() -> None:
    alert = opened(image=PICTURE)
    first, picture = parsed(alert, image=False), parsed(picture_of(alert))
    assert text(picture, "msgType") == "Update"
    assert str(text(first, "identifier")) in str(text(picture, "references"))
    assert text(picture, "info/resource/size") == str(len(PICTURE))


def test_an_exercise_can_be_told_from_an_alarm_by_status_and_headline() -> None:
    root = parsed(opened(exercise=True))
    assert text(root, "status") == "Exercise"
    assert str(text(root, "note")).endswith("nothing has happened")
    assert str(text(root, "info/headline")).startswith("EXERCISE: ")


def test_a_camera_that_is_lost_and_back() -> None:
    lost = opened(phase=AlertPhase.CAMERA_LOST, label="camera", score=0.0, reason="no network")
    first, back = parsed(lost), parsed(later(lost, AlertPhase.CAMERA_BACK, 9, label="camera"))
    assert text(first, "msgType") == "Alert"
    assert text(first, "info/category") == "Infra"
    assert text(first, "info/event") == "camera lost"
    assert text(first, "info/certainty") == "Observed"
    assert str(text(first, "info/headline")).endswith("no network")
    reference = f"{SENDER},{text(first, 'identifier')},{text(first, 'sent')}"
    assert text(back, "references") == reference
    assert text(back, "info/urgency") == "Past"


def test_whatever_names_hold_the_message_stays_xml() -> None:
    place = Location(text="<b>1 & 2</b>\x00\x07]]>\ufffe정문 \U0001f6a8")
    alert = opened(location=place, camera="a\x1bb", station='"x" <y> & z')
    root = parsed(alert)
    assert text(root, "info/area/areaDesc") == "<b>1 & 2</b>]]>정문 \U0001f6a8"
    assert text(root, "addresses") == '"x <y> & z"'
    assert text(root, "source") == "Jikimi, camera ab"
