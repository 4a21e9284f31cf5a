"""The floor of noise: what still GOPs have in common, and when they have nothing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from detector.capture.idle.floor import GOPS_TO_LEARN, FloorLearner

PIXELS = 1280 * 720


def learnt(gops: Sequence[Sequence[float]], *, awake: bool = True) -> FloorLearner:
    learner = FloorLearner()
    learner.pixels = PIXELS
    for gop in gops:
        feed(learner, gop)
        learner.learn(awake=awake)
    return learner


def feed(learner: FloorLearner, gop: Sequence[float]) -> bool:
    """Whether its key frame shows another picture."""
    other = learner.begin_gop(round(gop[0]))
    for size in gop[1:]:
        learner.add(round(size))
    return other


def noisy(*gop: float, times: int = 8) -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    return [np.array(gop) * (1 + 0.003 * rng.standard_normal(len(gop))) for _ in range(times)]


def test_a_floor_stands_on_several_gops() -> None:
    gops = noisy(80_000, 900, 700, 500)
    assert learnt(gops[: GOPS_TO_LEARN - 1]).floor is None
    assert learnt(gops[:GOPS_TO_LEARN]).floor is not None


def test_each_position_of_a_gop_has_a_floor_of_its_own() -> None:
    learner = learnt(noisy(80_000, 900, 700, 500))
    assert learner.floor is not None
    assert learner.floor.sizes == pytest.approx([900, 700, 500], rel=0.02)
    feed(learner, [80_000, 900])
    assert abs(learner.excess() or 0.0) < 1
    feed(learner, [80_000, 900, 1900])
    assert (learner.excess() or 0.0) > 9


def test_a_gop_that_is_longer_than_those_known_has_no_floor() -> None:
    learner = learnt(noisy(80_000, 900, 700, 500))
    feed(learner, [80_000, 900, 700, 500, 500])
    assert learner.excess() is None


def test_a_key_frame_of_another_size_shows_another_picture() -> None:
    learner = learnt(noisy(80_000, 900, 700, 500))
    assert not feed(learner, [84_000, 900])
    assert feed(learner, [90_000, 900])
    assert feed(learner, [70_000, 900])


def test_gops_of_another_length_start_it_over() -> None:
    learner = learnt(noisy(80_000, 900, 700, 500))
    feed(learner, [80_000, 900, 700])
    assert not learner.learn(awake=True)
    feed(learner, [80_000, 900, 700])
    assert learner.learn(awake=True)


def test_motion_does_not_stand_out_of_sizes_that_wander() -> None:
    rng = np.random.default_rng(2)
    calm, wandering = (
        learnt([[80_000, *(2000 + spread * rng.standard_normal(20))] for _ in range(8)])
        for spread in (50, 800)
    )
    assert calm.floor is not None
    assert wandering.floor is not None
    assert calm.stands_out(calm.floor)
    assert not wandering.stands_out(wandering.floor)


def test_a_floor_that_crept_up_while_undecoded_is_forgotten() -> None:
    learner = learnt(noisy(80_000, 900, 700, 500))
    for gop in noisy(80_000, 1800, 1400, 1000, times=12):
        feed(learner, gop)
        learner.learn(awake=False)
        if learner.floor is None:
            return
    pytest.fail("it was kept")
