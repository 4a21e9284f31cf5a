"""When a reader that cannot keep up leaves pictures undecoded."""

from __future__ import annotations

from detector.capture.backlog import Backlog


def test_a_reader_that_keeps_up_skips_nothing() -> None:
    backlog = Backlog()
    assert not any(backlog.skip(lag_s=0.3, fresh=n % 3 > 0, now_s=n / 25) for n in range(1000))


def test_the_burst_after_a_hiccup_is_decoded() -> None:
    backlog = Backlog()
    assert not any(backlog.skip(lag_s=3.0 - n / 20, fresh=False, now_s=n / 25) for n in range(41))


def test_a_camera_that_paused_and_goes_on_is_not_taken_for_a_backlog() -> None:
    backlog = Backlog()
    assert not any(backlog.skip(lag_s=4.0, fresh=True, now_s=n / 25) for n in range(500))


def test_a_reader_that_stays_behind_skips_until_nothing_lies_unread() -> None:
    backlog = Backlog()
    skipped = [backlog.skip(lag_s=2.0, fresh=False, now_s=n / 25) for n in range(100)]
    assert not any(skipped[:50])
    assert all(skipped[52:])
    assert not backlog.skip(lag_s=2.0, fresh=True, now_s=5.0)
    assert not backlog.skip(lag_s=2.0, fresh=False, now_s=5.1)
