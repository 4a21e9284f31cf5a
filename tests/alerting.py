"""Alerts, sinks' settings and waiting, as the tests of `alerts` want them: a line each."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from uuid_utils.compat import uuid7

from alerts.message import Alert, AlertPhase
from alerts.registry import sink_options
from config.settings import Location, RouteSettings, SinkSettings

PICTURE = bytes(range(256)) * 4


def make_alert(**changes: Any) -> Alert:
    """An `opened` of camera `gate` at `yard`, just now; `image` takes raw bytes."""
    now = datetime.now(UTC)
    if image := changes.pop("image", None):
        changes["image"] = base64.b64encode(image)
    values: dict[str, Any] = {
        "alert_id": uuid7(),
        "incident_id": uuid7(),
        "sequence": 0,
        "phase": AlertPhase.OPENED,
        "label": "violence",
        "score": 0.9,
        "camera": "gate",
        "site": "yard",
        "location": Location(text="north gate"),
        "opened_at": now,
        "sent_at": now,
    }
    return Alert(**values | changes)


def follow_up(opened: Alert, phase: AlertPhase, sequence: int, **changes: Any) -> Alert:
    """A later message of the incident that `opened` began."""
    values = {"incident_id": opened.incident_id, "camera": opened.camera, "site": opened.site}
    return make_alert(**values | {"phase": phase, "sequence": sequence} | changes)


def sink(
    kind: str,
    name: str | None = None,
    *,
    route: RouteSettings | None = None,
    expiry_s: float | None = None,
    cooldown_s: float = 0.0,
    **options: Any,
) -> SinkSettings:
    """Settings of a sink of type `kind`, its options validated."""
    return SinkSettings(
        name=name or kind,
        type=kind,
        route=route or RouteSettings(),
        expiry_s=expiry_s,
        cooldown_s=cooldown_s,
        options=sink_options()[kind].model_validate(options),
    )


def wait_for(met: Callable[[], Any], timeout_s: float = 20.0) -> Any:
    """What `met` returns, as soon as that is true; fails after `timeout_s`."""
    pause = threading.Event()
    for _ in range(int(timeout_s / 0.02)):
        if result := met():
            return result
        pause.wait(0.02)
    raise AssertionError(f"not so after {timeout_s} s")
