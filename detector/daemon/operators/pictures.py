"""The newest picture of a camera as JPEG, for whoever looks, without waking the camera.

While the camera is awake that is its newest sample. One that sleeps is received and not decoded:
its last key frame is then decoded here, and its own decoder, gate and samples know nothing of it.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import datetime

from detector.capture.frames import AvFrame
from detector.capture.kept.ring import KeptPacket, PacketRing
from detector.capture.kept.still import still
from detector.capture.sampler import utc_at
from detector.console.monitor import Picture
from detector.motion.greys import fitted_size
from detector.motion.snapshot import SNAPSHOT_SIDE, snapshot
from detector.types import FrameHandle, Sample

EVERY_S = 0.8
"""The picture is another one at most so often: ten viewers out of step cost as much as one."""

FRESH_S = 1.0
"""A camera whose newest sample is older sleeps, or gives none."""

UNSEEN_S = 10.0
"""What nobody has asked for in so long is let go of."""


@dataclass(slots=True)
class _Shown:
    """What is shown: a decoded frame, or a key frame to be decoded once it is asked for."""

    number: int
    at: datetime
    chosen_s: float
    frame: FrameHandle | None
    key: KeptPacket | None
    jpegs: dict[int, bytes] = field(default_factory=dict)


class LatestPicture:
    """One camera's. Safe from any thread; instants are monotonic seconds.

    `ring`: where its packets are kept, None where none are: then the newest sample is shown,
    however old it is.
    """

    def __init__(self, ring: PacketRing | None) -> None:
        self._ring = ring
        self._lock = threading.Lock()
        self._shown: _Shown | None = None
        self._asked_s = 0.0

    def which(self, sample: Sample | None, now_s: float) -> tuple[int, datetime] | None:
        """Number and time of what `jpeg` gives now; decodes nothing."""
        with self._lock:
            shown = self._choose(sample, now_s)
            return (shown.number, shown.at) if shown else None

    def jpeg(self, sample: Sample | None, max_side: int, now_s: float) -> Picture | None:
        """The newest picture, longer side at most `max_side` pixels; None where there is none.

        `sample`: the camera's newest.
        """
        with self._lock:
            shown = self._choose(sample, now_s)
            if shown is None:
                return None
            if max_side not in shown.jpegs:
                frame = _frame(shown, sample)
                if frame is None:
                    return None
                shown.jpegs[max_side] = snapshot(frame, None, max_side)
            return Picture(shown.jpegs[max_side], shown.at, shown.number)

    def forget(self, now_s: float) -> None:
        """Let go of what nobody looks at any more; waits for nobody who looks."""
        if self._shown and now_s - self._asked_s > UNSEEN_S and self._lock.acquire(blocking=False):
            self._shown = None
            self._lock.release()

    def _choose(self, sample: Sample | None, now_s: float) -> _Shown | None:
        self._asked_s = now_s
        shown = self._shown
        if shown and now_s - shown.chosen_s < EVERY_S:
            return shown
        newest = self._newest(sample, now_s)
        if newest and not (shown and shown.number == newest.number):
            self._shown = newest
        return self._shown

    def _newest(self, sample: Sample | None, now_s: float) -> _Shown | None:
        sampled_s = sample.at_s if sample and sample.frame else float("-inf")
        if self._ring and now_s - sampled_s > FRESH_S:
            key = self._ring.begin(now_s)
            if key and key.arrived_s > sampled_s:
                at = utc_at(key.arrived_s)
                return _Shown(round(key.arrived_s * 1000), at, now_s, None, key)
        if sample is None or sample.frame is None:
            return None
        return _Shown(round(sampled_s * 1000), sample.utc, now_s, sample.frame, None)


def _frame(shown: _Shown, sample: Sample | None) -> FrameHandle | None:
    """The frame that is shown. A key frame that cannot be decoded gives way to the newest sample.

    It is decoded once, and kept no larger than it is ever shown.
    """
    if shown.key is not None:
        decoded = still(shown.key)
        shown.key = None
        newest = sample.frame if sample else None
        shown.frame = newest
        if decoded is not None:
            width, height = fitted_size(decoded.width, decoded.height, SNAPSHOT_SIDE)
            if width < decoded.width:
                decoded = decoded.reformat(width, height, threads=1)
            turned = newest.orientation if isinstance(newest, AvFrame) else None
            shown.frame = AvFrame(decoded, turned)
    return shown.frame
