"""The evidence thread: collects for all cameras, deletes what is too old, and keeps nobody waiting.

Detection hands over incidents and scores by reference, in memory. A disk that is slow, full or
hung makes evidence late or incomplete, which is counted and said, and nothing else.
"""

from __future__ import annotations

import math
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from structlog import get_logger

from alerts.deadline import Deadline
from alerts.liveness import LiveThread
from config.settings import CameraSettings, EvidenceSettings
from detector.capture.kept.bounds import SLACK_S
from detector.capture.kept.ring import PacketRing, RingBudget
from detector.evidence.collector import Collector, CollectorCallbacks, Origin
from detector.evidence.feed import IncidentFeed
from detector.evidence.record import EvidenceFile, Kind
from detector.evidence.retention import delete, expired, mend, room, stored
from detector.types import SAMPLE_RATE_HZ, Box, Incident, Phase, Sample, Score

ROUND_S = 1.0
"""How often packets are fetched while an incident is collected."""

TIDY_S = 600.0
"""How often what is too old or too much is deleted."""

TIDY_SOON_S = 30.0
"""After an incident whose evidence is whole."""

MOST_AT_ONCE = 128
"""Incidents collected at once; each holds up to three pictures in memory."""

RESTING_S = 3600.0
"""A loss is named in health for so long."""

log = get_logger()


@dataclass(frozen=True, slots=True)
class Gone:
    """What a disk has not taken; `at_s`: when last, monotonic."""

    what: str
    at_s: float


class CameraEvidence:
    """One camera's part: what its detection tells. Quick; called under its judge's lock."""

    def __init__(
        self, recorder: EvidenceRecorder, camera: CameraSettings, ring: PacketRing
    ) -> None:
        self.ring = ring
        self._camera = camera
        self._recorder = recorder
        before_s = recorder.settings.pre_roll_s + SLACK_S
        self._before: deque[tuple[Sequence[Score], Box | None]] = deque(
            maxlen=math.ceil(before_s * SAMPLE_RATE_HZ)
        )
        self._feeds: list[IncidentFeed] = []

    def changed(
        self, incident: Incident, sample: Sample | None, reason: str | None, now_s: float
    ) -> None:
        """An incident has opened, been updated or closed at `now_s` (monotonic)."""
        if incident.phase is Phase.OPENED:
            feed = IncidentFeed(incident, self._camera, self.ring, sample.at_s if sample else now_s)
            for scores, box in self._before:
                feed.scored(scores, box)
            self._feeds.append(feed)
            self._recorder.begin(feed)
        for feed in self._feeds:
            if feed.incident.id == incident.id:
                feed.changed(incident, reason)

    def scored(
        self, at_s: float, scores: Sequence[Score], sample: Sample | None, box: Box | None
    ) -> None:
        """A sample's scores at `at_s`, one a label, after what has `changed` with them."""
        for feed in list(self._feeds):
            feed.scored(scores, box)
            if not feed.closed:
                feed.saw(scores, sample, box)
            elif at_s > feed.ended_s + self._recorder.settings.post_roll_s:
                self._feeds.remove(feed)
        self._before.append((scores, box))


class EvidenceRecorder:
    """Collects evidence in a thread of its own, in `folder`."""

    def __init__(
        self,
        settings: EvidenceSettings,
        folder: Path,
        origin: Origin,
        on_stored: Callable[[EvidenceFile], None] = lambda _: None,
        on_deleted: Callable[[Path], None] = lambda _: None,
    ) -> None:
        """Callbacks come from the thread.

        `on_stored` is told of files that are whole, `on_deleted` of an incident's folder that is
        about to be deleted.
        """
        self.settings = settings
        self._folder = folder
        self._origin = origin
        self._on_stored = on_stored
        self._on_deleted = on_deleted
        self._budget = RingBudget()
        self._state = threading.Condition()
        self._new: list[IncidentFeed] = []
        self._stopping = False
        self._collectors: list[Collector] = []
        self._tidy_s = 0.0
        self._mended = False
        self._lost: dict[Kind, Gone] = {}
        self.lost: Counter[str] = Counter()
        """What could not be written so far, by kind."""
        self.stored: Counter[str] = Counter()
        """Files that are whole, by kind."""
        self.stored_bytes = 0
        """What is kept on disk."""
        self.thread = LiveThread("evidence", self._run)

    def camera(self, camera: CameraSettings) -> CameraEvidence:
        """The part of one more camera, whose ring counts for as long as it is held."""
        span_s = self.settings.pre_roll_s + SLACK_S
        return CameraEvidence(self, camera, PacketRing(span_s, self._budget))

    def start(self) -> None:
        """Start collecting."""
        self.thread.start()

    def request_stop(self) -> None:
        """End what is being collected where it stands; returns at once."""
        with self._state:
            self._stopping = True
            self._state.notify()

    def stop(self, deadline: Deadline) -> None:
        """End what is being collected; gives up waiting at `deadline`."""
        self.request_stop()
        self.thread.join(deadline.left_s())

    def begin(self, feed: IncidentFeed) -> None:
        """Collect what `feed` tells; returns at once."""
        with self._state:
            if len(self._new) + len(self._collectors) >= MOST_AT_ONCE:
                refused = True
            else:
                refused = False
                self._new.append(feed)
                self._state.notify()
        if refused:
            self._on_lost(Kind.CLIP, "all evidence of an incident: too many at once", feed.incident)

    def trouble(self) -> list[str]:
        """What is missing of late, in sentences for people."""
        now_s = time.monotonic()
        return [
            f"evidence: {gone.what}"
            for gone in list(self._lost.values())
            if now_s - gone.at_s < RESTING_S
        ]

    def _run(self) -> None:
        while not self._wait():
            self._round(ending=False)
        self._round(ending=True)

    def _wait(self) -> bool:
        """Until something is to be done; whether it is time to end."""
        with self._state:
            if not self._new and not self._stopping:
                wait_s = ROUND_S if self._collectors else self._tidy_s - time.monotonic()
                self.thread.waiting()
                self._state.wait(max(0.0, wait_s))
                self.thread.beat()
            for feed in self._new:
                callbacks = CollectorCallbacks(self._count_stored, self._lost_of(feed.incident))
                self._collectors.append(
                    Collector(feed, self._folder, self.settings, self._origin, callbacks)
                )
            self._new.clear()
            return self._stopping

    def _round(self, *, ending: bool) -> None:
        for collector in list(self._collectors):
            self.thread.beat()
            if self._is_done(collector, ending=ending):
                self._collectors.remove(collector)
                self._tidy_s = min(self._tidy_s, time.monotonic() + TIDY_SOON_S)
        if not ending and time.monotonic() >= self._tidy_s:
            self._tidy_s = time.monotonic() + TIDY_S
            self._tidy()

    def _is_done(self, collector: Collector, *, ending: bool) -> bool:
        try:
            return collector.advance(time.monotonic(), ending=ending)
        except Exception:
            # One incident whose evidence cannot be collected must not cost the others theirs.
            incident = collector.feed.incident
            log.exception("evidence not collected", incident=str(incident.id))
            self._on_lost(Kind.CLIP, "the rest of it: an internal error; see the log", incident)
            return True

    def _tidy(self) -> None:
        busy = {collector.feed.incident.id for collector in self._collectors}
        try:
            if not self._mended:
                mend(self._folder, busy)
                self._mended = True
            found = [each for each in stored(self._folder) if each.incident not in busy]
            self.stored_bytes = sum(each.bytes for each in found)
            if not found:
                return
            stated_bytes = round(self.settings.max_gb * 1e9)
            most_bytes = room(self._folder, self.stored_bytes, stated_bytes)
            today = datetime.now(UTC).date()
            for each in list(expired(found, today, self.settings.days, most_bytes)):
                self.thread.beat()
                self._on_deleted(each.folder)
                delete(each.folder)
                log.info("evidence deleted", incident=str(each.incident), day=str(each.day))
                self.stored_bytes -= each.bytes
        except OSError as error:
            log.warning("evidence not tidied", folder=str(self._folder), reason=str(error))

    def _count_stored(self, file: EvidenceFile) -> None:
        self.stored[file.kind.value] += 1
        self.stored_bytes += file.bytes
        self._on_stored(file)

    def _lost_of(self, incident: Incident) -> Callable[[Kind, str], None]:
        return lambda kind, what: self._on_lost(kind, what, incident)

    def _on_lost(self, kind: Kind, what: str, incident: Incident) -> None:
        self.lost[kind.value] += 1
        self._lost[kind] = Gone(f"{incident.camera}: {what}", time.monotonic())
        log.warning("evidence lost", camera=incident.camera, incident=str(incident.id), what=what)
