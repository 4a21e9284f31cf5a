"""Writes incidents to the journal and submits their alerts, off the inference thread.

Encoding a picture takes up to 7 ms; in the inference thread it would hold up every camera just
when something happens.
"""

from __future__ import annotations

import queue
from collections.abc import Callable
from datetime import UTC, datetime

from structlog import get_logger

from alerts.deadline import Deadline
from alerts.liveness import LiveThread
from alerts.message import Alert, AlertContext
from detector.daemon.alerting import IncidentReport, incident_alert
from detector.daemon.journal import Journal
from detector.types import Phase

log = get_logger()


class IncidentReporter:
    """Takes reports from any thread; journals each, then submits its alert, in order."""

    def __init__(
        self, journal: Journal, submit: Callable[[Alert, AlertContext], list[str]]
    ) -> None:
        self._journal = journal
        self._submit = submit
        self._reports: queue.SimpleQueue[IncidentReport | None] = queue.SimpleQueue()
        self.thread = LiveThread("reporter", self._run, vital=True)

    def start(self) -> None:
        """Start working."""
        self.thread.start()

    def stop(self, deadline: Deadline) -> None:
        """Finish what has been reported, then end; waits for neither a disk nor a sink."""
        self._reports.put(None)
        self.thread.join(deadline.left_s())

    def report(self, report: IncidentReport) -> None:
        """Hand over `report`; returns at once."""
        self._reports.put(report)

    def _run(self) -> None:
        while True:
            self.thread.waiting()
            report = self._reports.get()
            self.thread.beat()
            if report is None:
                return
            try:
                self._handle(report)
            except Exception:
                # One incident that cannot be journalled must not silence the next.
                log.exception("incident not reported", incident=str(report.incident.id))

    def _handle(self, report: IncidentReport) -> None:
        incident = report.incident
        sequence = self._sequence(report)
        alert, context = incident_alert(report, sequence, datetime.now(UTC))
        sinks = self._submit(alert, context)
        closed_at = incident.closed_at
        duration_s = closed_at and round((closed_at - incident.opened_at).total_seconds(), 1)
        level = log.warning if incident.phase is Phase.OPENED else log.info
        level(
            "incident",
            phase=incident.phase.value,
            camera=incident.camera,
            label=incident.label,
            incident=str(incident.id),
            peak=round(incident.peak, 3),
            sinks=sinks,
            **({} if duration_s is None else {"duration_s": duration_s}),
            **({"exercise": True} if report.exercise else {}),
            **({"reason": report.reason} if report.reason else {}),
        )

    def _sequence(self, report: IncidentReport) -> int:
        """Number of this message within its incident; exercises stay out of the journal."""
        if report.exercise:
            return 0 if report.incident.phase is Phase.OPENED else 1
        return self._journal.record(report.incident, report.reason)
