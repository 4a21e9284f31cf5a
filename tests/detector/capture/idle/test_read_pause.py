"""A sleeping camera's thread reads several packets at once, and is never late for long."""

from __future__ import annotations

import numpy as np
import pytest

from detector.capture.idle.read_pause import LONGEST_S, SLACK_S, ReadPause

COPY_S = 0.0002
"""Taking a packet that lies in the socket."""


class Played:
    """One stream of packets with pauses: how long each lay unread, and all the pauses."""

    def __init__(self, sent_s: np.ndarray, period_s: float) -> None:
        pause, now_s = ReadPause(), 0.0
        self.lay_s: list[float] = []
        self.pauses: list[float] = []
        for number, comes_s in enumerate(sent_s):
            waited_s = max(0.0, comes_s - now_s)
            now_s = max(now_s, comes_s) + COPY_S
            self.lay_s.append(now_s - comes_s)
            away_s = pause.after(number * period_s, now_s, fresh=waited_s > 0.015)
            if away_s:
                self.pauses.append(away_s)
            now_s += away_s


def test_three_packets_are_read_at_a_time() -> None:
    played = Played(np.arange(2500) / 25, 1 / 25)
    assert len(played.pauses) < 2500 / 2.7
    assert max(played.pauses) <= LONGEST_S + SLACK_S + 1e-6


def test_no_packet_lies_for_longer_than_a_pause() -> None:
    played = Played(np.arange(2500) / 25, 1 / 25)
    assert max(played.lay_s) <= LONGEST_S + 2 * SLACK_S


@pytest.mark.parametrize("drift", [0.9995, 1.0005])
def test_a_camera_whose_clock_differs_is_kept_in_step_with(drift: float) -> None:
    played = Played(np.arange(25 * 600) / 25 * drift, 1 / 25)
    assert max(played.lay_s) <= LONGEST_S + 3 * SLACK_S
    assert len(played.pauses) < 25 * 600 / 2.5


def test_jitter_does_not_add_up() -> None:
    jitter = np.random.default_rng(2).uniform(0, 0.03, 2500)
    played = Played(np.sort(np.arange(2500) / 25 + jitter), 1 / 25)
    assert max(played.lay_s[-500:]) <= LONGEST_S + 0.04


def test_after_a_burst_it_reads_until_nothing_is_left() -> None:
    sent = np.arange(2500) / 25
    sent[1000:1100] = sent[1100]  # the network stood still for four seconds
    played = Played(sent, 1 / 25)
    assert max(played.lay_s[1200:]) <= LONGEST_S + 0.04


def test_a_slow_camera_is_read_packet_by_packet() -> None:
    assert not Played(np.arange(500) / 10, 1 / 10).pauses


def test_whoever_has_been_awake_finds_the_step_first() -> None:
    pause = ReadPause()
    assert not pause.after(0.0, 0.0, fresh=True)
    assert pause.after(0.04, 0.04, fresh=True)
    pause.over()
    assert not pause.after(10.0, 10.0, fresh=True)
    assert not pause.after(10.04, 10.04, fresh=False)
    assert pause.after(10.08, 10.08, fresh=True)
