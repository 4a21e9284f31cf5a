"""The picture of the rendered demo scenes: a yard under a lamp, drawn as a CCTV camera would.

Everything that stands still is painted once; a frame is a copy of it with shadows, figures
and sensor noise on top. Who is where is told by `detector.capture.demo.choreography`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from detector.capture.demo import bodies as fig

Canvas = NDArray[np.uint8]

WIDTH, HEIGHT = 640, 360
_FOCAL = 520.0  # pixels: a 63° lens
_EYE_M = 3.2  # the camera hangs so high,
_PITCH = math.radians(20)  # looking down so much
_WALL_M = 12.0
_LAMP = np.array([-1.6, 4.6, 6.5])  # the light that casts shadows, out of the picture
_SIN, _COS = math.sin(_PITCH), math.cos(_PITCH)
_SHIFT = 3  # fractional bits of OpenCV's drawing coordinates


def project(points: fig.Floats) -> tuple[fig.Floats, fig.Floats]:
    """Pixels [..., 2] and depths [...] in metres of points [..., 3]."""
    below, away = points[..., 1] - _EYE_M, points[..., 2]
    depth = np.maximum(away * _COS - below * _SIN, 0.3)
    x = WIDTH / 2 + _FOCAL * points[..., 0] / depth
    y = HEIGHT / 2 - _FOCAL * (below * _COS + away * _SIN) / depth
    return np.stack([x, y], -1), depth


def _cloud(rng: np.random.Generator, rows: int, columns: int) -> NDArray[np.float32]:
    """Soft noise [HEIGHT, WIDTH] of about −1…1 with blobs of the picture over rows × columns."""
    small = rng.uniform(-1, 1, (rows, columns)).astype(np.float32)
    return np.asarray(cv2.resize(small, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC))


@lru_cache(maxsize=1)
def background() -> Canvas:
    """The empty yard, [360, 640, 3] uint8 BGR."""
    rng = np.random.default_rng(7)
    v, u = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    right, down = (u - WIDTH / 2) / _FOCAL, (v - HEIGHT / 2) / _FOCAL
    # The ray through each pixel: away from the camera, and how far it sinks on its way.
    away, sinks = _COS - down * _SIN, _SIN + down * _COS
    on_ground = _EYE_M / np.maximum(sinks, 1e-3) * away < _WALL_M
    reach = np.where(on_ground, _EYE_M / np.maximum(sinks, 1e-3), _WALL_M / away)
    x, y, z = right * reach, np.where(on_ground, 0, _EYE_M - sinks * reach), away * reach

    grain = rng.normal(0, 1, (HEIGHT, WIDTH)).astype(np.float32)
    stain = _cloud(rng, 9, 16) + 0.6 * _cloud(rng, 27, 48)
    joint = (np.abs((z + 0.4) % 1.2 - 0.6) > 0.585) | (np.abs((x + 0.3) % 1.2 - 0.6) > 0.585)
    ground = 112 + 7 * stain + 4 * grain - 16 * joint
    ground = np.where(np.abs(z - 8.9) < 0.07, 168 + 5 * stain, ground)  # a parking line
    ground = np.where(z > _WALL_M - 0.9, 128 + 4 * stain - 22 * (z < _WALL_M - 0.8), ground)
    row = np.floor(y / 0.16)
    mortar = (y % 0.16 < 0.025) | ((x + 0.2 * (row % 2)) % 0.4 < 0.03)
    brick = np.floor((x + 0.2 * (row % 2)) / 0.4) * 57 + row * 131
    tone = rng.uniform(-9, 9, 4096)[brick.astype(int) % 4096]
    wall = 92 + tone + 5 * stain + 3 * grain + 14 * mortar
    door = (np.abs(x + 4.1) < 0.55) & (y < 2.15)
    wall = np.where((np.abs(x + 4.1) < 0.67) & (y < 2.27), 70, wall)
    wall = np.where(door, 52 + 10 * (np.abs(x + 4.1) < 0.38) * (np.abs(y - 1.5) < 0.4), wall)
    window = (np.abs(x - 4.4) < 0.85) & (np.abs(y - 1.75) < 0.6)
    bars = (np.abs(x - 4.4) < 0.04) | (np.abs(y - 1.75) < 0.04)
    wall = np.where(window, np.where(bars, 120, 38 + 22 * (x - 3.5)), wall)
    picture = np.where(on_ground, ground, wall)

    far = np.stack([x, y, z], -1) - _LAMP
    light = 0.78 + 0.8 / (1 + np.sum(far**2, -1) / 26)
    corners = 1 - 0.28 * (right**2 + down**2) / (right**2 + down**2).max()
    picture = picture * light * corners
    tinted = np.stack([picture * 1.03, picture, picture * 0.97], -1)
    canvas = np.clip(tinted, 0, 255).astype(np.uint8)
    _furnish(canvas)
    return np.asarray(cv2.GaussianBlur(canvas, (3, 3), 0.7))


def _furnish(canvas: Canvas) -> None:
    """A bin and a lit wall lamp with its glow."""
    bin_at = np.array([[3.4, 0.0, 11.4], [3.4, 0.85, 11.4]])
    ends = project(bin_at)[0]
    _capsule(canvas, ends[0], ends[1], 22.0, (62, 66, 60))
    _capsule(canvas, ends[1], ends[1] + [0, -1.0], 24.0, (80, 84, 80))
    lamp = project(np.array([-1.2, 2.7, _WALL_M - 0.1]))[0]
    glow = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    cv2.ellipse(glow, (int(lamp[0]), int(lamp[1]) + 26), (60, 44), 0, 0, 360, (42, 52, 58), -1)
    cv2.add(canvas, cv2.GaussianBlur(glow, (0, 0), 22), dst=canvas)
    half, lid = np.array([10.0, 0.0]), np.array([0.0, 5.0])
    _capsule(canvas, lamp - half, lamp + half, 6.0, (225, 240, 246))
    _capsule(canvas, lamp - half - lid, lamp + half - lid, 4.0, (50, 50, 50))


@lru_cache(maxsize=1)
def _noise() -> list[tuple[Canvas, Canvas]]:
    """Tiles of sensor noise, each as what it adds and what it takes away."""
    rng = np.random.default_rng(11)
    tiles = []
    for _ in range(6):
        grain = cv2.GaussianBlur(rng.normal(0, 3.2, (HEIGHT, WIDTH)), (3, 3), 0.6)
        three = np.repeat(grain[:, :, None], 3, 2)
        tiles.append((three.clip(0, 255).astype(np.uint8), (-three).clip(0, 255).astype(np.uint8)))
    return tiles


def add_noise(picture: Canvas, frame: int) -> Canvas:
    """`picture` with the sensor noise of frame number `frame`, in place."""
    more, less = _noise()[int(np.random.default_rng(frame).integers(6))]
    cv2.add(picture, more, dst=picture)
    return np.asarray(cv2.subtract(picture, less, dst=picture))


def _fixed(point: fig.Floats) -> tuple[int, int]:
    return int(point[0] * (1 << _SHIFT)), int(point[1] * (1 << _SHIFT))


def _capsule(
    canvas: Canvas, a: fig.Floats, b: fig.Floats, width: float, colour: Sequence[float] | float
) -> None:
    thickness = max(1, round(width))
    cv2.line(canvas, _fixed(a), _fixed(b), colour, thickness, cv2.LINE_8, _SHIFT)


def cast_shadows(canvas: Canvas, people: Sequence[fig.Floats]) -> None:
    """Darkens the ground where `people` (joints [17, 3] each) stand in the lamp's way."""
    mask = np.zeros((HEIGHT // 2, WIDTH // 2), np.uint8)
    limbs = (
        (fig.PELVIS, fig.NECK, 0.3), (fig.NECK, fig.HEAD, 0.2),
        (fig.HIP[0], fig.KNEE[0], 0.15), (fig.KNEE[0], fig.ANKLE[0], 0.12),
        (fig.HIP[1], fig.KNEE[1], 0.15), (fig.KNEE[1], fig.ANKLE[1], 0.12),
        (fig.SHOULDER[0], fig.HAND[0], 0.1), (fig.SHOULDER[1], fig.HAND[1], 0.1),
    )  # fmt: skip
    for joints in people:
        part = joints[:, 1:2] / (_LAMP[1] - joints[:, 1:2])
        spots = joints + (joints - _LAMP) * part
        spots[:, 1] = 0
        pixels, depth = project(spots)
        pixels, scale = pixels / 2, _FOCAL / 2 / depth[fig.PELVIS]
        for a, b, width in limbs:
            _capsule(mask, pixels[a], pixels[b], width * scale, 92)
    mask = np.asarray(cv2.blur(mask, (5, 5)))
    shade = cv2.resize(cv2.bitwise_not(mask), (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR)
    cv2.multiply(canvas, cv2.merge([shade, shade, shade]), dst=canvas, scale=1 / 255)


def _shade(grey: float, warmth: float = 0.0) -> tuple[int, int, int]:
    return (
        int(min(grey * (1 - warmth), 255)), int(min(grey, 255)),
        int(min(grey * (1 + warmth), 255)),
    )  # fmt: skip


def draw_people(canvas: Canvas, people: Sequence[tuple[fig.Look, fig.Floats]]) -> None:
    """Draws figures (look, joints [17, 3]) limb by limb, the furthest first."""
    if not people:
        return
    pixels, depths = project(np.stack([joints for _, joints in people]))
    parts: list[tuple[float, int, int]] = []
    for who in range(len(people)):
        depth = depths[who]
        trunk = float(depth[fig.PELVIS] + depth[fig.NECK]) / 2
        parts.append((-trunk, who, 0))
        parts.append((-float(depth[fig.HEAD]) + 0.05, who, 1))
        for k in (0, 1):
            # A limb lies beside the trunk: its root decides, its end only a little.
            leg = float(depth[fig.HIP[k]] * 0.7 + depth[fig.KNEE[k]] * 0.3)
            arm = float(depth[fig.SHOULDER[k]] * 0.5 + depth[fig.HAND[k]] * 0.5)
            parts.append((-leg - 0.02, who, 2 + k))
            parts.append((-arm, who, 4 + k))
    for _, who, part in sorted(parts):
        look, scale = people[who][0], _FOCAL / float(depths[who, fig.PELVIS])
        at = pixels[who]
        if part == 0:
            _trunk(canvas, look, at, scale)
        elif part == 1:
            _head(canvas, look, at, scale)
        elif part < 4:
            _leg(canvas, look, at, scale, part - 2)
        else:
            _arm(canvas, look, at, scale, part - 4)


def _trunk(canvas: Canvas, look: fig.Look, at: fig.Floats, scale: float) -> None:
    base, lit = _shade(look.top * 0.9), _shade(look.top + 3)
    left, right = at[fig.SHOULDER[0]], at[fig.SHOULDER[1]]
    corners = np.stack([left, right, at[fig.HIP[1]], at[fig.HIP[0]]])
    _capsule(canvas, at[fig.PELVIS], at[fig.NECK] + [0, 0.09 * scale], 0.24 * scale, base)
    cv2.fillConvexPoly(canvas, cv2.convexHull(np.round(corners).astype(np.int32)), base)
    _capsule(canvas, left, right, 0.13 * scale, base)
    # The side towards the lamp is lighter.
    outer = left if left[0] < right[0] else right
    low = at[fig.HIP[0]] if left[0] < right[0] else at[fig.HIP[1]]
    _capsule(canvas, outer + np.array([0, 0.06 * scale]), (outer + 2 * low) / 3, 0.09 * scale, lit)
    if look.stripe is not None:
        a, b = (corners[0] * 2 + corners[3]) / 3, (corners[1] * 2 + corners[2]) / 3
        _capsule(canvas, a, b, 0.08 * scale, _shade(look.stripe))
    _capsule(canvas, at[fig.HIP[0]], at[fig.HIP[1]], 0.17 * scale, _shade(look.trousers))


def _head(canvas: Canvas, look: fig.Look, at: fig.Floats, scale: float) -> None:
    head, neck = at[fig.HEAD], at[fig.NECK]
    _capsule(canvas, neck, head, 0.11 * scale, _shade(look.skin * 0.8, 0.1))
    _capsule(canvas, head + np.array([0, 0.03 * scale]), head, 0.17 * scale, _shade(look.skin, 0.1))
    # Hair covers the top and the back of the head: toes show where the front is.
    front = at[fig.TOE[0]] + at[fig.TOE[1]] - at[fig.ANKLE[0]] - at[fig.ANKLE[1]]
    front = front / (np.hypot(*front) + 1e-6) * 0.035 * scale
    _capsule(
        canvas, head - front - [0, 0.045 * scale], head - front * [1, 0.3], 0.16 * scale,
        _shade(look.hair),
    )  # fmt: skip


def _leg(canvas: Canvas, look: fig.Look, at: fig.Floats, scale: float, k: int) -> None:
    hip, knee, ankle, toe = (at[joint[k]] for joint in (fig.HIP, fig.KNEE, fig.ANKLE, fig.TOE))
    base, lit = _shade(look.trousers * 0.94), _shade(look.trousers * 1.06 + 5)
    _capsule(canvas, ankle, toe, 0.085 * scale, _shade(28))
    _capsule(canvas, knee, ankle, 0.115 * scale, base)
    _capsule(canvas, hip, knee, 0.16 * scale, base)
    aside = np.array([-0.035 * scale, 0])
    _capsule(canvas, hip + aside, knee + aside, 0.05 * scale, lit)
    _capsule(canvas, knee + aside * 0.7, ankle + aside * 0.7, 0.04 * scale, lit)


def _arm(canvas: Canvas, look: fig.Look, at: fig.Floats, scale: float, k: int) -> None:
    shoulder, elbow, hand = (at[joint[k]] for joint in (fig.SHOULDER, fig.ELBOW, fig.HAND))
    base, lit = _shade(look.top * 0.82), _shade(look.top * 0.96 + 3)
    _capsule(canvas, shoulder, elbow, 0.115 * scale, base)
    _capsule(canvas, elbow, hand, 0.09 * scale, base)
    aside = np.array([-0.02 * scale, -0.01 * scale])
    _capsule(canvas, shoulder + aside, elbow + aside, 0.05 * scale, lit)
    _capsule(canvas, hand, hand + (hand - elbow) * 0.2, 0.085 * scale, _shade(look.skin, 0.1))
