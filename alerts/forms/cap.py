"""An alert in the Common Alerting Protocol 1.2 (CAP, OASIS standard of 1 July 2010).

References need the identifier and the `sent` of the message that they name, and no sink keeps
what it has sent. So both follow from the incident: the identifier of its first message from its
id, as the monitor's own `alert_id` does, and `sent` of it is when the incident began.
"""

from __future__ import annotations

import base64
import re
from datetime import UTC, datetime
from uuid import uuid5
from xml.etree import ElementTree as ET

from alerts.forms.words import is_notice, sentence
from alerts.message import Alert, AlertPhase

CONTENT_TYPE = "application/cap+xml"

NAMESPACE = "urn:oasis:names:tc:emergency:cap:1.2"

SENDER = r"[^\s,<&]+"
"""What may be a sender (CAP 1.2, 3.2.1)."""

RADIUS_KM = 0.1
"""Of the area around a camera: what it shows lies within."""

FIRST = frozenset({AlertPhase.OPENED, AlertPhase.CAMERA_LOST})
"""Begins an incident, or the loss of a camera; what follows refers to it."""

OVER = frozenset({AlertPhase.CLOSED, AlertPhase.CAMERA_BACK})

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 forbids, escaped or not (2.2)."""


def cap_alert(alert: Alert, sender: str, *, image: bool = True) -> bytes:
    """`alert` as a CAP 1.2 message in UTF-8; `sender` matches `SENDER`.

    What is over is an `Update` whose urgency is `Past`. `Cancel` would withdraw what was said,
    and the response type `AllClear` would say that nobody is in danger: a camera cannot know.
    """
    root = ET.Element("alert", xmlns=NAMESPACE)
    is_first = alert.phase in FIRST
    _add(root, "identifier", _first_identifier(alert) if is_first else str(alert.alert_id))
    _add(root, "sender", sender)
    _add(root, "sent", _time(alert.opened_at if is_first else alert.sent_at))
    _add(root, "status", "Exercise" if alert.exercise else "Actual")
    _add(root, "msgType", "Alert" if is_first else "Update")
    _add(root, "source", f"Jikimi, camera {alert.camera}")
    _add(root, "scope", "Restricted")
    _add(root, "restriction", "For those who answer this site's alarms")
    if alert.station:
        _add(root, "addresses", _one_address(alert.station))
    if alert.exercise:
        _add(root, "note", f"Exercise {alert.incident_id}: nothing has happened")
    if not is_first:
        earlier = (sender, _first_identifier(alert), _time(alert.opened_at))
        _add(root, "references", ",".join(earlier))
    _add(root, "incidents", str(alert.incident_id))
    _add_info(root, alert, alert.image if image else None)
    document: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return document


def _add_info(root: ET.Element, alert: Alert, image: bytes | None) -> None:
    info = ET.SubElement(root, "info")
    _add(info, "language", "en")
    _add(info, "category", "Infra" if is_notice(alert) else "Security")
    _add(info, "event", f"camera {_notice(alert)}" if is_notice(alert) else alert.label)
    _add(info, "urgency", _urgency(alert))
    _add(info, "severity", "Minor" if is_notice(alert) else "Severe")
    _add(info, "certainty", _certainty(alert))
    _add(info, "onset", _time(alert.opened_at))
    _add(info, "senderName", f"Jikimi, {alert.site}")
    _add(info, "headline", sentence(alert))
    for url in list(alert.links.values())[:1]:
        _add(info, "web", url)
    for name, value in (
        ("alert_id", str(alert.alert_id)),
        ("sequence", str(alert.sequence)),
        ("phase", alert.phase.value),
        ("sent_at", _time(alert.sent_at)),
        ("late", str(alert.late).lower()),
        ("score", f"{alert.score:.3f}"),
        ("camera", alert.camera),
        ("site", alert.site),
    ):
        parameter = ET.SubElement(info, "parameter")
        _add(parameter, "valueName", name)
        _add(parameter, "value", value)
    if image is not None:
        resource = ET.SubElement(info, "resource")
        _add(resource, "resourceDesc", f"Picture of camera {alert.camera}")
        _add(resource, "mimeType", "image/jpeg")
        _add(resource, "size", str(len(image)))
        _add(resource, "derefUri", base64.b64encode(image).decode())
    _add_area(info, alert)


def _add_area(info: ET.Element, alert: Alert) -> None:
    area = ET.SubElement(info, "area")
    place = alert.location
    _add(area, "areaDesc", place.text or f"Camera {alert.camera}, site {alert.site}")
    if place.latitude is not None and place.longitude is not None:
        _add(area, "circle", f"{place.latitude:.6f},{place.longitude:.6f} {RADIUS_KM}")


def _add(parent: ET.Element, name: str, text: str) -> None:
    ET.SubElement(parent, name).text = _NOT_XML.sub("", text)


def _first_identifier(alert: Alert) -> str:
    """Of the message that began this incident, or this loss of a camera.

    For `opened` that is its `alert_id`; where a route lets an `updated` through first, which a
    sink then hears of as `opened`, it is so, too.
    """
    first = AlertPhase.CAMERA_LOST if is_notice(alert) else AlertPhase.OPENED
    return str(uuid5(alert.incident_id, first.value))


def _notice(alert: Alert) -> str:
    return "lost" if alert.phase is AlertPhase.CAMERA_LOST else "back"


def _urgency(alert: Alert) -> str:
    if alert.phase in OVER:
        return "Past"
    return "Expected" if is_notice(alert) else "Immediate"


def _certainty(alert: Alert) -> str:
    """As the standard divides it: likely is more than about 50 %; nobody has observed it."""
    if is_notice(alert):
        return "Observed"
    return "Likely" if alert.score > 0.5 else "Possible"


def _time(when: datetime) -> str:
    """Whole seconds, and UTC as `-00:00`: the standard forbids `Z` and fractions (3.3.2)."""
    return f"{when.astimezone(UTC):%Y-%m-%dT%H:%M:%S}-00:00"


def _one_address(name: str) -> str:
    """Addresses are divided by spaces; one that holds some stands in double quotes."""
    bare = name.replace('"', "")
    return f'"{bare}"' if any(letter.isspace() for letter in bare) else bare
