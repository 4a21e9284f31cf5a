"""Whether a camera's clock is believed: wrong ones are found within seconds, honest ones kept."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.capture.timing.check import ClockCheck

FRESH_WAIT_S = 0.015
Packet = tuple[float, float]
"""Stream time, arrival."""


def steady(
    seconds: float, rate: float = 1.0, fps: float = 25, start_s: float = 0.0
) -> list[Packet]:
    """Packets that arrive in time, of a clock that runs at `rate`."""
    count = round(seconds * fps)
    return [(start_s + rate * n / fps, 1000.0 + n / fps) for n in range(count)]


def held_back(packets: Iterable[Packet], until: Callable[[float], float]) -> list[Packet]:
    """The same as they arrive over a line that lets what comes at t through at `until(t)`."""
    found, last_s = [], 0.0
    for pts_s, at_s in packets:
        last_s = max(last_s, until(at_s))
        found.append((pts_s, last_s))
    return found


def turns(
    packets: Iterable[Packet], check: ClockCheck | None = None
) -> Iterator[tuple[float, str]]:
    """When belief turns, seconds after the first arrival, and what is wrong from then on."""
    check = check or ClockCheck()
    first_s = last_s = 1000.0
    for pts_s, at_s in packets:
        fresh = at_s - last_s > FRESH_WAIT_S
        last_s = at_s
        if check.packet(pts_s, at_s, fresh=fresh):
            yield at_s - first_s, check.fault


@pytest.mark.parametrize(
    ("rate", "within_s", "words"),
    [
        (0.0, 4, "its time stamps stand still, so pictures are dated by their arrival"),
        (0.011, 4, "run at 0.011 times real time"),  # milliseconds for ticks of 90 kHz
        (0.2, 5, "run at 0.2 times real time"),  # MJPEG at 5 pictures a second, taken for 25
        (0.25, 5, "run at 0.25 times real time"),
        (0.8, 13, "run at 0.8 times real time"),
        (1.25, 11, "run at 1.2 times real time"),
        (4.0, 3, "run at 4 times real time"),
        (1.08, 65, "real time"),
        (0.92, 65, "real time"),
    ],
)
@pytest.mark.parametrize("fps", [5, 25])
def test_a_clock_that_runs_wrong_is_found(
    rate: float, within_s: float, words: str, fps: float
) -> None:
    [(when_s, fault)] = turns(steady(200, rate, fps))
    assert when_s <= within_s
    assert words in fault
    assert "use that" in fault


@pytest.mark.parametrize("rate", [0.999, 1.0, 1.001, 24.6 / 25])
def test_one_that_runs_right_or_nearly_so_is_believed(rate: float) -> None:
    assert list(turns(steady(600, rate))) == []


def test_a_wrong_clock_after_a_restart_in_the_same_connection_is_found() -> None:
    right = steady(60, start_s=9000)
    wrong = [(pts_s, at_s + 60) for pts_s, at_s in steady(20, rate=0.0)]
    [(when_s, fault)] = turns(right + wrong)
    assert 60 < when_s < 65
    assert "stand still" in fault


@pytest.mark.parametrize("jump_s", [-9000.0, -3.0, 7.0, 95_443.7])
def test_one_restart_or_wrap_is_no_wrong_clock(jump_s: float) -> None:
    packets = [(p + (jump_s if n > 700 else 0), a) for n, (p, a) in enumerate(steady(120))]
    assert list(turns(packets)) == []


def test_time_stamps_that_jump_about_are_not_gone_by() -> None:
    chance = random.Random(1)
    [(when_s, fault)] = turns((chance.uniform(0, 1e5), at_s) for _, at_s in steady(60))
    assert when_s < 2
    assert "jump about" in fault


# --- what the network does to an honest clock


@pytest.mark.parametrize("burst_s", [0.3, 0.9, 1.3, 2.0])
def test_a_line_that_bursts_is_no_wrong_clock(burst_s: float) -> None:
    packets = held_back(steady(300), lambda at_s: (at_s // burst_s + 1) * burst_s)
    assert list(turns(packets)) == []


@pytest.mark.parametrize("segment_s", [2, 4, 6, 10])
@pytest.mark.parametrize("speed", [1.5, 3, 50])
def test_segments_that_come_in_one_piece_each_are_no_wrong_clock(
    segment_s: float, speed: float
) -> None:
    """HLS: three at once to begin with, then one after the other, at the speed of the line."""
    packets, at_s = [], 1000.0
    for number in range(round(300 / segment_s)):
        at_s = max(at_s, 1000 + max(0, number - 2) * segment_s)
        for picture in range(25 * segment_s):
            at_s += 1 / 25 / speed
            packets.append((number * segment_s + picture / 25, at_s))
    found = list(turns(packets))
    # A slow line that begins with a long backlog looks like a fast clock, until it is through.
    assert len(found) in {0, 2}
    assert len(found) == 0 or speed < 3
    assert not found or found[-1] == (pytest.approx(found[-1][0]), "")


def test_a_stall_and_the_burst_behind_it_are_no_wrong_clock() -> None:
    packets = held_back(steady(200), lambda at_s: 1104.5 if 1100 <= at_s < 1104.5 else at_s)
    assert list(turns(packets)) == []


def test_a_stall_that_is_never_made_up_for_is_no_wrong_clock_for_long() -> None:
    before, after = steady(100), [(p + 100, a + 104.5) for p, a in steady(300)]
    found = list(turns(before + after))
    assert not found or (len(found) == 2 and found[1][0] - found[0][0] < 61)


def test_a_reader_that_is_too_slow_blames_no_clock() -> None:
    check = ClockCheck()
    assert not any(check.packet(n / 25, n / 10, fresh=False) for n in range(3000))


@given(st.integers(0, 10**6), st.floats(0.02, 0.4))
def test_jitter_is_no_wrong_clock(seed: int, mean_s: float) -> None:
    chance = random.Random(seed)
    packets = held_back(steady(90), lambda at_s: at_s + min(chance.expovariate(1 / mean_s), 2.0))
    assert all(b[1] >= a[1] for a, b in pairwise(packets))
    assert list(turns(packets)) == []


@pytest.mark.parametrize("fps", [6, 15, 25])
def test_pictures_sent_in_another_order_than_shown_are_no_wrong_clock(fps: float) -> None:
    order = [0, 4, 2, 1, 3]
    packets = [
        ((5 * (n // 5) + order[n % 5]) / fps, 1000 + n / fps) for n in range(round(120 * fps))
    ]
    assert list(turns(packets)) == []
