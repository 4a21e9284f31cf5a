"""When pictures were taken: stream time tied to UTC, and how many samples are due."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.capture.timing.clock import (
    LATE_FOR_S,
    MAX_DRIFT_S,
    Pace,
    Stamp,
    StreamClock,
)
from detector.motion.greys import SampleClock


def stamps(pictures: list[tuple[float | None, float]]) -> list[Stamp]:
    """Stamp pictures of (stream time, arrival on the monotonic clock)."""
    clock = StreamClock()
    return [clock.stamp(pts, at) for pts, at in pictures]


def seconds(stamp: Stamp) -> float:
    return stamp.at_s


def test_stream_time_counts_from_the_first_picture_wherever_the_camera_counts_from() -> None:
    first, second = stamps([(9_000.0, 100.0), (9_000.04, 100.04)])
    assert (first.pts_s, seconds(first)) == (0, 100)
    assert second.pts_s == pytest.approx(0.04)
    assert seconds(second) == pytest.approx(100.04)


def test_delays_of_the_network_do_not_shake_the_time_stamps() -> None:
    late = {10: 0.3, 11: 0.26, 12: 0.22, 30: 0.1}
    placed = stamps([(n / 25, 100 + n / 25 + late.get(n, 0)) for n in range(50)])
    for number, stamp in enumerate(placed):
        assert seconds(stamp) == pytest.approx(100 + number / 25, abs=1e-4)
        assert stamp.lag_s == pytest.approx(late.get(number, 0), abs=1e-4)


def test_a_burst_after_connecting_is_placed_by_its_newest_picture() -> None:
    burst = [(n / 25, 100.0) for n in range(10)]
    then = [(n / 25, 100.0 + (n - 9) / 25) for n in range(10, 60)]
    placed = stamps(burst + then)
    assert seconds(placed[-1]) == pytest.approx(102.0)
    assert placed[-1].lag_s == pytest.approx(0)


def test_a_camera_whose_clock_runs_wrong_is_followed() -> None:
    # 0.1 % is ten times worse than any quartz; an hour of it
    placed = stamps([(n * 0.999, 100.0 + n) for n in range(3600)])
    assert seconds(placed[-1]) == pytest.approx(3699, abs=0.1)
    placed = stamps([(n * 1.001, 100.0 + n) for n in range(3600)])
    assert seconds(placed[-1]) == pytest.approx(3699, abs=0.1)


@pytest.mark.parametrize("jump", [-5000.0, -3.0, 40.0, 5000.0])
def test_stream_time_that_jumps_is_anchored_anew(jump: float) -> None:
    before = [(50 + n / 25, 100 + n / 25) for n in range(50)]
    after = [(50 + jump + n / 25, 100 + n / 25) for n in range(50, 100)]
    placed = stamps(before + after)
    assert placed[-1].pts_s == pytest.approx(99 / 25, abs=0.05)
    assert seconds(placed[-1]) == pytest.approx(100 + 99 / 25, abs=0.05)


def test_a_stream_without_time_stamps_is_placed_by_arrival() -> None:
    placed = stamps([(None, 100 + n / 25) for n in range(25)])
    assert placed[-1].pts_s == pytest.approx(24 / 25)
    assert seconds(placed[-1]) == pytest.approx(100 + 24 / 25)


def test_a_first_picture_without_time_stamp_does_no_harm() -> None:
    placed = stamps([(None, 100.0), *((n / 25, 100 + n / 25) for n in range(1, 25))])
    assert placed[-1].pts_s == pytest.approx(24 / 25)


@given(
    st.lists(st.tuples(st.none() | st.floats(-1e6, 1e6), st.floats(0, 30)), min_size=1, max_size=40)
)
def test_time_never_runs_backwards_and_never_lies_ahead(
    pictures: list[tuple[float | None, float]],
) -> None:
    at, arrivals = 100.0, []
    for pts, gap in pictures:
        at += gap
        arrivals.append((pts, at))
    placed = stamps(arrivals)
    for a, b in pairwise(placed):
        assert b.pts_s >= a.pts_s
        assert b.at_s >= a.at_s
    for stamp, (_, arrived) in zip(placed, arrivals, strict=True):
        assert seconds(stamp) <= arrived + 1e-3


@given(
    st.lists(
        st.tuples(
            st.none() | st.floats(-1e6, 1e6) | st.floats(0, 30),
            st.floats(0, 0.5) | st.floats(0, 30),
            st.sampled_from([None, None, None, None, True, False]),
        ),
        min_size=1,
        max_size=80,
    )
)
def test_no_picture_is_dated_long_before_it_came_for_long(
    pictures: list[tuple[float | None, float, bool | None]],
) -> None:
    """Whatever a camera says, and whether it is believed or not."""
    clock, at_s, late_since_s, last_s = StreamClock(), 100.0, None, 0.0
    for pts_s, gap_s, believed in pictures:
        at_s += gap_s
        if believed is not None:
            clock.believe(believed)
        placed = clock.stamp(pts_s, at_s)
        assert placed.pts_s >= last_s
        assert placed.at_s <= at_s + 1e-6
        last_s = placed.pts_s
        if at_s - placed.at_s <= MAX_DRIFT_S + 1e-6:
            late_since_s = None
        elif late_since_s is None:
            late_since_s = at_s
        assert late_since_s is None or at_s - late_since_s < LATE_FOR_S


def test_a_clock_that_is_not_believed_is_not_gone_by_and_what_it_left_out_is_made_up_for() -> None:
    clock = StreamClock()
    for n in range(100):  # time stamps stand still
        clock.stamp(7.0, 100 + n / 25)
    clock.believe(False)
    placed = [clock.stamp(7.0, 100 + n / 25) for n in range(100, 200)]
    assert [s.pts_s for s in placed] == pytest.approx([n / 25 for n in range(100, 200)])
    assert [s.at_s for s in placed] == pytest.approx([100 + n / 25 for n in range(100, 200)])
    assert clock.placed(7.0) is None
    clock.believe(True)
    again = [clock.stamp(50 + n / 25, 100 + n / 25 + 0.3 * (n % 2)) for n in range(200, 300)]
    assert again[-2].pts_s == pytest.approx(298 / 25, abs=0.4)
    assert again[-1].lag_s == pytest.approx(0.3, abs=0.01)


def test_a_fast_clock_that_is_no_longer_believed_holds_no_picture_back() -> None:
    clock = StreamClock()
    for n in range(100):
        clock.stamp(4 * n / 25, 100 + n / 25)
    ahead_s = clock.stamp(16.0, 104).pts_s
    clock.believe(False)
    assert clock.stamp(20.0, 105).pts_s == pytest.approx(ahead_s + 1)


def test_what_a_long_stall_held_back_is_placed_where_it_was_taken() -> None:
    before = [(n / 25, 100 + n / 25) for n in range(100)]
    burst = [(n / 25, 113.0 + (n - 100) / 1000) for n in range(100, 325)]  # of 9 s, in 0.2 s
    placed = stamps(before + burst)
    assert [s.pts_s for s in placed] == pytest.approx([n / 25 for n in range(325)])
    assert placed[100].at_s == pytest.approx(104, abs=0.1)


def test_pictures_that_stay_late_are_placed_anew() -> None:
    before = [(n / 25, 100 + n / 25) for n in range(100)]
    after = [(n / 25, 110 + n / 25) for n in range(100, 300)]
    clock = StreamClock()
    lags = [clock.stamp(pts, at).lag_s for pts, at in before + after]
    assert clock.jumps == 1
    assert max(lags[:100]) < 0.01
    assert lags[110] == pytest.approx(10)
    assert max(lags[100 + round(25 * LATE_FOR_S) + 1 :]) < 0.01


def due(frame_times: list[float]) -> tuple[int, int]:
    """Samples (due, taken) over pictures at `frame_times`."""
    ticks, pace, total, taken = SampleClock(), Pace(), 0, 0
    for at in frame_times:
        count = pace.due(ticks.ticks(at), at)
        total += count
        taken += count > 0
    return total, taken


def test_eight_samples_a_second_are_due_of_a_usual_camera() -> None:
    assert due([n / 25 for n in range(250)]) == (80, 80)


def test_a_camera_slower_than_that_owes_each_of_its_pictures() -> None:
    owed, taken = due([n / 5 for n in range(250)])
    assert taken == 250
    assert owed - taken <= 5  # until its pace is known


def test_pictures_that_never_came_are_owed() -> None:
    frames = [n / 25 for n in range(100)] + [n / 25 for n in range(150, 200)]
    owed, taken = due(frames)
    assert owed == 64
    assert owed - taken == pytest.approx(16, abs=1)
