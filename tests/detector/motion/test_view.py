"""The motion view against a slow, plain reading of the recipe, and what an operator notices."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from detector.motion.view import (
    GREYS_PER_VIEW,
    VIEW_RECIPE,
    MotionTracker,
    Polygon,
    median_of_five,
)
from detector.types import Box, Grey, MotionView, Sample

START = datetime(2026, 1, 1, tzinfo=UTC)


def samples(greys: list[Grey], start_s: float = 0.0, step_s: float = 0.125) -> list[Sample]:
    times = [start_s + i * step_s for i in range(len(greys))]
    return [
        Sample("yard", START + timedelta(seconds=t), t, t, grey)
        for t, grey in zip(times, greys, strict=True)
    ]


def walk(
    size: tuple[int, int] = (320, 180),
    *,
    count: int = 10,
    start: tuple[float, float] = (0.1, 0.4),
    step: float = 0.02,
    noise: float = 1.0,
    square: float = 0.2,
) -> list[Grey]:
    """A bright square walking to the right over a textured scene, with sensor noise."""
    width, height = size
    rng = np.random.default_rng(7)
    coarse = rng.integers(40, 160, (6, 10), dtype=np.uint8)
    scene = cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC)
    side = round(square * min(size))
    greys = []
    for i in range(count):
        picture = scene.astype(np.float64)
        x, y = round((start[0] + i * step) * width), round(start[1] * height)
        picture[y : y + side, x : x + side] = 230
        picture += rng.normal(0, noise, picture.shape)
        greys.append(np.clip(np.round(picture), 0, 255).astype(np.uint8))
    return greys


def views(greys: list[Grey], tracker: MotionTracker | None = None) -> list[MotionView]:
    tracker = tracker or MotionTracker()
    return [view for sample in samples(greys) if (view := tracker.view_of(sample))]


def centre(box: Box) -> tuple[float, float]:
    return box.left + box.width / 2, box.top + box.height / 2


def plain_view(greys: list[Grey]) -> tuple[NDArray[np.float32], tuple[int, int, int]]:
    """The recipe in plain words: np.median, every window summed by itself, sorted for the gain."""
    scene = np.median(np.stack(greys), axis=0)
    difference = np.stack([grey - scene for grey in greys[1:4]], axis=-1).astype(np.float32)
    energy = cv2.blur(np.abs(difference).max(axis=-1), (5, 5)) - 4
    energy[energy < 0] = 0
    height, width = energy.shape
    best, found = (0, 0, 0), -1.0
    for share in (0.35, 0.5, 0.75, 1.0):
        side = round(share * min(height, width))
        for y in range(0, height - side + 1, max(1, side // 8)):
            for x in range(0, width - side + 1, max(1, side // 8)):
                moving = np.minimum(energy[y : y + side, x : x + side], 10)
                score = moving.sum(dtype=np.float64) / side**1.2
                if score > found + 1e-6:
                    best, found = (x, y, side), score
    x, y, side = best
    how = cv2.INTER_AREA if side > 96 else cv2.INTER_LINEAR
    crop = cv2.resize(difference[y : y + side, x : x + side], (96, 96), interpolation=how)
    strengths = np.sort(np.clip(np.rint(4 * np.abs(crop)), 0, 255), axis=None) / 4
    strength = strengths[math.ceil(0.98 * strengths.size) - 1]
    gain = np.clip(0.5 * 127.5 / max(strength, 0.25), 1, 12)
    return np.clip(crop * np.float32(gain / 127.5), -1, 1), best


def test_median_is_the_median() -> None:
    greys = np.random.default_rng(1).integers(0, 256, (5, 37, 41), dtype=np.uint8)
    assert np.array_equal(median_of_five(*greys), np.median(greys, axis=0))


@pytest.mark.parametrize("square", [0.2, 0.8])  # small windows are enlarged, large ones averaged
@pytest.mark.parametrize(
    "size",
    [
        *((320, 180), (180, 320), (24, 24)),
        *(pytest.param(more, marks=pytest.mark.slow) for more in ((320, 240), (96, 64))),
        *(pytest.param(more, marks=pytest.mark.slow) for more in ((64, 96), (320, 158))),
    ],
)
def test_view_follows_the_recipe(size: tuple[int, int], square: float) -> None:
    greys = walk(size, square=square, start=(0.1, 0.1))
    seen = views(greys)
    assert len(seen) == len(greys) - 4
    for i, view in enumerate(seen):
        pixels, (x, y, side) = plain_view(greys[i : i + GREYS_PER_VIEW])
        assert view.moving
        assert view.pixels.shape == (96, 96, 3)
        assert view.pixels.dtype == np.float32
        np.testing.assert_allclose(view.pixels, pixels, atol=1e-5)
        width, height = size
        expected = (x / width, y / height, side / width, side / height)
        assert (view.box.left, view.box.top, view.box.width, view.box.height) == expected


def test_faint_motion_looks_like_stark_motion() -> None:
    def faded(by: int) -> list[Grey]:
        return [(100 + (g.astype(np.int16) - 100) // by).astype(np.uint8) for g in walk(noise=0.0)]

    for stark, faint in zip(views(faded(3)), views(faded(9)), strict=True):
        assert stark.moving
        assert faint.moving
        assert 0.8 < float(faint.pixels.std() / stark.pixels.std()) < 1.25


def test_a_bright_light_does_not_draw_the_view_from_what_moves_more() -> None:
    people = walk((320, 180), square=0.3, start=(0.1, 0.1), step=0.02)
    for number, grey in enumerate(people):
        grey[150:158, 300:308] = 255 if number % 2 else 0
    for view in views(people):
        assert view.box.left < 0.5


def test_view_is_dated_as_its_newest_sample() -> None:
    pushed = samples(walk())
    tracker = MotionTracker()
    for i, sample in enumerate(pushed):
        view = tracker.view_of(sample)
        assert (view is None) == (i < 4)
        if view:
            assert (view.camera, view.utc) == ("yard", sample.utc)


def test_noise_alone_does_not_move() -> None:
    still = walk(step=0.0, noise=3.0, count=40)
    for view in views(still):
        assert not view.moving
        assert not view.pixels.any()
        assert view.pixels.shape == (96, 96, 3)


def test_box_lies_around_what_moves() -> None:
    for view in views(walk(start=(0.7, 0.6), step=0.01)):
        x, y = centre(view.box)
        assert abs(x - 0.78) < 0.12
        assert abs(y - 0.7) < 0.2
        assert view.box.height == pytest.approx(0.35)


def test_ignored_motion_is_not_seen() -> None:
    right: Polygon = [(0.5, 0.0), (1.0, 0.0), (1.0, 1.0), (0.5, 1.0)]
    assert not any(v.moving for v in views(walk(start=(0.6, 0.4)), MotionTracker(ignore=[right])))
    assert all(v.moving for v in views(walk(start=(0.1, 0.4)), MotionTracker(ignore=[right])))


def test_only_watched_motion_is_seen() -> None:
    left: Polygon = [(0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0)]
    assert not any(v.moving for v in views(walk(start=(0.6, 0.4)), MotionTracker(watch=[left])))
    assert all(v.moving for v in views(walk(start=(0.1, 0.4)), MotionTracker(watch=[left])))


def test_watched_and_ignored_overlap_is_ignored() -> None:
    everywhere: Polygon = [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)]
    tracker = MotionTracker(watch=[everywhere], ignore=[everywhere])
    assert not any(v.moving for v in views(walk(), tracker))


def test_ignored_pixels_inside_the_crop_are_blank() -> None:
    # what is ignored covers the lower half of the walking square
    below: Polygon = [(0.0, 0.5), (1.0, 0.5), (1.0, 1.0), (0.0, 1.0)]
    for view in views(walk(), MotionTracker(ignore=[below])):
        assert view.moving
        border = round((0.5 - view.box.top) / view.box.height * 96)
        assert view.pixels[:border].any()
        assert not view.pixels[border + 2 :].any()


def test_another_size_starts_anew() -> None:
    tracker = MotionTracker()
    assert len(views(walk((320, 180)), tracker)) == 6
    late = samples(walk((160, 120)), start_s=10 * 0.125)
    seen = [tracker.view_of(sample) for sample in late]
    assert [view is None for view in seen] == [True] * 4 + [False] * 6


@pytest.mark.parametrize(("start_s", "anew"), [(1.5, False), (1.7, True), (0.2, True)])
def test_a_gap_or_time_running_backwards_starts_anew(start_s: float, anew: bool) -> None:
    tracker = MotionTracker()
    views(walk(), tracker)  # the last one stands at 1.125 s
    first = tracker.view_of(samples(walk(), start_s=start_s)[0])
    assert (first is None) == anew


def test_recipe_has_name_and_version() -> None:
    assert VIEW_RECIPE["name"]
    assert VIEW_RECIPE["version"]
