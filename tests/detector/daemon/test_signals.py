"""Signals as the operating system sends them, to this very process."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from detector.daemon.signals import Signals


@pytest.fixture
def signals() -> Iterator[Signals]:
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    heeded = Signals()
    heeded.handle()
    yield heeded
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


def test_what_came_is_told_once(signals: Signals) -> None:
    os.kill(os.getpid(), signal.SIGHUP)
    os.kill(os.getpid(), signal.SIGTERM)
    assert signals.within(10) == {signal.SIGHUP, signal.SIGTERM}
    assert signals.within(0) == set()


def test_the_time_to_stop_counts_from_the_first_signal_to_stop(signals: Signals) -> None:
    os.kill(os.getpid(), signal.SIGHUP)
    assert signals.stop_by() != signals.stop_by()  # nobody has asked yet: from now
    os.kill(os.getpid(), signal.SIGTERM)
    asked = signals.stop_by()
    os.kill(os.getpid(), signal.SIGINT)  # an impatient second one gives no more time
    assert signals.stop_by() == asked
