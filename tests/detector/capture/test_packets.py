"""What is kept for decoding and evidence: packets since the last key frame, bounded."""

from __future__ import annotations

from dataclasses import dataclass

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
    assert not buffer.complete
    buffer.add(KEY)
    buffer.add(P3)
    assert buffer.take() == [KEY, P3]


def test_each_packet_is_decoded_once() -> None:
    buffer = filled(KEY, P1)
    assert buffer.take() == [KEY, P1]
    assert buffer.take() == []
    buffer.add(P2)
    assert buffer.take() == [P2]
    assert buffer.packets() == [KEY, P1, P2]


def test_a_camera_left_undecoded_wakes_at_its_last_key_frame() -> None:
    late_key = Packet(9, is_keyframe=True)
    buffer = filled(KEY, P1, P2, late_key, P3)
    assert buffer.take() == [late_key, P3]


@pytest.mark.parametrize("bounds", [{"max_packets": 3}, {"max_bytes": 39}])
def test_a_full_buffer_drops_its_oldest_and_is_no_longer_complete(bounds: dict[str, int]) -> None:
    buffer = filled(KEY, P1, P2, **bounds)
    assert buffer.complete
    assert buffer.take() == [KEY, P1, P2]
    buffer.add(P3)
    assert not buffer.complete
    assert buffer.take() == [P3]  # the decoder saw what was dropped
    assert buffer.packets() == [P1, P2, P3]


def test_a_decoder_that_missed_what_was_dropped_waits_for_a_key_frame() -> None:
    buffer = filled(KEY, P1, P2, P3, max_packets=3)
    assert buffer.take() == []
    buffer.add(KEY)
    assert buffer.complete
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
    decoded: list[Packet] = []
    for number, (key, size, take) in enumerate(steps):
        buffer.add(Packet(number, key, size))
        assert buffer.size == sum(p.size for p in buffer.packets()) <= max_bytes
        assert len(buffer) <= max_packets
        if take:
            decoded += buffer.take()
    previous = None
    for packet in decoded:
        assert packet.is_keyframe or (previous and packet.number == previous.number + 1)
        previous = packet


def test_the_usual_distance_of_key_frames_is_known_after_two_and_follows_the_longer() -> None:
    buffer = filled(P1, P2, KEY, P1, P2)
    lengths = []
    for packet in (KEY, P1, KEY, P1, P2, P3, KEY, KEY):
        buffer.add(packet)
        lengths.append(buffer.usual_length)
    assert lengths == [0, 0, 3, 3, 3, 3, 4, 4]
