"""The values that flow through the detector, one way: sample, view, score, incident.

Later stages know the earlier ones only by these. Instants come twice: as seconds of the
machine's monotonic clock (`…_s`; of a recording, seconds into it), which are compared, and as UTC
`datetime`s (aware), which are shown: the wall clock may be set at any moment.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE_HZ = 8.0
"""Greys a second that the view recipe is defined on; every frame is decoded all the same."""

Grey = NDArray[np.uint8]
"""A grey picture, [h, w] uint8."""


@dataclass(frozen=True, slots=True)
class Square:
    """A square inside a picture, pixels."""

    left: int
    top: int
    side: int


class FrameHandle(Protocol):
    """A decoded frame kept by reference; converting it costs, keeping it does not."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, pixels."""

    def bgr(self, max_side: int) -> NDArray[np.uint8]:
        """The picture as [h, w, 3] uint8 BGR, longer side at most `max_side` pixels."""

    def rgb_square(self, square: Square, side: int) -> NDArray[np.uint8]:
        """What lies in `square`, brought to [side, side, 3] uint8 RGB."""


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One sampled frame of a stream.

    `grey`: longer side `GREY_SIDE` (320), area-averaged, in the stream's own aspect.
    `utc`: when it was taken. `monotonic_s`: when its packet arrived. `pts_s`: seconds since the
    stream's first frame, monotonic within one connection. `lag_s`: how much later than the least
    delayed one it arrived.
    """

    camera: str
    utc: datetime
    monotonic_s: float
    pts_s: float
    grey: Grey
    frame: FrameHandle | None = None
    lag_s: float = 0.0

    @property
    def at_s(self) -> float:
        """When it was taken, on the monotonic clock."""
        return self.monotonic_s - self.lag_s


@dataclass(frozen=True, slots=True)
class Box:
    """A square or rectangle in coordinates relative to the picture (0…1)."""

    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True, slots=True, eq=False)
class MotionView:
    """What the network sees of a sample: the moving part, scene removed.

    `pixels`: [96, 96, 3] float32 in −1…1; all zero where `moving` is False.
    `box`: where the crop lies in the picture.
    """

    camera: str
    utc: datetime
    pixels: NDArray[Any]
    box: Box
    moving: bool


@dataclass(frozen=True, slots=True)
class Score:
    """One calibrated probability (0…1) for one label, and its smoothed value.

    `fused`: what the second look makes of it (`detector.incidents.second_look`), None where there
    is none. `verified`: whether that has looked.
    """

    camera: str
    at_s: float
    utc: datetime
    label: str
    probability: float
    smoothed: float
    fused: float | None = None
    verified: bool = False

    @property
    def decisive(self) -> float:
        """What an incident stands on."""
        return self.smoothed if self.fused is None else self.fused


class Phase(StrEnum):
    """Where an incident stands."""

    OPENED = "opened"
    UPDATED = "updated"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Incident:
    """One fight (or other label) on one camera: opened once, updated, closed once.

    `peak`: highest probability so far that it stood on. `closed_at` is None until closed.
    `duration_s`: from its opening to now or, once closed, to its last high score; whatever the
    wall clock did. `verified`: whether the second look has seen it, None where that is not known.
    """

    id: UUID
    camera: str
    label: str
    opened_at: datetime
    closed_at: datetime | None
    peak: float
    phase: Phase
    duration_s: float = 0.0
    verified: bool | None = None


class CameraState(StrEnum):
    """What a camera is doing, as operators and metrics see it.

    `UNWATCHED`: pictures come, but hardly one can be scored.
    """

    CONNECTING = "connecting"
    LIVE = "live"
    UNWATCHED = "unwatched"
    STALLED = "stalled"
    UNAUTHORISED = "unauthorised"
    OFFLINE = "offline"


@dataclass(frozen=True, slots=True)
class Claim:
    """A box's turn at a camera; of two, the one with the larger `epoch` is the newer."""

    box: str
    epoch: int
