"""An alert in one plain sentence, for people who read a log or a list."""

from __future__ import annotations

from alerts.message import Alert, AlertPhase


def sentence(alert: Alert) -> str:
    """What happened, at which camera, site and place, as one line; an exercise says so first."""
    what = alert.label[:1].upper() + alert.label[1:]
    begins = {
        AlertPhase.OPENED: f"{what} at",
        AlertPhase.UPDATED: f"{what} goes on at",
        AlertPhase.CLOSED: f"{what} has ended at",
        AlertPhase.CAMERA_LOST: "No longer watched:",
        AlertPhase.CAMERA_BACK: "Watched again:",
    }
    parts = [f"{begins[alert.phase]} camera {alert.camera}", f"site {alert.site}"]
    if alert.location.text:
        parts.append(alert.location.text)
    if not is_notice(alert):
        parts.append(f"score {alert.score:.2f}")
    if alert.reason:
        parts.append(alert.reason)
    marks = ("EXERCISE: " if alert.exercise else "") + ("Late: " if alert.late else "")
    text = marks + ", ".join(parts)
    return " ".join("".join(one if one.isprintable() else " " for one in text).split())


def is_notice(alert: Alert) -> bool:
    """Whether it is about the camera itself, not about an incident."""
    return alert.phase in {AlertPhase.CAMERA_LOST, AlertPhase.CAMERA_BACK}
