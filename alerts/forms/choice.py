"""Which form a sink sends, by its option `form`."""

from __future__ import annotations

from typing import Literal, NamedTuple

from alerts.forms import cap, cloud_event
from alerts.message import Alert
from alerts.schema import alert_json

Form = Literal["jikimi", "cloudevents", "cap"]


class Body(NamedTuple):
    """What goes over the line, and its media type."""

    content: bytes
    content_type: str


def body(alert: Alert, form: Form, sender: str, *, image: bool) -> Body:
    """`alert` in `form`, with its picture where `image`; `sender` is for CAP alone."""
    match form:
        case "cap":
            return Body(cap.cap_alert(alert, sender, image=image), cap.CONTENT_TYPE)
        case "cloudevents":
            event = cloud_event.cloud_event(alert, image=image)
            return Body(event, cloud_event.CONTENT_TYPE)
        case "jikimi":
            return Body(alert_json(alert, image=image), "application/json")
