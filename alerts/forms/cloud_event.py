"""An alert as a CloudEvents 1.0 event in structured mode (JSON event format 1.0)."""

from __future__ import annotations

import json
from urllib.parse import quote

from alerts.message import Alert, AlertPhase
from alerts.schema import alert_json

CONTENT_TYPE = "application/cloudevents+json"

TYPES = {
    AlertPhase.OPENED: "io.jikimi.incident.opened.v1",
    AlertPhase.UPDATED: "io.jikimi.incident.updated.v1",
    AlertPhase.CLOSED: "io.jikimi.incident.closed.v1",
    AlertPhase.CAMERA_LOST: "io.jikimi.camera.lost.v1",
    AlertPhase.CAMERA_BACK: "io.jikimi.camera.back.v1",
}


def cloud_event(alert: Alert, *, image: bool = True) -> bytes:
    """`alert` as UTF-8 JSON; `data` is what the form `jikimi` sends.

    `subject` is the incident (or the loss of a camera), the same for all its messages. The
    extension `exercise` is there for drills alone, so that who routes by attributes can tell.
    There is no `dataschema`: it wants an address under which the schema can be had.
    """
    event = {
        "specversion": "1.0",
        "id": str(alert.alert_id),
        "source": f"/jikimi/{quote(alert.site, safe='')}/{quote(alert.camera, safe='')}",
        "type": TYPES[alert.phase],
        "subject": str(alert.incident_id),
        "time": alert.sent_at.isoformat(),
        "datacontenttype": "application/json",
        "data": json.loads(alert_json(alert, image=image)),
    }
    if alert.exercise:
        event["exercise"] = True
    return json.dumps(event, ensure_ascii=False).encode()
