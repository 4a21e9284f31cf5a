"""What detection tells of one incident while its evidence is collected: in memory, never waits."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from config.settings import CameraSettings
from detector.capture.kept.ring import PacketRing
from detector.types import Box, FrameHandle, Incident, Phase, Sample, Score

STILLS: Final = ("first", "peak", "latest")
"""The picture that opened it, that of the highest smoothed score, the newest."""

MOST_SCORES = 5000
"""Ten minutes of 8 a second."""


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """A picture by reference, and where in it something moved."""

    frame: FrameHandle
    box: Box | None


class IncidentFeed:
    """One incident; detection's threads tell it, the evidence thread asks."""

    def __init__(
        self, incident: Incident, camera: CameraSettings, ring: PacketRing, opened_s: float
    ) -> None:
        """`opened_s`: when it opened, monotonic."""
        self.camera = camera
        self.ring = ring
        self.opened_s = opened_s
        self._lock = threading.Lock()
        self._incident = incident
        self._reason: str | None = None
        self._peak = 0.0
        self._seen: dict[str, Seen] = {}
        self._scores: list[tuple[Score, Box | None]] = []

    @property
    def incident(self) -> Incident:
        """As it stands."""
        return self._incident

    @property
    def reason(self) -> str | None:
        """Why it closed, where that is not plain quiet."""
        return self._reason

    @property
    def closed(self) -> bool:
        """Whether it is over."""
        return self._incident.phase is Phase.CLOSED

    @property
    def ended_s(self) -> float:
        """When it was last seen, monotonic."""
        return self.opened_s + self._incident.duration_s

    def utc(self, at_s: float) -> datetime:
        """The instant `at_s` (monotonic), by the wall clock as it was when the incident opened."""
        opened_at = self._incident.opened_at.astimezone(UTC)
        return opened_at + timedelta(seconds=at_s - self.opened_s)

    def changed(self, incident: Incident, reason: str | None) -> None:
        """It was updated or has closed."""
        with self._lock:
            self._incident = incident
            self._reason = reason

    def saw(self, scores: Iterable[Score], sample: Sample | None, box: Box | None) -> None:
        """A picture of it and its scores; the first one is what it opened on."""
        if sample is None or sample.frame is None:
            return
        seen = Seen(sample.frame, box)
        with self._lock:
            smoothed = max(s.smoothed for s in scores if s.label == self._incident.label)
            if not self._peak:
                self._seen["first"] = seen
            if smoothed > self._peak:
                self._peak = smoothed
                self._seen["peak"] = seen
            self._seen["latest"] = seen

    def scored(self, scores: Iterable[Score], box: Box | None) -> None:
        """A sample's scores, in order of time; also from before it opened and after it closed."""
        with self._lock:
            if len(self._scores) < MOST_SCORES:
                own = [score for score in scores if score.label == self._incident.label]
                self._scores += [(score, box) for score in own]

    def take(self, still: str) -> Seen | None:
        """The newest picture for `still`, one of `STILLS`, if it was not taken before."""
        with self._lock:
            return self._seen.pop(still, None)

    def scores(self) -> list[tuple[Score, Box | None]]:
        """All scores of its label so far, each with the place that was scored."""
        with self._lock:
            return list(self._scores)
