"""Whether an incident is open on a camera now, for what shows states and reads no alerts."""

from __future__ import annotations

import json
from uuid import UUID

from alerts.message import Alert, AlertPhase


class Alarm:
    """Follows the alerts of one camera that the broker was told of.

    It begins as off: what a crash left open is closed at the next start. What comes late is
    history, and switches nothing on; an incident that is still open has an `updated` within 5 s.
    """

    def __init__(self, camera: str, site: str) -> None:
        self._camera = camera
        self._site = site
        self._open: set[UUID] = set()
        self._last: Alert | None = None

    def follow(self, alert: Alert) -> None:
        """Take the next alert."""
        incident = alert.incident_id
        if alert.phase is AlertPhase.CLOSED:
            self._open.discard(incident)
        elif alert.phase in {AlertPhase.OPENED, AlertPhase.UPDATED} and not alert.late:
            is_only = self._open <= {incident}
            self._open.add(incident)
            if is_only or not alert.exercise:
                self._last = alert

    def payload(self) -> bytes:
        """As JSON: `state` is ON or OFF; the rest is about the newest incident, null before it."""
        last = self._last
        shown = {
            "schema_version": 1,
            "camera": self._camera,
            "site": self._site,
            "state": "ON" if self._open else "OFF",
            "label": last and last.label,
            "score": last and round(last.score, 3),
            "exercise": last and last.exercise,
            "opened_at": last and last.opened_at.isoformat().replace("+00:00", "Z"),
        }
        return json.dumps(shown).encode()
