"""The cumulative sum: quick where packets rise, slow where they fall, silent where they wander."""

from __future__ import annotations

import numpy as np
import pytest

from detector.capture.idle.cusum import Cusum


def alarms(*excesses: float) -> tuple[bool, bool]:
    """Whether packets so many deviations above the floor alarm: risen, fallen."""
    cusum = Cusum()
    for excess in excesses:
        cusum.add(excess)
    return cusum.risen, cusum.fallen


@pytest.mark.parametrize(
    ("excesses", "risen"),
    [([9], True), ([8], False), ([4, 4], False), ([4, 4, 4], True), ([1] * 100, False)],
)
def test_one_large_packet_or_some_larger_ones_alarm(excesses: list[float], risen: bool) -> None:
    assert alarms(*excesses) == (risen, False)


def test_one_huge_packet_is_worth_no_more_than_a_large_one() -> None:
    cusum = Cusum()
    cusum.add(1e6)
    cusum.add(0)
    cusum.add(0)
    assert not cusum.risen


def test_smaller_packets_alarm_after_four_times_as_long() -> None:
    assert alarms(*[-5] * 7) == (False, False)
    assert alarms(*[-5] * 8) == (False, True)


def test_noise_does_not_alarm() -> None:
    assert alarms(*np.random.default_rng(3).standard_normal(100_000)) == (False, False)


def test_halfway_to_an_alarm_is_told_and_forgotten() -> None:
    cusum = Cusum()
    cusum.add(5)
    assert cusum.rising
    cusum.reset()
    assert not cusum.rising
