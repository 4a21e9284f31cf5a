"""One odd view neither raises nor hides anything, whatever the camera's rhythm."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.incidents.smoothing import FULL_WEIGHT_COUNT, WINDOW_S, Smoother

STEP_S = 0.125
FULL = round(WINDOW_S / STEP_S)

probabilities = st.floats(0, 1)
series = st.lists(probabilities, min_size=1, max_size=60)


def smooth(values: list[float], *, start_s: float = 0.0, by: Smoother | None = None) -> list[float]:
    """The smoothed values of a camera that scores eight times a second."""
    by = by or Smoother()
    return [by.smooth(start_s + i * STEP_S, value) for i, value in enumerate(values)]


@given(series)
def test_never_above_the_highest_nor_once_settled_below_the_lowest(values: list[float]) -> None:
    for i, smoothed in enumerate(smooth(values)):
        window = values[max(0, i - FULL + 1) : i + 1]
        assert 0 <= smoothed <= max(window) + 1e-12
        assert smoothed <= 1
        if len(window) >= FULL_WEIGHT_COUNT:
            assert smoothed >= min(window) - 1e-12


@given(probabilities)
def test_a_steady_probability_comes_through_unchanged(value: float) -> None:
    assert smooth([value] * 30)[FULL_WEIGHT_COUNT - 1 :] == pytest.approx([value] * 25)


@given(st.lists(st.floats(0, 0.3), min_size=7, max_size=40), st.data())
def test_one_outlier_cannot_raise_an_alarm(quiet: list[float], data: st.DataObject) -> None:
    at = data.draw(st.integers(FULL_WEIGHT_COUNT - 1, len(quiet) - 1))
    jumped = [*quiet[:at], 1.0, *quiet[at:]]
    assert max(smooth(jumped)[FULL_WEIGHT_COUNT - 1 :]) <= 0.3 + 1e-12


@given(st.lists(st.floats(0.8, 1), min_size=FULL, max_size=40), st.data())
def test_one_outlier_cannot_hide_a_fight(fight: list[float], data: st.DataObject) -> None:
    at = data.draw(st.integers(FULL_WEIGHT_COUNT, len(fight) - 1))
    dropped = [*fight[:at], 0.0, *fight[at:]]
    assert min(smooth(dropped)[FULL_WEIGHT_COUNT:]) >= 0.8 - 1e-12


@given(series, st.floats(WINDOW_S + 0.01, 3600), series)
def test_a_gap_starts_afresh(before: list[float], gap_s: float, after: list[float]) -> None:
    smoother = Smoother()
    smooth(before, by=smoother)
    later_s = (len(before) - 1) * STEP_S + gap_s
    assert smooth(after, start_s=later_s, by=smoother) == smooth(after)


@given(series, st.floats(0.01, 86_400), series)
def test_an_instant_before_the_last_one_starts_afresh(
    before: list[float], back_s: float, after: list[float]
) -> None:
    smoother = Smoother()
    smooth(before, by=smoother)
    earlier_s = (len(before) - 1) * STEP_S - back_s
    assert smooth(after, start_s=earlier_s, by=smoother) == smooth(after)


@given(probabilities)
def test_few_values_count_in_proportion(value: float) -> None:
    first = smooth([value] * FULL_WEIGHT_COUNT)
    shares = [(i + 1) / FULL_WEIGHT_COUNT for i in range(FULL_WEIGHT_COUNT)]
    assert first == pytest.approx([value * share for share in shares])


def test_at_two_pictures_a_second_nothing_reaches_full_weight() -> None:
    smoother = Smoother()
    pushed = [smoother.smooth(i / 2, 1.0) for i in range(20)]
    assert pushed[-1] == pytest.approx(3 / FULL_WEIGHT_COUNT)
