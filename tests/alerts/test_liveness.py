"""What a thread shows of itself: that it lives, waits, hangs, has died or never began."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from alerts.liveness import MAX_REASON, FaultKind, LiveThread
from config.secrets import register_secret

DEADLINE_S = 10.0

Live = Callable[..., LiveThread]


@pytest.fixture
def go() -> Iterator[threading.Event]:
    """What a loop may wait for."""
    event = threading.Event()
    yield event
    event.set()


def text(thread: LiveThread, after_s: float = 0.0) -> str | None:
    fault = thread.fault(time.monotonic() + after_s)
    return fault and fault.text


def test_one_that_never_began_or_has_ended_is_in_order(go: threading.Event) -> None:
    thread = LiveThread("x", go.wait)
    assert text(thread, 1000) is None
    thread.join(DEADLINE_S)
    thread.start()
    assert thread.is_alive()
    go.set()
    thread.join(DEADLINE_S)
    assert not thread.is_alive()
    assert text(thread, 1000) is None
    assert thread.age_s() >= 0


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("error", [ValueError("a b\n  c"), SystemExit(), KeyboardInterrupt()])
def test_one_that_raised_has_died_whatever_it_was(error: BaseException) -> None:
    def loop() -> None:
        raise error

    thread = LiveThread("x", loop)
    thread.start()
    thread.join(DEADLINE_S)
    fault = thread.fault(time.monotonic())
    assert fault
    assert fault.kind is FaultKind.DIED
    name = type(error).__name__
    assert fault.text == (f"died ({name}: a b c)" if str(error) else f"died ({name})")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_what_it_died_of_holds_no_secret_and_is_short() -> None:
    register_secret("hunter22")

    def loop() -> None:
        raise OSError("hunter22 " * 100)

    thread = LiveThread("x", loop)
    thread.start()
    thread.join(DEADLINE_S)
    shown = text(thread)
    assert shown
    assert "hunter22" not in shown
    assert len(shown) < MAX_REASON + 20


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_one_that_died_can_be_started_anew(go: threading.Event) -> None:
    deaths = [True]

    def loop() -> None:
        if deaths:
            deaths.pop()
            raise SystemExit
        go.wait()

    thread = LiveThread("x", loop)
    thread.start()
    thread.join(DEADLINE_S)
    thread.renew()
    assert thread.is_alive()
    assert text(thread) is None


def test_only_what_should_make_progress_can_be_stuck(go: threading.Event) -> None:
    told = threading.Event()

    def loop() -> None:
        thread.waiting()
        told.set()
        go.wait()

    thread = LiveThread("x", loop, stuck_after_s=5)
    thread.start()
    assert told.wait(DEADLINE_S)
    assert text(thread, 1000) is None
    assert thread.age_s() == 0
    thread.beat()
    assert text(thread, 4) is None
    assert text(thread, 6) == "has made no progress for 6 s"
    thread.beat(within_s=60)
    assert text(thread, 50) is None
    assert text(thread, 61)


def test_while_the_process_stood_still_nobody_is_stuck(go: threading.Event) -> None:
    thread = LiveThread("x", go.wait, stuck_after_s=5)
    thread.start()
    later_s = time.monotonic() + 60
    assert thread.fault(later_s)
    assert thread.fault(later_s, resumed_s=later_s - 1) is None
    assert thread.fault(later_s, resumed_s=later_s - 6)


def test_one_that_the_machine_has_no_room_for_says_so(
    monkeypatch: pytest.MonkeyPatch, go: threading.Event
) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    thread = LiveThread("x", go.wait)
    with monkeypatch.context() as patch:
        patch.setattr(threading, "_start_new_thread", refuse)
        thread.start()
    fault = thread.fault(time.monotonic())
    assert fault
    assert fault.kind is FaultKind.NOT_STARTED
    assert fault.text == "cannot be started (can't start new thread)"
    thread.join(DEADLINE_S)
    thread.renew()
    assert text(thread) is None
