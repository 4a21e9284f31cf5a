"""How soon a lost camera is tried again."""

from __future__ import annotations

import pytest

from detector.capture.backoff import Backoff

DAY_S = 86400.0


def waits(backoff: Backoff, count: int, now_s: float, *, refused: bool = False) -> list[float]:
    return [backoff.after_failure(now_s, refused=refused) for _ in range(count)]


def test_a_camera_never_seen_is_tried_ever_less_often_up_to_a_minute() -> None:
    assert waits(Backoff(lambda: 0.0), 8, now_s=DAY_S) == [1, 2, 4, 8, 16, 32, 60, 60]


def test_a_camera_live_of_late_is_tried_every_five_seconds() -> None:
    backoff = Backoff(lambda: 0.0)
    backoff.live(DAY_S)
    assert waits(backoff, 5, now_s=DAY_S + 600) == [1, 2, 4, 5, 5]
    assert waits(backoff, 2, now_s=DAY_S + 601) == [32, 60]


def test_pictures_start_the_waits_anew() -> None:
    backoff = Backoff(lambda: 0.0)
    waits(backoff, 10, now_s=DAY_S)
    backoff.live(DAY_S)
    assert backoff.after_failure(DAY_S) == 1


def test_wrong_credentials_wait_a_minute_from_the_start() -> None:
    backoff = Backoff(lambda: 1.0)
    backoff.live(DAY_S)
    assert min(waits(backoff, 3, now_s=DAY_S, refused=True)) == pytest.approx(48)


def test_jitter_only_shortens() -> None:
    assert Backoff(lambda: 1.0).after_failure(DAY_S) == pytest.approx(0.8)
    assert all(0.8 <= Backoff().after_failure(DAY_S) <= 1 for _ in range(50))


def test_a_camera_gone_for_a_month_is_still_tried() -> None:
    assert waits(Backoff(lambda: 0.0), 50_000, now_s=DAY_S)[-1] == 60
