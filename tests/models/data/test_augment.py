"""Augmented views are views still: of the same shape and range, drawn by the seed alone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from models.data import augment

View = NDArray[np.float32]

TRANSFORMS: dict[str, Callable[[View], View]] = {
    "mirrored": augment.mirrored,
    "reversed in time": augment.reversed_in_time,
    "moved": lambda view: augment.moved(view, 1.2, -7, (5, -8)),
    "paced": lambda view: augment.paced(view, 1.4),
    "amplified": lambda view: augment.amplified(view, 1.6),
    "darkened": lambda view: augment.darkened(view, 0.3),
    "blurred": lambda view: augment.blurred(view, 1.0),
    "compressed": lambda view: augment.compressed(view, 40),
}


@pytest.fixture
def view() -> View:
    """A block that moves to the right, on a scene that does not."""
    found = np.zeros((96, 96, 3), np.float32)
    for moment, left in enumerate((20, 30, 40)):
        found[30:60, left : left + 12, moment] = 0.8
        found[30:60, left + 30 : left + 36, moment] = -0.6
    return found


@pytest.mark.parametrize("name", TRANSFORMS)
def test_a_view_stays_a_view_and_the_given_one_as_it_was(name: str, view: View) -> None:
    before = view.copy()
    found = TRANSFORMS[name](view)
    assert found.shape == view.shape
    assert found.dtype == np.float32
    assert np.abs(found).max() <= 1
    assert not np.array_equal(found, view)
    assert np.array_equal(view, before)


@pytest.mark.parametrize("name", TRANSFORMS)
def test_a_still_view_stays_still(name: str) -> None:
    assert not TRANSFORMS[name](np.zeros((96, 96, 3), np.float32)).any()


def test_mirroring_and_reversal_undo_themselves(view: View) -> None:
    assert np.array_equal(augment.mirrored(augment.mirrored(view)), view)
    assert np.array_equal(augment.reversed_in_time(view)[..., 0], view[..., 2])


def test_moving_by_nothing_changes_nothing(view: View) -> None:
    np.testing.assert_allclose(augment.moved(view, 1.0, 0.0, (0, 0)), view, atol=1e-6)
    shifted = augment.moved(view, 1.0, 0.0, (8, 0))
    np.testing.assert_allclose(shifted[:, 8:], view[:, :-8], atol=1e-6)


def test_speed_moves_the_outer_moments_away_from_the_middle(view: View) -> None:
    small = view / 4
    fast = augment.paced(small, 2.0)
    np.testing.assert_array_equal(fast[..., 1], small[..., 1])
    np.testing.assert_allclose(fast - fast[..., 1:2], 2 * (small - small[..., 1:2]), atol=1e-6)


def test_darkness_leaves_whole_grey_levels(view: View) -> None:
    levels = augment.darkened(view, 0.3) / augment.GREY_LEVEL
    np.testing.assert_allclose(levels, np.round(levels), atol=1e-4)


def test_compression_changes_little(view: View) -> None:
    assert 0 < np.abs(augment.compressed(view, 70) - view).mean() < 0.05


def test_the_draw_depends_on_the_seed_alone(view: View) -> None:
    views = np.stack([view] * 12)
    first, again, other = (
        augment.augmented(views, np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    assert first.shape == views.shape
    assert first.dtype == np.float32
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert len({own.tobytes() for own in first}) == 12
    assert np.abs(first).max() <= 1
