"""The desk where incidents are written down and handed over, off the inference thread.

Encoding a picture takes up to 7 ms; in the inference thread it would hold up every camera just
when something happens.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from datetime import UTC, datetime

from structlog import get_logger

from alerts.message import Alert, Scene
from detector.daemon.alerting import News, incident_alert
from detector.daemon.journal import Journal
from detector.types import Phase

log = get_logger()


class Desk:
    """Takes news from any thread; journals it, then submits its alert, in order."""

    def __init__(self, journal: Journal, submit: Callable[[Alert, Scene], None]) -> None:
        self._journal, self._submit = journal, submit
        self._news: queue.SimpleQueue[News | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="desk", daemon=True)

    def start(self) -> None:
        """Start working."""
        self._thread.start()

    def stop(self, timeout_s: float) -> None:
        """Finish what has been reported, then end."""
        self._news.put(None)
        self._thread.join(timeout_s)

    def report(self, news: News) -> None:
        """Hand over `news`; returns at once."""
        self._news.put(news)

    def _run(self) -> None:
        while (news := self._news.get()) is not None:
            try:
                self._handle(news)
            except Exception:
                # One incident that cannot be written down must not silence the next.
                log.exception("incident not handed over", incident=str(news.incident.id))

    def _handle(self, news: News) -> None:
        incident = news.incident
        sequence = self._sequence(news)
        alert, scene = incident_alert(news, sequence, datetime.now(UTC))
        self._submit(alert, scene)
        log.info(
            "incident",
            phase=incident.phase.value,
            camera=incident.camera,
            label=incident.label,
            incident=str(incident.id),
            peak=round(incident.peak, 3),
            **({"exercise": True} if news.exercise else {}),
            **({"reason": news.reason} if news.reason else {}),
        )

    def _sequence(self, news: News) -> int:
        """Number of this message within its incident; exercises stay out of the journal."""
        if news.exercise:
            return 0 if news.incident.phase is Phase.OPENED else 1
        return self._journal.record(news.incident, news.reason)
