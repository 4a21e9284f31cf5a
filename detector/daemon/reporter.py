"""Submits incidents' alerts, and their entries in the journal with them, off the inference thread.

Encoding a picture takes up to 7 ms; in the inference thread it would hold up every camera just
when something happens. Where reports come faster than they can be told, an incident that begins
goes before news of other cameras: on a box whose processors were busy, at 0.2 s a report instead
of 0.004, alarms came up to 20 s late behind updates and ends.
"""

from __future__ import annotations

import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
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

Message = tuple[IncidentReport, Alert, AlertContext, Change | None]
"""What is to be told, and its entry in the journal."""

log = get_logger()

Waiting = IncidentReport | threading.Event | None
"""A report; an event to set once all before it is submitted; None: the end."""


def next_to_tell(waiting: Iterable[Waiting]) -> int:
    """Which of those `waiting` is next: the first that begins an incident, else the first of all.

    None goes before an earlier one of its camera, nor before an event or the end.
    """
    cameras = set()
    for index, item in enumerate(waiting):
        if not isinstance(item, IncidentReport):
            break
        if item.incident.phase is Phase.OPENED and item.incident.camera not in cameras:
            return index
        cameras.add(item.incident.camera)
    return 0


class IncidentReporter:
    """Takes reports from any thread; submits each one's alert with its entry in the journal.

    Those of a camera in the order in which they came, of all cameras as `next_to_tell` has it.
    """

    def __init__(
        self,
        journal: Journal,
        submit: Submit,
        told: Callable[[Incident], None] = lambda _: None,
        claim: Callable[[str], Claim | None] = lambda _: None,
        together: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        """`told`: called once an incident's news is in the store and with the sinks.

        `claim`: by which a camera is watched, where this box is one of a cluster. `together`:
        what is submitted within it reaches the disk as a whole.
        """
        self._journal = journal
        self._submit = submit
        self._told = told
        self._claim = claim
        self._together = together
        self._waiting: deque[Waiting] = deque()
        self._more = threading.Condition()
        self._unfinished: IncidentReport | None = None
        self.thread = LiveThread("reporter", self._run, vital=True)

    def start(self) -> None:
        """Start working."""
        self.thread.start()

    def stop(self, deadline: Deadline) -> None:
        """Finish what has been reported, then end; waits for neither a disk nor a sink."""
        self._add(None)
        self.thread.join(deadline.left_s())

    def report(self, report: IncidentReport) -> None:
        """Hand over `report`; returns at once."""
        self._add(report)

    def flush(self, timeout_s: float) -> bool:
        """Wait until all that was reported is submitted; False where that takes too long."""
        submitted = threading.Event()
        self._add(submitted)
        return submitted.wait(timeout_s)

    def _add(self, item: Waiting) -> None:
        with self._more:
            self._waiting.append(item)
            self._more.notify()

    def _taken(self) -> Waiting:
        with self._more:
            self._more.wait_for(lambda: self._waiting)
            index = next_to_tell(self._waiting)
            item = self._waiting[index]
            del self._waiting[index]
            return item

    def _run(self) -> None:
        if (report := self._unfinished) is not None:  # the thread died over it: once more
            self._unfinished = None
            self._try(report)
        while True:
            self.thread.waiting()
            item = self._taken()
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
            if report.exercise:
                self._exercise(report)
            else:
                self._tell(self._message(report))
        except Exception:
            # One incident that cannot be journalled must not silence the next.
            log.exception("incident not reported", incident=str(report.incident.id))

    def _exercise(self, report: IncidentReport) -> None:
        """An exercise is over as it begins: whoever is told of its beginning hears of its end.

        A kill between the two would leave it open for ever, for it stays out of the journal.
        """
        begun = report.incident
        over = replace(begun, phase=Phase.CLOSED, closed_at=begun.opened_at)
        messages = [self._message(each) for each in (report, replace(report, incident=over))]
        with self._together():
            for message in messages:
                self._tell(message)

    def _message(self, report: IncidentReport) -> Message:
        claim = self._claim(report.incident.camera)
        sequence, entry = self._entry(report, claim)
        # The picture is encoded before anything is written: nothing comes between the two.
        return report, *incident_alert(report, sequence, datetime.now(UTC), claim), entry

    def _tell(self, message: Message) -> None:
        report, alert, context, entry = message
        incident = report.incident
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
