"""Rendered cameras `pattern://calm` and `pattern://scuffle`: a demo without hardware.

Figures walk through a yard; on `scuffle` two of them brawl once a minute. The pictures go
through the same pipeline as a camera's; nothing tells the detector what is on them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import get_args

import cv2
import numpy as np

from config.errors import StreamError
from detector.capture.demo.bodies import CYCLE_S, joints_at
from detector.capture.demo.choreography import SceneName, figures
from detector.capture.demo.yard import (
    HEIGHT,
    WIDTH,
    Canvas,
    add_noise,
    background,
    cast_shadows,
    draw_people,
    project,
)
from detector.capture.frames import ArrayFrame
from detector.capture.streams import Arrival, Wanted
from detector.motion.greys import grey_size
from detector.types import FrameHandle, Grey

FRAME_RATE_HZ = 25
_EXPOSURE_S = 1 / 60
_BLUR_SPEED = 2.5
"""A figure with a joint faster than so many metres a second is drawn with motion blur."""
_MARGIN = 40
"""Pixels beyond the picture's edge at which a figure's shadow and limbs can still show."""


def render(scene: SceneName, t_s: float) -> Canvas:
    """The picture of `scene` at `t_s` ≥ 0 seconds: [360, 640, 3] uint8 BGR, a pure function.

    About 2.5 ms on one core; the first picture of each minute takes 0.15 s.
    """
    cycle, within = divmod(t_s, CYCLE_S)
    people, earlier, shadows, swift = [], [], [], False
    for figure in figures(scene, int(cycle)):
        joints = joints_at(figure, within)
        x = project(joints)[0][:, 0]
        if x.max() < -_MARGIN or x.min() > WIDTH + _MARGIN:
            continue
        before = joints_at(figure, within - _EXPOSURE_S)
        swift = swift or bool(np.abs(joints - before).max() > _BLUR_SPEED * _EXPOSURE_S)
        people.append((figure.look, joints))
        earlier.append((figure.look, before))
        shadows.append(joints)
    canvas = background().copy()
    cast_shadows(canvas, shadows)
    if swift:
        blurred = canvas.copy()
        draw_people(blurred, earlier)
        draw_people(canvas, people)
        cv2.addWeighted(canvas, 0.5, blurred, 0.5, 0, dst=canvas)
    else:
        draw_people(canvas, people)
    canvas = np.asarray(cv2.GaussianBlur(canvas, (3, 3), 0.6), np.uint8)
    return add_noise(canvas, round(t_s * FRAME_RATE_HZ))


@dataclass(frozen=True, eq=False)
class PatternPicture:
    """One picture of a rendered camera, drawn when it is first asked for."""

    scene: SceneName
    pts_s: float
    arrived_s: float
    width = WIDTH
    height = HEIGHT

    @cached_property
    def handle(self) -> FrameHandle:
        """The picture by reference."""
        return ArrayFrame(self._canvas)

    def grey(self) -> Grey:
        """The small grey picture, [180, 320] uint8, area-averaged."""
        grey = cv2.cvtColor(self._canvas, cv2.COLOR_BGR2GRAY)
        small = cv2.resize(grey, grey_size(WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
        return np.asarray(small, np.uint8)

    @cached_property
    def _canvas(self) -> Canvas:
        return render(self.scene, self.pts_s)


class PatternStream:
    """An open rendered camera: 25 pictures a second in real time, its scene starting at 0 s.

    A reader that falls behind misses pictures, as with a camera. `close` may be called from
    another thread and ends a waiting `receive`.
    """

    codec = None
    template = None
    decode_errors = 0
    keeps_unread = False

    def __init__(self, name: str) -> None:
        """Open the scene `name`; raises StreamError where there is none of that name."""
        for scene in get_args(SceneName):
            if name == scene:
                self._scene: SceneName = scene
                break
        else:
            known = ", ".join(f"pattern://{scene}" for scene in get_args(SceneName))
            raise StreamError(f"pattern://{name}: no such rendered camera; there are {known}")
        self._closed = threading.Event()
        self._started_s = time.monotonic()
        self._number = -1
        self._picture: PatternPicture | None = None

    def receive(self) -> Arrival | None:
        """Wait for the next picture; None once closed."""
        elapsed_s = time.monotonic() - self._started_s
        self._number = max(self._number + 1, int(elapsed_s * FRAME_RATE_HZ))
        pts_s = self._number / FRAME_RATE_HZ
        if self._closed.wait(max(0.0, pts_s - elapsed_s)):
            return None
        now_s = time.monotonic()
        self._picture = PatternPicture(self._scene, pts_s, now_s)
        return Arrival(now_s, WIDTH * HEIGHT * 3, fresh=True)

    def pictures(self, wanted: Wanted | None = None) -> Iterator[PatternPicture]:
        """The newest picture, once."""
        if self._picture:
            picture = self._picture
            self._picture = None
            yield picture

    def close(self) -> None:
        """End the stream."""
        self._closed.set()
