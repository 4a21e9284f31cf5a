"""The activity gate on packet sizes as encoders make them: when it sleeps, when it wakes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pytest

from detector.capture.idle.gate import ActivityGate, Wake

FPS, GOP, PIXELS = 25, 50, 1280 * 720


@dataclass(frozen=True)
class Packet:
    """What the gate is told of a packet."""

    size: int
    key: bool
    pts_s: float


def still_scene(
    seconds: float, *, gop: int = GOP, noise: float = 0.05, seed: int = 0
) -> Iterator[Packet]:
    """Noise coded after a key frame: the first P-frames weigh more, as x264 makes them."""
    rng = np.random.default_rng(seed)
    for number in range(round(seconds * FPS)):
        position = number % gop
        floor = 80_000 if not position else 500 * (1 + np.exp(-position / 5))
        spread = 0.003 if not position else noise
        size = round(floor * (1 + spread * rng.standard_normal()))
        yield Packet(max(size, 20), position == 0, number / FPS)


def wandering(seconds: float) -> Iterator[Packet]:
    """Sizes that drift for half a second at a time, as a rate control makes them."""
    rng, drift = np.random.default_rng(2), 0.0
    for packet in still_scene(seconds):
        drift = 0.95 * drift + 400 * rng.standard_normal()
        yield packet if packet.key else Packet(packet.size + round(abs(drift)), False, packet.pts_s)


def pulsing(seconds: float, every: int = 40) -> Iterator[Packet]:
    """A stream compressed twice: a packet is large where the first encoder had its key frames."""
    for number, packet in enumerate(still_scene(seconds)):
        more = (8000 if number % every == 0 else 0) + (1000 if number % every == 1 else 0)
        yield Packet(packet.size + more, packet.key, packet.pts_s)


def play(
    gate: ActivityGate, packets: Iterator[Packet], moving_from_s: float = np.inf
) -> list[tuple[float, bool]]:
    """Every packet's time and whether it is decoded; what is decoded is seen."""
    gate.decoded(1, 0.001, PIXELS)
    told = []
    for packet in packets:
        decode = gate.packet(packet.size, packet.key, packet.pts_s, packet.pts_s)
        if decode:
            gate.seen(packet.pts_s >= moving_from_s, packet.pts_s)
        told.append((packet.pts_s, decode))
    return told


def with_motion(packets: Iterator[Packet], from_s: float, extra: int) -> Iterator[Packet]:
    """The same packets with `extra` bytes in each P-frame from `from_s` on."""
    for packet in packets:
        more = extra if packet.pts_s >= from_s and not packet.key else 0
        yield Packet(packet.size + more, packet.key, packet.pts_s)


def visited(packets: Iterator[Packet], from_s: float, until_s: float) -> dict[float, bool]:
    """By time, whether each packet is decoded; somebody moves between the two times."""
    gate = ActivityGate()
    gate.decoded(1, 0.001, PIXELS)
    told = {}
    for packet in packets:
        busy = from_s <= packet.pts_s < until_s
        size = packet.size + 4000 * (busy and not packet.key)
        told[packet.pts_s] = gate.packet(size, packet.key, packet.pts_s, packet.pts_s)
        if told[packet.pts_s]:
            gate.seen(busy, packet.pts_s)
    return told


def test_a_still_scene_is_slept_through() -> None:
    told = play(ActivityGate(), still_scene(120))
    asleep = [at_s for at_s, decode in told if not decode]
    assert asleep[0] <= 14
    assert len(asleep) >= 0.85 * len(told)


@pytest.mark.parametrize("seed", range(20))
def test_motion_wakes_it_within_two_packets(seed: int) -> None:
    gate = ActivityGate()
    told = play(gate, with_motion(still_scene(40, seed=seed), 30, 3000), moving_from_s=30)
    assert not dict(told)[29.0]
    assert all(decode for at_s, decode in told if at_s >= 30 + 1 / FPS)


@pytest.mark.parametrize("seed", range(20))
def test_slight_motion_wakes_it_within_half_a_second(seed: int) -> None:
    told = play(ActivityGate(), with_motion(still_scene(40, seed=seed), 30, 600))
    awake = [at_s for at_s, decode in told if at_s >= 30 and decode]
    assert awake
    assert awake[0] <= 30.5


def test_a_scene_compressed_twice_is_slept_through() -> None:
    told = play(ActivityGate(), pulsing(120))
    assert sum(not decode for _, decode in told) >= 0.8 * len(told)


@pytest.mark.parametrize("from_s", np.arange(30, 30.8, 1 / FPS))
def test_motion_wakes_it_within_four_packets_where_single_packets_pulse(from_s: float) -> None:
    told = play(ActivityGate(), with_motion(pulsing(40), from_s, 3000), moving_from_s=from_s)
    assert any(not decode for at_s, decode in told if at_s < from_s)
    assert all(decode for at_s, decode in told if at_s >= from_s + 4 / FPS)


@pytest.mark.parametrize("every", [2, 3])
@pytest.mark.parametrize("noise", [300, 600, 1500, 4000])
def test_motion_counts_where_most_pictures_are_copies(every: int, noise: int) -> None:
    def slow_sensor(from_s: float) -> Iterator[Packet]:
        for number, packet in enumerate(still_scene(40, gop=25)):
            extra = 4500 if packet.pts_s >= from_s else 0
            size = noise + extra if number % every == 0 else 25
            yield Packet(packet.size if packet.key else size, packet.key, packet.pts_s)

    told = play(ActivityGate(), slow_sensor(30.2), moving_from_s=30.2)
    assert all(decode for at_s, decode in told if at_s >= 30.6)


def burst(packets: Iterator[Packet], *starts_s: float) -> Iterator[Packet]:
    """The same packets, ten of them far larger from each of `starts_s` on."""
    for packet in packets:
        larger = any(at_s <= packet.pts_s < at_s + 0.4 for at_s in starts_s)
        yield Packet(packet.size + 5000 * larger, packet.key, packet.pts_s)


def test_woken_in_vain_it_sleeps_again_after_a_look() -> None:
    told = dict(play(ActivityGate(), burst(still_scene(40), 30.04)))
    assert not told[30.0]
    assert told[30.2]
    assert not told[32.0]


def test_woken_in_vain_twice_in_a_row_it_looks_for_longer() -> None:
    told = dict(play(ActivityGate(), burst(still_scene(50), 30.04, 33.04)))
    assert not told[32.0]
    assert all(told[at_s] for at_s in (33.2, 34.0, 36.0))
    assert not told[40.0]


def test_after_motion_it_stays_awake_for_a_pause() -> None:
    told = visited(still_scene(60), 30, 31)
    assert not told[29.96]
    assert all(told[at_s] for at_s in (31.0, 33.0, 34.8))
    assert not told[38.0]


def test_it_does_not_sleep_while_something_moves() -> None:
    told = play(ActivityGate(), still_scene(60), moving_from_s=0)
    assert all(decode for _, decode in told)


def test_it_sleeps_again_when_all_is_quiet() -> None:
    last = visited(still_scene(120), 40, 45)
    assert not last[39]
    assert last[44]
    assert not last[60]


def test_another_picture_in_a_key_frame_wakes_it() -> None:
    def lights_on() -> Iterator[Packet]:
        for packet in still_scene(40):
            larger = packet.key and packet.pts_s >= 30
            yield Packet(packet.size * (1.3 if larger else 1), packet.key, packet.pts_s)  # type: ignore[arg-type]

    gate = ActivityGate()
    told = dict(play(gate, lights_on()))
    assert not told[29.96]
    assert told[30.0]


def test_what_a_look_shows_wakes_it() -> None:
    gate = ActivityGate()
    play(gate, still_scene(30))
    assert gate.asleep
    gate.changed()
    assert not gate.asleep
    assert gate.why is Wake.LOOK


@pytest.mark.parametrize(
    ("packets", "cost_s"),
    [
        pytest.param(lambda: wandering(60), 0.001, id="sizes that wander"),
        pytest.param(lambda: still_scene(60, gop=250), 0.001, id="a GOP too long to catch up"),
        pytest.param(lambda: still_scene(60), 0.005, id="pictures too dear to catch up"),
        pytest.param(lambda: still_scene(60, gop=1), 0.001, id="key frames only (MJPEG)"),
        pytest.param(
            lambda: (
                Packet(p.size, p.key, p.pts_s + (0.12 if i % 3 == 1 else 0))
                for i, p in enumerate(still_scene(60))
            ),
            0.001,
            id="B-frames",
        ),
    ],
)
def test_where_it_cannot_tell_it_stays_awake(packets: object, cost_s: float) -> None:
    gate = ActivityGate()
    gate.decoded(1, cost_s, PIXELS)
    for packet in packets():  # type: ignore[operator]
        assert gate.packet(packet.size, packet.key, packet.pts_s, packet.pts_s)
        gate.seen(False, packet.pts_s)


def test_gops_of_varying_length_are_not_trusted() -> None:
    rng = np.random.default_rng(1)
    gate = ActivityGate()
    gate.decoded(1, 0.001, PIXELS)
    at_s = 0.0
    for _ in range(40):
        for packet in still_scene(rng.integers(20, 60) / FPS):
            assert gate.packet(packet.size, packet.key, at_s, at_s)
            gate.seen(False, at_s)
            at_s += 1 / FPS


def swollen(packets: Iterator[Packet], factor: Callable[[float], float]) -> Iterator[Packet]:
    """The same packets, P-frames `factor` of their time as large."""
    for packet in packets:
        size = packet.size if packet.key else round(packet.size * factor(packet.pts_s))
        yield Packet(size, packet.key, packet.pts_s)


def test_a_floor_that_rises_without_motion_is_learnt_anew() -> None:
    told = dict(play(ActivityGate(), swollen(still_scene(240), lambda at_s: 1 + (at_s > 60))))
    assert not told[59.0]
    assert told[62.0]
    assert not told[200.0]


def test_a_floor_that_creeps_up_in_its_sleep_is_looked_at_again() -> None:
    told = play(ActivityGate(), swollen(still_scene(600), lambda at_s: 1 + at_s / 300))
    assert sum(not decode for _, decode in told) > len(told) / 2
    assert any(decode for at_s, decode in told if at_s > 20)
