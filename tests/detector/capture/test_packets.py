"""What is kept for decoding: packets since the last key frame, bounded."""

from __future__ import annotations

from dataclasses import dataclass
from weakref import WeakSet

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.capture.packets import GopBuffer


@dataclass(frozen=True)
class Packet:
    number: int
    is_keyframe: bool = False
    size: int = 10


def filled(*packets: Packet, **bounds: int) -> GopBuffer[Packet]:
    buffer: GopBuffer[Packet] = GopBuffer(**bounds)
    for packet in packets:
        buffer.add(packet)
    return buffer


KEY, P1, P2, P3 = Packet(0, is_keyframe=True), Packet(1), Packet(2), Packet(3)


def test_nothing_is_decoded_before_the_first_key_frame() -> None:
    buffer = filled(P1, P2)
    assert buffer.take() == []
    buffer.add(KEY)
    buffer.add(P3)
    assert buffer.take() == [KEY, P3]


def test_each_packet_is_decoded_once() -> None:
    buffer = filled(KEY, P1)
    assert buffer.take() == [KEY, P1]
    assert buffer.take() == []
    buffer.add(P2)
    assert buffer.take() == [P2]


def test_a_camera_left_undecoded_wakes_at_its_last_key_frame() -> None:
    late_key = Packet(9, is_keyframe=True)
    buffer = filled(KEY, P1, P2, late_key, P3)
    assert buffer.take() == [late_key, P3]


@pytest.mark.parametrize("bounds", [{"max_packets": 3}, {"max_bytes": 39}])
def test_a_decoder_that_has_seen_all_goes_on_in_a_long_gop(bounds: dict[str, int]) -> None:
    buffer = filled(KEY, P1, P2, **bounds)
    assert buffer.take() == [KEY, P1, P2]
    buffer.add(P3)
    assert buffer.take() == [P3]


@pytest.mark.parametrize("bounds", [{"max_packets": 3}, {"max_bytes": 39}])
def test_a_decoder_that_missed_what_was_dropped_waits_for_a_key_frame(
    bounds: dict[str, int],
) -> None:
    buffer = filled(KEY, P1, P2, P3, **bounds)
    assert buffer.take() == []
    buffer.add(KEY)
    assert buffer.take() == [KEY]


@given(
    st.lists(st.tuples(st.booleans(), st.integers(1, 60), st.booleans()), max_size=60),
    st.integers(60, 200),
    st.integers(1, 12),
)
def test_bounds_hold_and_decoding_never_starts_in_the_middle(
    steps: list[tuple[bool, int, bool]], max_bytes: int, max_packets: int
) -> None:
    buffer: GopBuffer[Packet] = GopBuffer(max_bytes, max_packets)
    held: WeakSet[Packet] = WeakSet()  # what the buffer keeps in memory
    decoded: list[tuple[int, bool]] = []
    for number, (key, size, take) in enumerate(steps):
        held.add(given := Packet(number, key, size))
        buffer.add(given)
        del given
        assert sum(packet.size for packet in held) <= max_bytes
        assert len(held) <= max_packets
        if take:
            decoded += [(packet.number, packet.is_keyframe) for packet in buffer.take()]
    previous = None
    for number, key in decoded:
        assert key or (previous is not None and number == previous + 1)
        previous = number


def test_the_usual_distance_of_key_frames_is_known_after_two_and_follows_the_longer() -> None:
    buffer = filled(P1, P2, KEY, P1, P2)
    lengths = []
    for packet in (KEY, P1, KEY, P1, P2, P3, KEY, KEY):
        buffer.add(packet)
        lengths.append(buffer.usual_length)
    assert lengths == [0, 0, 3, 3, 3, 3, 4, 4]
