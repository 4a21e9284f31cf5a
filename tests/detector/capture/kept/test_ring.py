"""What a ring holds: whole GOPs of the last seconds, within its share of memory."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from detector.capture.kept.bounds import MOST_BYTES
from detector.capture.kept.ring import PACKET_BYTES, PacketRing, RingBudget

TEMPLATE: Any = SimpleNamespace()


@dataclass(frozen=True)
class Packet:
    is_keyframe: bool = False
    size: int = 1000


def filled(seconds: float, gop: int = 25, size: int = 1000, budget: RingBudget | None = None,
           span_s: float = 10) -> PacketRing:  # fmt: skip
    """A ring after `seconds` of 25 pictures a second from 0 s on."""
    ring = PacketRing(span_s, budget or RingBudget())
    for i in range(round(seconds * 25)):
        add(ring, Packet(i % gop == 0, size), i / 25)
    return ring


def add(ring: PacketRing, packet: Packet, at_s: float) -> None:
    ring.add(packet, at_s, TEMPLATE, believed=True)  # type: ignore[arg-type]


def test_a_clip_begins_with_the_last_key_frame_before_its_pre_roll() -> None:
    ring = filled(30)
    key = ring.begin(24.5)
    assert key is not None
    assert key.packet.is_keyframe
    assert key.arrived_s == 24


def test_no_more_is_kept_than_the_span_and_one_gop() -> None:
    ring = filled(60, gop=50)
    oldest = ring.since(0)[0]
    assert oldest.packet.is_keyframe
    assert 60 - 12.04 <= oldest.arrived_s <= 50


def test_before_the_first_key_frame_nothing_is_kept() -> None:
    ring = PacketRing(10, RingBudget())
    add(ring, Packet(), 0)
    assert ring.begin(0) is None
    assert ring.since(0) == []


def test_a_reader_goes_on_where_it_was_and_sees_what_it_missed() -> None:
    ring = filled(5)
    last = ring.since(0)[-1].number
    add(ring, Packet(), 5)
    assert [kept.number for kept in ring.since(last + 1)] == [last + 1]
    assert ring.since(last + 2) == []
    for i in range(25 * 60):
        add(ring, Packet(i % 25 == 0), 6 + i / 25)
    assert ring.since(last + 2)[0].number > last + 2


def test_many_cameras_share_what_the_box_may_hold() -> None:
    budget = RingBudget(400 * (1000 + PACKET_BYTES))
    rings = [filled(30, budget=budget) for _ in range(4)]
    for ring in rings:
        for i in range(50):
            add(ring, Packet(i % 25 == 0), 30 + i / 25)
        assert ring.bytes <= 100 * (1000 + PACKET_BYTES)
        assert ring.since(0)[0].packet.is_keyframe
    del rings, ring
    assert budget.share() == 400 * (1000 + PACKET_BYTES)


def test_a_gop_larger_than_the_share_is_not_kept_in_part() -> None:
    ring = filled(20, gop=10_000, size=MOST_BYTES // 100)
    assert ring.begin(0) is None
    assert ring.bytes == 0
    add(ring, Packet(is_keyframe=True), 21)
    assert ring.begin(0) is not None


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 3_000_000), st.floats(0, 5)), max_size=60))
def test_whatever_comes_it_is_bounded_and_begins_with_a_key_frame(
    packets: list[tuple[bool, int, float]],
) -> None:
    ring, at_s = PacketRing(10, RingBudget()), 0.0
    for key, size, step_s in packets:
        at_s += step_s
        add(ring, Packet(key, size), at_s)
        kept = ring.since(0)
        assert ring.bytes == sum(k.packet.size + PACKET_BYTES for k in kept) <= MOST_BYTES
        assert not kept or kept[0].packet.is_keyframe
        assert (
            [k.number for k in kept] == list(range(kept[0].number, kept[-1].number + 1))
            if (kept)
            else True
        )
