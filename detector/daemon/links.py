"""Links of an alert to pages of the console, for whoever reads it on a phone.

They lead to where something can be done and do nothing themselves: messengers and mail scanners
open what they find. The query, unlike a fragment, is still there after the login.
"""

from __future__ import annotations

from urllib.parse import quote

from alerts.message import CONFIRM_LINK, Alert, AlertPhase
from alerts.routing import CAMERA_NOTICES


def linked(alert: Alert, public_url: str | None) -> Alert:
    """`alert` with its links; as it is where nobody has said where people reach the console.

    `alerts` takes the one to confirm it out again where nothing waits for that. An exercise has no
    page of its own, but its camera's shows how far it got.
    """
    if public_url is None:
        return alert
    camera = f"{public_url}/camera/{quote(alert.camera, safe='')}"
    incident = f"{public_url}/incident/{alert.incident_id}"
    if alert.phase in CAMERA_NOTICES:
        links = {"console": camera}
    elif alert.exercise:
        links = {"console": f"{camera}?drill={alert.incident_id}"}
    else:
        links = {"console": incident, CONFIRM_LINK: f"{incident}?ask=confirm"}
        if alert.phase is not AlertPhase.CLOSED:
            links["mute"] = f"{incident}?ask=mute"
    return alert.model_copy(update={"links": links})
