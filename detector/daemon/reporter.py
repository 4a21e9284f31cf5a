"""Submits incidents' alerts, and their entries in the journal with them, off the inference thread.

Encoding a picture takes up to 7 ms; in the inference thread it would hold up every camera just
when something happens.
"""

from __future__ import annotations

import queue
import sqlite3
import threading
from collections.abc import Callable
from datetime import UTC, datetime

from structlog import get_logger

from alerts.deadline import Deadline
from alerts.liveness import LiveThread
from alerts.message import Alert, AlertContext
from alerts.storage.write_behind import Change
from detector.daemon.alerting import IncidentReport, incident_alert
from detector.daemon.journal import Journal
from detector.types import Claim, Incident, Phase

Submit = Callable[[Alert, AlertContext, Change | None], list[str]]
"""`Dispatcher.submit`."""

log = get_logger()


class IncidentReporter:
    """Takes reports from any thread; submits the alert of each with its journal entry, in order."""

    def __init__(
        self,
        journal: Journal,
        submit: Submit,
        told: Callable[[Incident], None] = lambda _: None,
        claim: Callable[[str], Claim | None] = lambda _: None,
    ) -> None:
        """`told`: called once an incident's news is in the store and with the sinks.

        `claim`: by which a camera is watched, where this box is one of a cluster.
        """
        self._journal = journal
        self._submit = submit
        self._told = told
        self._claim = claim
        self._reports: queue.SimpleQueue[IncidentReport | threading.Event | None] = (
            queue.SimpleQueue()
        )
        self._unfinished: IncidentReport | None = None
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

    def flush(self, timeout_s: float) -> bool:
        """Wait until all that was reported is submitted; False where that takes too long."""
        submitted = threading.Event()
        self._reports.put(submitted)
        return submitted.wait(timeout_s)

    def _run(self) -> None:
        if (report := self._unfinished) is not None:  # the thread died over it: once more
            self._unfinished = None
            self._try(report)
        while True:
            self.thread.waiting()
            item = self._reports.get()
            self.thread.beat()
            if item is None:
                return
            if isinstance(item, threading.Event):
                item.set()
            else:
                self._unfinished = item
                self._try(item)
                self._unfinished = None

    def _try(self, report: IncidentReport) -> None:
        try:
            self._handle(report)
        except Exception:
            # One incident that cannot be journalled must not silence the next.
            log.exception("incident not reported", incident=str(report.incident.id))

    def _handle(self, report: IncidentReport) -> None:
        incident = report.incident
        claim = self._claim(incident.camera)
        sequence, entry = self._entry(report, claim)
        # The picture is encoded before anything is written: nothing comes between the two.
        alert, context = incident_alert(report, sequence, datetime.now(UTC), claim)
        sinks = self._submitted(alert, context, entry)
        over = incident.phase is Phase.CLOSED
        level = log.warning if incident.phase is Phase.OPENED else log.info
        level(
            "incident",
            phase=incident.phase.value,
            camera=incident.camera,
            label=incident.label,
            incident=str(incident.id),
            peak=round(incident.peak, 3),
            sinks=sinks,
            **({"verified": incident.verified} if incident.verified is not None else {}),
            **({"duration_s": round(incident.duration_s, 1)} if over else {}),
            **({"exercise": True} if report.exercise else {}),
            **({"reason": report.reason} if report.reason else {}),
        )
        if not report.exercise:
            self._told(incident)

    def _submitted(self, alert: Alert, context: AlertContext, entry: Change | None) -> list[str]:
        try:
            return self._submit(alert, context, entry)
        except sqlite3.DatabaseError:
            if entry is None:
                raise
            log.exception("incident not journalled", incident=str(alert.incident_id))
        return self._submit(alert, context, None)

    def _entry(self, report: IncidentReport, claim: Claim | None) -> tuple[int, Change | None]:
        """Number of this message in its incident, its entry; exercises stay out of the journal."""
        if report.exercise:
            return (0 if report.incident.phase is Phase.OPENED else 1), None
        epoch = claim.epoch if claim else None
        return self._journal.change(report.incident, report.reason, report.camera.site, epoch)
