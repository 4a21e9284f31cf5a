"""Time stamps of a clip, whatever the camera's clock does."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from detector.evidence.timeline import TICKS_HZ, Stamps, Timeline

Placed = list[tuple[int, int]]


def placed(stamps: list[Stamps]) -> Placed:
    timeline = Timeline()
    return [timeline.place(each) for each in stamps]


def even(count: int, begin_s: float = 0.0, arrived_s: float = 0.0) -> list[Stamps]:
    """25 pictures a second whose stamps count from `begin_s`."""
    return [
        Stamps(begin_s + i / 25, begin_s + i / 25, arrived_s + i / 25, believed=True)
        for i in range(count)
    ]


def seconds(found: Placed) -> list[float]:
    return [round(dts / TICKS_HZ, 3) for _, dts in found]


EVENLY = [round(i / 25, 3) for i in range(50)]


def test_a_clip_begins_at_0_whatever_the_camera_counts_from() -> None:
    assert seconds(placed(even(50, begin_s=95443.7))) == EVENLY


def test_jitter_of_the_network_does_not_shake_it() -> None:
    late = [Stamps(s.pts_s, s.dts_s, s.arrived_s + (i % 5) / 10, believed=True)
            for i, s in enumerate(even(50))]  # fmt: skip
    assert seconds(placed(late)) == EVENLY


def test_a_clock_that_wraps_or_is_set_goes_on_where_the_clip_stands() -> None:
    for jump_s in (-95443.7, -0.5, 3600.0):
        after = even(25, begin_s=100000 + 1 + jump_s, arrived_s=1.0)
        assert seconds(placed(even(25, begin_s=100000) + after)) == EVENLY


def test_a_pause_of_the_camera_stays_in_the_clip() -> None:
    after = even(25, begin_s=4.0, arrived_s=4.0)
    assert seconds(placed(even(25) + after))[25] == 4.0


def test_a_clock_that_is_not_believed_is_not_gone_by() -> None:
    stuck = [Stamps(7.0, 7.0, i / 25, believed=False) for i in range(50)]
    assert seconds(placed(stuck)) == EVENLY
    half = [*even(25, begin_s=50), *[Stamps(7, 7, 1 + i / 25, believed=False) for i in range(25)]]
    assert seconds(placed(half)) == EVENLY


def test_pictures_of_a_stream_with_b_frames_are_shown_in_their_order() -> None:
    order = [0, 3, 1, 2, 6, 4, 5]
    stamps = [
        Stamps((2 + pts) / 25, dts / 25, dts / 25, believed=True) for dts, pts in enumerate(order)
    ]
    found = placed(stamps)
    assert [round(pts / TICKS_HZ * 25) - 2 for pts, _ in found] == order


@given(
    st.lists(
        st.tuples(
            st.none() | st.floats(-1e6, 1e6),
            st.none() | st.floats(-1e6, 1e6),
            st.floats(0, 10),
            st.booleans(),
        ),
        max_size=50,
    )
)
def test_decoding_times_rise_and_no_picture_is_shown_before(
    packets: list[tuple[float | None, float | None, float, bool]],
) -> None:
    arrived_s, stamps = 0.0, []
    for pts_s, dts_s, step_s, believed in packets:
        arrived_s += step_s
        stamps.append(Stamps(pts_s, dts_s, arrived_s, believed))
    found = placed(stamps)
    times = [dts for _, dts in found]
    assert times == sorted(set(times))
    assert all(pts >= dts for pts, dts in found)
    assert not found or times[-1] / TICKS_HZ <= arrived_s + 5.1 * len(found)
