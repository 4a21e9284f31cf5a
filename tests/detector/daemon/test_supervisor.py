"""Who looks after the threads: mends, replaces, names, and gives up where it does not help."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest
from structlog.testing import capture_logs

from alerts.liveness import LiveThread
from config.errors import JikimiError
from detector.daemon.supervisor import MOST_LEFT_BEHIND, PAUSE_S, SUSPENDED_S, Supervisor

DEADLINE_S = 10.0

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")


class Worker:
    """A thread that waits until it is told to die or to end, and those that took its place."""

    def __init__(self, name: str = "capture-gate", *, vital: bool = False) -> None:
        self._dying = threading.Event()
        self._end = threading.Event()
        self._go = threading.Event()
        self.thread = LiveThread(name, self._loop, vital=vital, stuck_after_s=5)
        self.thread.start()

    def die(self) -> None:
        self._dying.set()
        self._go.set()
        self.thread.join(DEADLINE_S)
        self._dying.clear()
        self._go.clear()

    def hang(self) -> None:
        """It should have made progress a minute ago."""
        self.thread.beat(within_s=-60)
        self.thread.progress_s -= 60

    def end(self) -> None:
        self._go.set()
        self.thread.join(DEADLINE_S)

    def _loop(self) -> None:
        self._go.wait()
        if self._dying.is_set():
            raise ValueError("no")


Make = Callable[..., Worker]


@pytest.fixture
def make() -> Iterator[Make]:
    made: list[Worker] = []

    def worker(name: str = "capture-gate", *, vital: bool = False) -> Worker:
        made.append(Worker(name, vital=vital))
        return made[-1]

    yield worker
    for one in made:
        one.end()


def test_all_is_well(make: Make) -> None:
    worker = make(vital=True)
    supervisor = Supervisor(lambda: [worker.thread])
    supervisor.look()
    assert (supervisor.stuck(), supervisor.faults()) == ([], [])
    assert not supervisor.is_faulty(worker.thread)
    assert supervisor.restarts("capture-gate") == 0


def test_what_died_is_named_started_anew_and_named_for_a_minute(make: Make) -> None:
    worker = make(vital=True)
    supervisor = Supervisor(lambda: [worker.thread])
    worker.die()
    assert supervisor.faults() == ["capture-gate died (ValueError: no)"]
    assert supervisor.stuck() == []  # at the next look it lives again
    with capture_logs() as logs:
        supervisor.look()
    assert worker.thread.is_alive()
    assert supervisor.faults() == ["capture-gate died (ValueError: no), started anew 0 s ago"]
    assert supervisor.restarts("capture-gate") == 1
    [line] = logs
    assert (line["log_level"], line["thread"]) == ("error", "capture-gate")


def test_what_is_vital_and_dies_again_and_again_ends_the_process(make: Make) -> None:
    worker = make(vital=True)
    supervisor = Supervisor(lambda: [worker.thread])
    for _ in range(worker.thread.most_deaths):
        worker.die()
        supervisor.look()
    worker.die()
    with pytest.raises(JikimiError, match=r"capture-gate died \(ValueError: no\), 6 times within"):
        supervisor.look()


def test_a_camera_that_dies_again_and_again_ends_nobody_elses_watch(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = make()
    supervisor = Supervisor(lambda: [worker.thread])
    for _ in range(worker.thread.most_deaths + 1):
        worker.die()
        supervisor.look()
    worker.die()
    supervisor.look()
    assert not worker.thread.is_alive()  # at once has not helped six times
    assert "capture-gate died (ValueError: no)" in supervisor.faults()
    assert supervisor.is_faulty(worker.thread)
    assert supervisor.stuck() == []
    later_s = time.monotonic() + PAUSE_S
    monkeypatch.setattr(time, "monotonic", lambda: later_s)
    supervisor.looked_s = later_s
    supervisor.look()
    assert worker.thread.is_alive()


def test_what_is_vital_and_hangs_is_not_alive(make: Make) -> None:
    worker = make("inference", vital=True)
    supervisor = Supervisor(lambda: [worker.thread])
    worker.hang()
    supervisor.look()
    [stuck] = supervisor.stuck()
    assert stuck.startswith("inference has made no progress for 6")
    assert supervisor.faults() == []  # said once
    worker.thread.beat()
    assert supervisor.stuck() == []


def test_what_is_not_vital_and_hangs_is_named_only(make: Make) -> None:
    worker = make("calibration")
    supervisor = Supervisor(lambda: [worker.thread])
    worker.hang()
    supervisor.look()
    assert supervisor.stuck() == []
    [fault] = supervisor.faults()
    assert fault.startswith("calibration has made no progress")
    assert supervisor.is_faulty(worker.thread)
    assert supervisor.restarts("calibration") == 0


def test_what_may_be_left_behind_is_replaced_but_not_for_ever(make: Make) -> None:
    workers: list[Worker] = []

    def replace() -> None:
        workers.append(make())
        workers[-1].thread.replace = replace

    replace()
    supervisor = Supervisor(lambda: [workers[-1].thread])
    for _ in range(MOST_LEFT_BEHIND + 2):
        workers[-1].hang()
        supervisor.look()
    assert len(workers) == 1 + MOST_LEFT_BEHIND
    assert supervisor.restarts("capture-gate") == MOST_LEFT_BEHIND
    assert any("left behind and replaced" in fault for fault in supervisor.faults())
    workers[0].end()  # it comes back after all
    supervisor.look()
    assert len(workers) == 2 + MOST_LEFT_BEHIND


def test_after_the_process_stood_still_nobody_is_replaced(make: Make) -> None:
    worker = make()
    replaced: list[bool] = []
    worker.thread.replace = lambda: replaced.append(True)
    supervisor = Supervisor(lambda: [worker.thread])
    worker.hang()
    supervisor.looked_s -= 2 * SUSPENDED_S
    supervisor.look()
    assert (replaced, supervisor.faults()) == ([], [])


def test_a_supervisor_that_does_not_look_is_not_alive(make: Make) -> None:
    supervisor = Supervisor(lambda: [make().thread])
    supervisor.looked_s -= 11
    assert supervisor.stuck() == ["the supervisor has made no progress for 11 s"]
