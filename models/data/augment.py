"""Motion views made anew: as another camera, another day or another fight would show them.

A view is differences from the scene at three moments, so nothing of a colour or a background
can be changed; what can is where the camera hangs, which way people move and how fast, the
light, and what the sensor and the encoder did. Each transform is a function of one view
[96, 96, 3] float32 in −1…1; a still view stays still under all but noise. `augmented` draws
them. Two are approximations, because a view no longer holds its greys: speed scales what the
outer moments differ by from the middle one, and darkness shrinks differences and rounds them
to the few grey levels that are left.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from detector.inference.engine import Floats
from detector.motion.view import VIEW_SIDE

VERSION = 1
"""Raise it whenever `augmented` gives other views for the same seed: copies are cached."""

ZOOM = (0.8, 1.25)
TURN_DEG = (-8.0, 8.0)
SHIFT_PX = (-8.0, 8.0)
SPEED = (0.7, 1.4)
GAIN = (0.6, 1.6)
NOISE = (0.0, 0.03)
"""Standard deviation: 0.03 is two grey levels of the picture."""

BLUR_PX = (0.3, 1.2)
DARKNESS = (0.2, 0.5)
QUALITY = (25, 80)
"""Of JPEG, which as H.264 works on 8×8 blocks."""

GREY_LEVEL = 2.0 / 127.5
"""One grey level of the picture, in a view."""


def mirrored(view: Floats) -> Floats:
    """Left is right: as from the other side of the street."""
    return view[:, ::-1]


def reversed_in_time(view: Floats) -> Floats:
    """The last moment first."""
    return view[..., ::-1]


def moved(view: Floats, zoom: float, turn_deg: float, shift: tuple[float, float]) -> Floats:
    """Zoomed, turned and cropped elsewhere in one step, for each would blur; no motion outside."""
    middle = (VIEW_SIDE - 1) / 2
    matrix = cv2.getRotationMatrix2D((middle, middle), turn_deg, zoom)
    matrix[:, 2] += np.array(shift)
    found = cv2.warpAffine(np.ascontiguousarray(view), matrix, (VIEW_SIDE, VIEW_SIDE))
    return np.asarray(found, np.float32)


def paced(view: Floats, speed: float) -> Floats:
    """As if everything moved `speed` times as fast, roughly."""
    middle = view[..., 1:2]
    return np.asarray(np.clip(middle + speed * (view - middle), -1, 1), np.float32)


def amplified(view: Floats, gain: float) -> Floats:
    """More or less contrast between people and scene."""
    return np.asarray(np.clip(gain * view, -1, 1), np.float32)


def darkened(view: Floats, share: float) -> Floats:
    """`share` of the light: smaller differences, of which only whole grey levels are left."""
    return np.asarray(np.round(share * view / GREY_LEVEL) * GREY_LEVEL, np.float32)


def blurred(view: Floats, sigma_px: float) -> Floats:
    """A lens out of focus, a wet dome."""
    return np.asarray(cv2.GaussianBlur(np.ascontiguousarray(view), (0, 0), sigma_px), np.float32)


def noisy(view: Floats, deviation: float, rng: np.random.Generator) -> Floats:
    """A sensor at night."""
    grain = rng.standard_normal(view.shape, np.float32)
    return np.asarray(np.clip(view + np.float32(deviation) * grain, -1, 1), np.float32)


def compressed(view: Floats, quality: int) -> Floats:
    """What an encoder leaves: JPEG of the moments side by side, around middle grey."""
    pictures = np.hstack(np.split(view, 3, axis=2))[..., 0] * 127.5 / 2 + 128
    _, coded = cv2.imencode(".jpg", np.round(pictures).astype(np.uint8), [1, quality])
    found = np.asarray(cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE), np.float32)
    moments = np.stack(np.split((found - 128) * 2 / 127.5, 3, axis=1), axis=2)
    return np.asarray(np.clip(moments, -1, 1), np.float32)


def augmented(views: NDArray[np.float32], rng: np.random.Generator) -> Floats:
    """Every one of `views` [n, 96, 96, 3] made anew with its own draw; the same shape."""
    return np.stack([_drawn(view, rng) for view in views]) if len(views) else views


def _drawn(view: Floats, rng: np.random.Generator) -> Floats:
    if rng.random() < 0.5:
        view = mirrored(view)
    if rng.random() < 0.5:
        view = reversed_in_time(view)
    if rng.random() < 0.8:
        shift = (rng.uniform(*SHIFT_PX), rng.uniform(*SHIFT_PX))
        view = moved(view, rng.uniform(*ZOOM), rng.uniform(*TURN_DEG), shift)
    if rng.random() < 0.3:
        view = paced(view, rng.uniform(*SPEED))
    if rng.random() < 0.8:
        view = amplified(view, rng.uniform(*GAIN))
    if rng.random() < 0.3:
        view = blurred(view, rng.uniform(*BLUR_PX))
    if rng.random() < 0.1:
        view = darkened(view, rng.uniform(*DARKNESS))
    if rng.random() < 0.3:
        view = noisy(view, rng.uniform(*NOISE), rng)
    if rng.random() < 0.3:
        view = compressed(view, int(rng.integers(*QUALITY)))
    return np.ascontiguousarray(view, np.float32)
