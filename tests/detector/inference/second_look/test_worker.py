"""The second look's thread: what is urgent first, within its budget, and nobody waits for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import numpy as np
import pytest
from alerting import wait_for
from structlog.testing import capture_logs

from config.errors import ModelError
from detector.daemon.supervisor import Supervisor
from detector.inference.second_look import worker as module
from detector.inference.second_look.budget import MOST_LOOK_S, SHARE_OF_CORE, WINDOW_S, Budget
from detector.inference.second_look.worker import (
    Candidate,
    Looked,
    LookState,
    SecondLookWorker,
)
from detector.inference.worker import SampledView
from detector.motion.window import LastSecond
from detector.types import Box, MotionView, Sample, Square

PATIENCE_S = 10.0
DEADLINE_S = 60.0


def candidate(
    camera: str, urgency: float = 1.0, *, age_s: float = 0.0, alarmed: bool = False
) -> Candidate:
    """One whose newest picture arrived `age_s` ago; its window has no pictures."""
    utc = datetime.now(UTC)
    sample = Sample(camera, utc, time.monotonic() - age_s, 0.0, np.zeros((4, 4), np.uint8))
    view = MotionView(camera, utc, np.zeros(1), Box(0, 0, 1, 1), moving=True)
    second = LastSecond(sample.pts_s, (), Square(0, 0, 1))
    return Candidate(SampledView(sample, view, second), second, "violence", urgency, alarmed)


class Looking:
    """What looks: it says when it has begun, and goes on when it is let."""

    def __init__(self) -> None:
        self.begun = threading.Semaphore(0)
        self.go = threading.Semaphore(0)
        self.error: BaseException | None = None
        self.logit = 2.0
        self.loads = 0
        self.look_s = 0.1
        self.load_error: Exception | None = None

    def load(self) -> tuple[module.Look, float]:
        self.loads += 1
        if self.load_error:
            raise self.load_error
        return self.look, self.look_s

    def look(self, second: LastSecond) -> float:
        self.begun.release()
        assert self.go.acquire(timeout=PATIENCE_S)
        if self.error:
            raise self.error
        return self.logit


class Log:
    """What the worker reports and answers."""

    def __init__(self) -> None:
        self.answers: list[tuple[str, float | None]] = []
        self.not_: list[tuple[str, str]] = []
        self.fails: list[bool] = []
        self.ages_s: list[float] = []
        self.take: Callable[[Looked], None] = lambda looked: None

    def on_looked(self, looked: Looked) -> None:
        self.answers.append((looked.candidate.camera, looked.logit))
        self.take(looked)

    def looked(self, camera: str, cpu_s: float, age_s: float) -> None:
        assert 0 <= cpu_s < PATIENCE_S
        self.ages_s.append(age_s)

    def not_looked(self, camera: str, reason: str) -> None:
        self.not_.append((camera, reason))

    def failing(self, failing: bool) -> None:
        self.fails.append(failing)


class Stage:
    """A worker that is started, what it looks with, and what it has said."""

    def __init__(self) -> None:
        self.looking = Looking()
        self.log = Log()
        self.worker = SecondLookWorker({}, self.looking.load, self.log.on_looked, self.log)

    def start(self) -> None:
        self.worker.start()
        wait_for(lambda: self.worker.state is not LookState.STARTING)

    def begun(self) -> None:
        assert self.looking.begun.acquire(timeout=PATIENCE_S)

    def go(self, looks: int = 1) -> None:
        self.looking.go.release(looks)

    def answered(self, count: int) -> list[tuple[str, float | None]]:
        wait_for(lambda: len(self.log.answers) >= count)
        return self.log.answers


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    """One whose deadlines a busy machine keeps, too."""
    monkeypatch.setattr(module, "DEADLINE_S", DEADLINE_S)
    monkeypatch.setattr(module, "LEAST_WAIT_S", DEADLINE_S / 2)
    stage = Stage()
    yield stage
    stage.worker.request_stop()
    stage.go(100)
    stage.worker.thread.join(PATIENCE_S)
    assert not stage.worker.thread.is_alive()


def test_the_answer_comes_back_with_what_was_asked(stage: Stage) -> None:
    stage.start()
    stage.worker.offer(candidate("gate"))
    stage.go()
    assert stage.answered(1) == [("gate", 2.0)]
    assert stage.worker.ready


def test_each_camera_has_one_place_and_the_newest_has_it(stage: Stage) -> None:
    stage.start()
    stage.worker.offer(candidate("busy"))
    stage.begun()
    first, second = candidate("gate"), candidate("gate")
    seen: list[Candidate] = []
    stage.log.take = lambda looked: seen.append(looked.candidate)
    for one in (first, second):
        stage.worker.offer(one)
    stage.go(2)
    assert stage.answered(2) == [("busy", 2.0), ("gate", 2.0)]
    assert seen[-1] is second
    assert stage.log.not_ == [("gate", "superseded")]


def test_the_most_urgent_goes_first_and_alarms_still_to_be_raised_before_open_ones(
    stage: Stage,
) -> None:
    stage.start()
    stage.worker.offer(candidate("busy"))
    stage.begun()
    stage.worker.offer(candidate("open", 0.5, alarmed=True))
    stage.worker.offer(candidate("calm", 0.1))
    stage.worker.offer(candidate("fight", 0.9))
    stage.go(4)
    assert [camera for camera, _ in stage.answered(4)] == ["busy", "fight", "calm", "open"]


def test_what_cannot_be_answered_in_time_is_refused_at_once(stage: Stage) -> None:
    stage.start()
    stage.worker.offer(candidate("late", age_s=DEADLINE_S - stage.looking.look_s + 0.01))
    assert stage.answered(1) == [("late", None)]
    assert stage.log.not_ == [("late", "late")]
    assert stage.worker.state is LookState.BEHIND
    assert "too late" in stage.worker.reason
    assert stage.worker.ready


def test_once_the_budget_is_spent_only_what_is_urgent_is_looked_at_then_nothing(
    stage: Stage,
) -> None:
    stage.start()
    whole_s = SHARE_OF_CORE * WINDOW_S
    stage.go(100)
    stage.worker._budget.spend(time.monotonic(), whole_s / 2)
    stage.worker.offer(candidate("calm", 0.4))
    stage.worker.offer(candidate("fight", 0.6))
    assert sorted(stage.answered(2), key=str) == [("calm", None), ("fight", 2.0)]
    stage.worker._budget.spend(time.monotonic(), whole_s / 2)
    stage.worker.offer(candidate("fight", 1.0))
    assert stage.answered(3)[-1] == ("fight", None)
    assert stage.log.not_ == [("calm", "budget"), ("fight", "budget")]
    assert stage.worker.state is LookState.BEHIND


def test_whoever_asks_hears_what_the_budget_has_room_for_and_it_is_counted(stage: Stage) -> None:
    stage.start()
    assert stage.worker.allows("gate", 0.0)
    stage.worker._budget.spend(time.monotonic(), SHARE_OF_CORE * WINDOW_S / 2)
    assert stage.worker.allows("gate", 0.6)
    assert stage.worker.state is LookState.LOOKING
    assert not stage.worker.allows("gate", 0.4)
    assert stage.log.not_ == [("gate", "budget")]
    assert stage.worker.state is LookState.BEHIND
    assert "10% of a core, is spent" in stage.worker.reason


def test_the_budget_is_a_share_of_a_core_over_a_minute_and_comes_back() -> None:
    budget = Budget()
    looks = 0
    for tick in range(4 * 3600):  # a candidate each quarter of a second, for an hour
        if budget.allows(tick / 4, 1.0):
            budget.spend(tick / 4, 0.25)
            looks += 1
    assert looks * 0.25 / 3600 == pytest.approx(SHARE_OF_CORE, rel=0.05)
    assert not budget.allows(3600.0, 1.0)
    assert budget.allows(3600.0 + WINDOW_S + 0.01, 0.0)


def test_what_looks_takes_is_what_the_budget_is_spent_on(stage: Stage) -> None:
    """Seconds of the processor, not of waiting: the thread has to count its own."""

    def burn(second: LastSecond) -> float:
        until_s = time.thread_time() + 0.2
        while time.thread_time() < until_s:
            pass
        return 0.0

    stage.looking.look = burn  # type: ignore[method-assign]
    stage.start()
    stage.worker.offer(candidate("gate"))
    stage.answered(1)
    used = 1 - stage.worker._budget.left(time.monotonic())
    assert used == pytest.approx(0.2 / (SHARE_OF_CORE * WINDOW_S), rel=0.1)


@pytest.mark.parametrize("answer", ["an error", "no number"])
def test_a_look_that_fails_is_refused_and_the_next_is_tried(stage: Stage, answer: str) -> None:
    stage.start()
    if answer == "an error":
        stage.looking.error = RuntimeError("it broke down")
    stage.looking.logit = float("nan")
    stage.go(3)
    with capture_logs() as logs:
        for count in (1, 2):
            stage.worker.offer(candidate("gate"))
            assert stage.answered(count)[-1] == ("gate", None)
    assert [line["state"] for line in logs] == ["behind"]  # said once
    assert "a look failed" in stage.worker.reason
    stage.looking.error = None
    stage.looking.logit = 1.0
    stage.worker.offer(candidate("gate"))
    assert stage.answered(3)[-1] == ("gate", 1.0)


def test_an_answer_that_cannot_be_taken_costs_the_others_nothing(stage: Stage) -> None:
    stage.start()

    def refuse(looked: Looked) -> None:
        if looked.candidate.camera == "bad":
            raise ValueError("no")

    stage.log.take = refuse
    stage.go(2)
    with capture_logs() as logs:  # printing it would take too long
        stage.worker.offer(candidate("bad"))
        wait_for(lambda: logs)
    stage.worker.offer(candidate("gate"))
    assert stage.answered(2)[-1] == ("gate", 2.0)


def test_it_says_that_it_keeps_up_again_a_minute_after_the_last_one_left_out(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.start()
    stage.worker.offer(candidate("gate", age_s=DEADLINE_S))
    wait_for(lambda: stage.worker.state is LookState.BEHIND)
    monkeypatch.setattr(module, "WINDOW_S", 0.0)
    with capture_logs() as logs:
        wait_for(lambda: stage.worker.state is LookState.LOOKING)
    assert [(line["event"], line["state"]) for line in logs] == [("second look", "looking")]
    assert stage.worker.reason == ""


def test_weights_that_cannot_be_loaded_are_named_and_nothing_waits_for_them(stage: Stage) -> None:
    stage.looking.load_error = ModelError("second-look.tflite: cannot be read")
    with capture_logs() as logs:
        stage.start()
    assert not stage.worker.ready
    assert stage.worker.state is LookState.FAILING
    assert stage.worker.reason == "second-look.tflite: cannot be read"
    assert logs[0]["log_level"] == "warning"
    assert stage.log.fails == [True]
    assert stage.worker.thread.fault(time.monotonic()) is None  # it has ended, and did not die


def test_a_machine_on_which_a_look_takes_too_long_is_told_so(stage: Stage) -> None:
    stage.looking.look_s = MOST_LOOK_S + 0.1
    stage.start()
    assert not stage.worker.ready
    assert "1.10 s" in stage.worker.reason


def test_where_looks_end_after_the_deadline_it_says_so_and_looks_at_the_newest_all_the_same(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "DEADLINE_S", 0.6)
    stage.looking.look_s = 0.7
    stage.start()
    assert "longer than an alarm waits" in stage.worker.reason
    stage.go(2)
    stage.worker.offer(candidate("old", age_s=DEADLINE_S / 2 + 1))
    assert stage.answered(1) == [("old", None)]
    stage.worker.offer(candidate("new"))
    assert stage.answered(2)[-1] == ("new", 2.0)


def test_the_quickest_look_counts_for_a_start_may_be_slow(stage: Stage) -> None:
    stage.looking.look_s = MOST_LOOK_S
    stage.start()
    assert "longer than an alarm waits" in stage.worker.reason
    stage.worker.offer(candidate("gate"))
    stage.go()
    stage.answered(1)
    assert stage.worker.reason == ""


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_dies_is_started_anew_with_a_fresh_network(stage: Stage) -> None:
    stage.start()
    stage.looking.error = SystemExit()  # what no loop may catch
    stage.worker.offer(candidate("gate"))
    stage.go()
    stage.worker.thread.join(PATIENCE_S)
    assert not stage.worker.ready
    stage.looking.error = None
    supervisor = Supervisor(lambda: [stage.worker.thread])
    supervisor.look()
    wait_for(lambda: stage.worker.ready)
    assert stage.looking.loads == 2
    stage.worker.offer(candidate("gate"))
    stage.go()
    assert stage.answered(1) == [("gate", 2.0)]


def test_a_thread_that_hangs_is_left_behind_and_its_late_answer_goes_nowhere(stage: Stage) -> None:
    stage.start()
    stage.worker.offer(candidate("old"))
    stage.begun()
    hung = stage.worker.thread
    hung.beat(within_s=-60)
    Supervisor(lambda: [stage.worker.thread]).look()
    assert stage.worker.thread is not hung
    wait_for(lambda: stage.worker.ready)
    stage.worker.offer(candidate("new"))
    stage.begun()
    stage.go(2)
    hung.join(PATIENCE_S)
    assert stage.answered(1) == [("new", 2.0)]
    assert stage.looking.loads == 2


def test_a_camera_that_is_gone_is_forgotten(stage: Stage) -> None:
    stage.start()
    stage.worker.offer(candidate("busy"))
    stage.begun()
    stage.worker.offer(candidate("gone", 1.0))
    stage.worker.offer(candidate("gate", 0.5))
    stage.worker.remove("gone")
    stage.go(3)
    assert [camera for camera, _ in stage.answered(2)] == ["busy", "gate"]
