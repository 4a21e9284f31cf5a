"""An alert as a syslog message (RFC 5424): in plain words, with its fields as structured data."""

from __future__ import annotations

from datetime import UTC
from typing import Literal

from alerts.forms.words import sentence
from alerts.message import Alert, AlertPhase

Facility = Literal[
    "user",
    "daemon",
    "auth",
    "authpriv",
    "local0",
    "local1",
    "local2",
    "local3",
    "local4",
    "local5",
    "local6",
    "local7",
]
"""Those of RFC 5424, table 1, that a program may use."""

FACILITIES: dict[Facility, int] = {
    "user": 1,
    "daemon": 3,
    "auth": 4,
    "authpriv": 10,
    "local0": 16,
    "local1": 17,
    "local2": 18,
    "local3": 19,
    "local4": 20,
    "local5": 21,
    "local6": 22,
    "local7": 23,
}

SD_ID = "jikimi@32473"
"""Jikimi has no private enterprise number: this is IANA's for documentation (RFC 5612)."""

ALERT, CRITICAL, ERROR, NOTICE = 1, 2, 3, 5
"""Severities (RFC 5424, table 2)."""

SURE = 0.9
"""Score from which an incident is an alert; below, it is critical."""

VALUE_LENGTH = 200
"""Characters kept of a field: receivers need not take messages of over 2048 bytes (6.1)."""

NIL = "-"

_BOM = b"\xef\xbb\xbf"
_ESCAPED = str.maketrans({"\\": r"\\", '"': r"\"", "]": r"\]"})


def syslog_message(alert: Alert, facility: Facility, host: str) -> bytes:
    """`alert` without its picture; `host`: the name of this machine. No frame is around it."""
    priority = FACILITIES[facility] * 8 + severity(alert)
    sent_at = alert.sent_at.astimezone(UTC).isoformat(timespec="milliseconds")
    name = "".join(letter for letter in host if "!" <= letter <= "~")[:255] or NIL
    head = [f"<{priority}>1", sent_at.replace("+00:00", "Z"), name, "jikimi", NIL]
    fields = " ".join(f'{key}="{_value(value)}"' for key, value in _fields(alert).items())
    text = sentence(alert).encode()
    # What is not ASCII begins with a byte order mark (6.4); what is ASCII needs none.
    mark = b"" if text.isascii() else _BOM
    start = " ".join([*head, alert.phase.value, f"[{SD_ID} {fields}]"])
    return start.encode() + b" " + mark + text


def severity(alert: Alert) -> int:
    """By phase, and by score while an incident is open; an exercise has that of an alarm."""
    match alert.phase:
        case AlertPhase.OPENED | AlertPhase.UPDATED:
            return ALERT if alert.score >= SURE else CRITICAL
        case AlertPhase.CAMERA_LOST:
            return ERROR
        case AlertPhase.CLOSED | AlertPhase.CAMERA_BACK:
            return NOTICE


def _fields(alert: Alert) -> dict[str, str]:
    place = alert.location
    fields = {
        "alert": str(alert.alert_id),
        "incident": str(alert.incident_id),
        "sequence": str(alert.sequence),
        "phase": alert.phase.value,
        "exercise": str(alert.exercise).lower(),
        "late": str(alert.late).lower(),
        "label": alert.label,
        "score": f"{alert.score:.3f}",
        "camera": alert.camera,
        "site": alert.site,
        "place": place.text,
        "latitude": "" if place.latitude is None else f"{place.latitude:.6f}",
        "longitude": "" if place.longitude is None else f"{place.longitude:.6f}",
        "station": alert.station or "",
        "opened_at": alert.opened_at.isoformat(),
        "reason": alert.reason or "",
    }
    return {key: value for key, value in fields.items() if value}


def _value(text: str) -> str:
    """As PARAM-VALUE is written (6.3.3), without control characters."""
    printable = "".join(letter if letter.isprintable() else " " for letter in text)
    return printable[:VALUE_LENGTH].translate(_ESCAPED)
