"""Which pictures become samples: eight a second of arrival, whatever the camera's clock claims."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from detector.capture.frames import ArrayFrame
from detector.capture.sampler import Sampler
from detector.capture.streams import Arrival
from detector.types import Grey, Sample

CHANCE = random.Random(1)
BLANK = np.zeros((4, 4), np.uint8)
FRAME = ArrayFrame(BLANK)


class Counts:
    """An observer that counts."""

    def __init__(self) -> None:
        self.total: Counter[str] = Counter()

    def connecting(self, camera: str) -> None: ...
    def packet(self, camera: str, size: int) -> None: ...
    def frames(self, camera: str, count: int) -> None: ...
    def decode_errors(self, camera: str, count: int) -> None: ...
    def slept(self, camera: str, seconds: float) -> None: ...
    def woke(self, camera: str, why: str, catch_up_s: float) -> None: ...

    def due(self, camera: str, count: int) -> None:
        self.total["due"] += count

    def missed(self, camera: str, reason: str, count: int) -> None:
        self.total["missed"] += count


@dataclass(frozen=True)
class Shown:
    """A picture with its stream time and its arrival."""

    pts_s: float
    arrived_s: float
    width: int = 4
    height: int = 4
    handle: ArrayFrame = FRAME

    def grey(self) -> Grey:
        return BLANK


def sampled(clock: Callable[[float], float], seconds: int) -> tuple[list[Sample], int, str]:
    """25 pictures a second of a camera whose clock shows `clock(seconds)`.

    The samples of the last 20 s, how many were due in them, and what is said of the clock.
    """
    counts = Counts()
    sampler = Sampler("yard", counts, check_clock=True)
    samples: list[Sample] = []
    before = 0
    for number in range(seconds * 25):
        at_s, pts_s = 1000 + number / 25, clock(number / 25)
        if number == (seconds - 20) * 25:
            samples.clear()
            before = counts.total["due"]
        sampler.received(Arrival(at_s, 500, fresh=True, key=False, pts_s=pts_s))
        if sample := sampler.take(Shown(pts_s, at_s)):
            samples.append(sample)
        sampler.jumped()
    return samples, counts.total["due"] - before, sampler.clock_fault


@pytest.mark.parametrize(
    ("clock", "words"),
    [
        (lambda s: s + CHANCE.uniform(0, 1), "jump about"),
        (lambda s: s + CHANCE.uniform(0, 1.9), "jump about"),
        (lambda s: s + 1.5 * (round(s * 25) % 2), "jump about"),  # two clocks in turn
        (lambda s: s - int(s / 5), "jump about"),  # back by a second every 5 s
        (lambda s: float(int(s)), "come in leaps"),  # one for all pictures of a GOP
        (lambda s: 2.0 * int(s / 2), "come in leaps"),
    ],
)
def test_a_clock_that_is_of_no_use_costs_no_samples(
    clock: Callable[[float], float], words: str
) -> None:
    samples, due, fault = sampled(clock, 60)
    assert words in fault
    assert len(samples) == pytest.approx(8 * 20, abs=2)
    assert due == pytest.approx(8 * 20, abs=2)
    assert all(sample.lag_s < 0.1 for sample in samples)


@pytest.mark.parametrize("rate", [0.97, 0.98])
def test_a_clock_that_runs_slow_by_little_does_not_make_pictures_late_for_good(
    rate: float,
) -> None:
    samples, _, fault = sampled(lambda s: rate * s, 260)
    assert f"run at {rate} times" in fault
    assert all(sample.lag_s < 0.1 for sample in samples)


def test_an_honest_clock_is_believed() -> None:
    samples, due, fault = sampled(lambda s: s + CHANCE.uniform(0, 0.02), 100)
    assert fault == ""
    assert len(samples) == pytest.approx(160, abs=1)
    assert due == pytest.approx(160, abs=1)
