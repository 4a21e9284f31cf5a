"""The worker: newest view first, one batch for all, and nothing that ends it but `stop`."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from detector.inference import overload as load
from detector.inference.worker import STALENESS_BUDGET_S, InferenceWorker, SampledView, ScoredView
from detector.types import Box, MotionView, Sample
from engines import MeanEngine

DEADLINE_S = 10.0
LABELS = ("violence",)


def offer(
    camera: str, value: float = 0.5, *, age_s: float = 0.0, moving: bool = True
) -> SampledView:
    """A view of `camera` whose pixels are all `value`, `age_s` old."""
    utc = datetime.now(UTC)
    grey = np.zeros((4, 4), np.uint8)
    sample = Sample(camera, utc, time.monotonic() - age_s, 0.0, grey)
    pixels = np.full((96, 96, 3), value if moving else 0, np.float32)
    return SampledView(sample, MotionView(camera, utc, pixels, Box(0, 0, 1, 1), moving))


class PlainHead:
    """Probability = the embedding; nothing moving = 0."""

    labels = LABELS

    def new_state(self) -> None:
        pass

    def __call__(self, embeddings: NDArray[Any], states: Sequence[Any]) -> NDArray[Any]:
        return embeddings

    def rest(self, state: Any) -> NDArray[Any]:
        return np.zeros(1, np.float32)


class CountingHead(PlainHead):
    """A stand-in for a temporal head: counts the views and rests that each camera has had."""

    def new_state(self) -> Counter[str]:  # type: ignore[override]
        return Counter()

    def __call__(self, embeddings: NDArray[Any], states: Sequence[Any]) -> NDArray[Any]:
        for state in states:
            state["views"] += 1
        return np.array([[state["views"] / 100] for state in states], np.float32)

    def rest(self, state: Any) -> NDArray[Any]:
        state["rests"] += 1
        return np.array([state["rests"] / 1000], np.float32)


class GatedEngine(MeanEngine):
    """Says when it has begun and goes on when it is let: so a test can act during an inference."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.go = threading.Event()
        self.batches: list[int] = []
        self.fail = 0

    def embed(self, views: NDArray[Any]) -> NDArray[Any]:
        self.batches.append(len(views))
        self.begun.set()
        assert self.go.wait(DEADLINE_S)
        if self.fail:
            self.fail -= 1
            raise RuntimeError("the engine has broken down")
        return super().embed(views)


class Log:
    """What the worker reports and hands over, in the order of events."""

    def __init__(self) -> None:
        self.scores: list[tuple[str, float]] = []
        self.drops: list[tuple[str, str]] = []
        self.counted: list[str] = []
        self.batches: list[int] = []
        self.overloads: list[bool] = []
        self.changed = threading.Condition()
        self.take: Callable[[ScoredView], None] = lambda scored: None

    def on_scored(self, scored: ScoredView) -> None:
        with self.changed:
            value = round(float(scored.probabilities[0]), 4)
            self.scores.append((scored.sampled.view.camera, value))
            self.changed.notify_all()
        self.take(scored)

    def dropped(self, camera: str, reason: str) -> None:
        with self.changed:
            self.drops.append((camera, reason))
            self.changed.notify_all()

    def scored(self, camera: str, age_s: float) -> None:
        assert 0 <= age_s < DEADLINE_S
        self.counted.append(camera)

    def batch(self, size: int, seconds: float) -> None:
        self.batches.append(size)

    def overloaded(self, overloaded: bool) -> None:
        with self.changed:
            self.overloads.append(overloaded)
            self.changed.notify_all()

    def wait(self, *, scores: int = 0, drops: int = 0) -> None:
        with self.changed:
            assert self.changed.wait_for(
                lambda: len(self.scores) >= scores and len(self.drops) >= drops, DEADLINE_S
            ), (self.scores, self.drops)


class Bench:
    """A worker with its engine, head and log."""

    def __init__(self, head: Any, cameras: Sequence[str]) -> None:
        self.engine = GatedEngine()
        self.log = Log()
        self.worker = InferenceWorker(self.engine, head, self.log.on_scored, self.log)
        for camera in cameras:
            self.worker.add(camera)

    def occupy(self, camera: str) -> None:
        """Start, and have the engine hold a first view of `camera` until it is let go."""
        self.worker.start()
        self.worker.offer(offer(camera, 0.01))
        assert self.engine.begun.wait(DEADLINE_S)


@pytest.fixture
def bench() -> Iterator[Callable[..., Bench]]:
    made: list[Bench] = []

    def make(*cameras: str, head: Any = None) -> Bench:
        made.append(Bench(head or PlainHead(), cameras))
        return made[-1]

    yield make
    for one in made:
        one.engine.go.set()
        if one.worker.thread.is_alive():
            one.worker.stop(DEADLINE_S)
        assert not one.worker.thread.is_alive()


def test_the_newest_view_wins_and_the_replaced_one_is_counted(bench: Any) -> None:
    b = bench("gate", "yard")
    b.occupy("gate")
    for value in (0.1, 0.2, 0.3):
        b.worker.offer(offer("gate", value))
    b.worker.offer(offer("yard", 0.7))
    b.engine.go.set()
    b.log.wait(scores=3)
    assert b.log.scores[1:] == [("gate", 0.3), ("yard", 0.7)]
    assert b.log.drops == [("gate", "superseded")] * 2


@pytest.mark.slow
def test_an_overload_is_over_when_no_more_views_come(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load, "WINDOW_S", 0.05)
    b = bench("gate", "yard")
    b.occupy("gate")
    for value in (0.1, 0.2, 0.3):
        b.worker.offer(offer("gate", value))
    b.engine.go.set()
    with b.log.changed:
        assert b.log.changed.wait_for(lambda: b.log.overloads == [True, False], DEADLINE_S)


def test_every_offer_is_scored_or_counted_as_dropped(bench: Any) -> None:
    b = bench("gate", "yard")
    b.engine.go.set()
    b.worker.start()
    for i in range(300):
        b.worker.offer(offer(("gate", "yard")[i % 2], i / 300, moving=i % 3 > 0))
    b.worker.stop(DEADLINE_S)
    assert len(b.log.counted) + len(b.log.drops) == 300
    assert b.log.counted == [camera for camera, _ in b.log.scores]


def test_a_view_past_its_time_is_dropped_without_inference(bench: Any) -> None:
    b = bench("gate", "yard")
    b.occupy("yard")
    b.worker.offer(offer("gate", age_s=STALENESS_BUDGET_S + 0.1))
    b.engine.go.set()
    b.log.wait(scores=1, drops=1)
    assert b.log.drops == [("gate", "stale")]
    b.worker.stop(DEADLINE_S)
    assert b.engine.batches == [1]


def test_all_cameras_go_through_in_one_batch(bench: Any) -> None:
    names = [f"camera-{i}" for i in range(12)]
    b = bench("first", *names)
    b.occupy("first")
    for i, name in enumerate(names):
        b.worker.offer(offer(name, i / 20))
    b.engine.go.set()
    b.log.wait(scores=13)
    assert b.engine.batches == [1, 12] == b.log.batches
    assert dict(b.log.scores[1:]) == {f"camera-{i}": pytest.approx(i / 20) for i in range(12)}


def test_a_picture_in_which_nothing_moves_costs_no_inference(bench: Any) -> None:
    b = bench("gate", "yard", head=CountingHead())
    b.occupy("yard")
    b.worker.offer(offer("gate", moving=False))
    b.engine.go.set()
    b.log.wait(scores=2)
    assert b.log.scores[1] == ("gate", 0.001)
    assert b.engine.batches == [1]
    assert b.log.counted == ["yard", "gate"]


def test_each_camera_has_a_state_of_its_own_for_a_head_that_looks_back(bench: Any) -> None:
    b = bench("gate", "yard", head=CountingHead())
    b.engine.go.set()
    b.worker.start()
    for count in range(1, 4):
        b.worker.offer(offer("gate"))
        b.log.wait(scores=count)
    b.worker.offer(offer("yard"))
    b.log.wait(scores=4)
    b.worker.offer(offer("gate", moving=False))
    b.log.wait(scores=5)
    assert [value for _, value in b.log.scores] == [0.01, 0.02, 0.03, 0.01, 0.001]
    b.worker.remove("gate")
    b.worker.add("gate")
    b.worker.offer(offer("gate"))
    b.log.wait(scores=6)
    assert b.log.scores[-1] == ("gate", 0.01)  # starts anew


def test_an_engine_that_fails_loses_its_batch_and_nothing_more(bench: Any) -> None:
    b = bench("gate", "yard")
    b.engine.fail = 1
    b.occupy("gate")
    b.engine.go.set()
    b.log.wait(drops=1)
    assert b.log.drops == [("gate", "failed")]
    b.worker.offer(offer("gate", 0.6))
    b.log.wait(scores=1)
    assert b.log.scores == [("gate", 0.6)]
    assert b.log.counted == ["gate"]


def test_a_score_that_cannot_be_taken_costs_the_other_cameras_nothing(bench: Any) -> None:
    b = bench("first", "gate", "yard")

    def refuse_gate(scored: ScoredView) -> None:
        if scored.sampled.view.camera == "gate":
            raise ValueError("a bug in one camera's judgement")

    b.log.take = refuse_gate
    b.occupy("first")
    b.worker.offer(offer("gate", age_s=0.1))
    b.worker.offer(offer("yard"))
    b.engine.go.set()
    b.log.wait(scores=3)
    b.worker.stop(DEADLINE_S)
    assert [camera for camera, _ in b.log.scores] == ["first", "gate", "yard"]
    assert b.log.drops == []
    assert b.log.counted == ["first", "gate", "yard"]


def test_what_is_pending_is_scored_before_it_stops(bench: Any) -> None:
    b = bench("first", "gate", "yard")
    b.occupy("first")
    b.worker.offer(offer("gate"))
    b.worker.offer(offer("yard", moving=False))
    stopper = threading.Thread(target=b.worker.stop, args=(DEADLINE_S,))
    stopper.start()
    b.engine.go.set()
    stopper.join(DEADLINE_S)
    assert [camera for camera, _ in b.log.scores] == ["first", "gate", "yard"]


def test_a_camera_removed_during_an_inference_leaves_no_trace(bench: Any) -> None:
    b = bench("gate", "yard", head=CountingHead())
    b.occupy("yard")
    b.worker.offer(offer("gate"))
    b.worker.remove("gate")  # still pending
    b.worker.remove("yard")  # in the engine
    b.worker.offer(offer("yard"))  # its reader's last
    b.worker.add("street")
    b.worker.offer(offer("street"))
    b.engine.go.set()
    b.log.wait(scores=1)
    b.worker.stop(DEADLINE_S)
    assert b.log.scores == [("street", 0.01)]
    assert b.log.counted == ["street"]
    assert b.log.drops == []


def test_a_camera_added_again_starts_without_its_old_view(bench: Any) -> None:
    b = bench("gate", "first")
    b.occupy("first")
    b.worker.offer(offer("gate", 0.1))
    b.worker.remove("gate")
    b.worker.add("gate")
    b.engine.go.set()
    b.worker.stop(DEADLINE_S)
    assert [camera for camera, _ in b.log.scores] == ["first"]


def test_a_camera_that_pauses_does_not_hold_up_the_others(bench: Any) -> None:
    b = bench("gate", "asleep")
    b.engine.go.set()
    b.worker.start()
    for count in range(1, 6):
        b.worker.offer(offer("gate", count / 10))
        b.log.wait(scores=count)
    assert b.log.drops == []


def test_progress_shows_while_there_is_nothing_to_do_but_not_in_a_stuck_engine(bench: Any) -> None:
    b = bench("gate")
    begun_s = time.monotonic()
    b.occupy("gate")
    stuck_at = b.worker.thread.progress_s
    assert stuck_at >= begun_s
    b.worker.offer(offer("gate"))
    assert b.worker.thread.progress_s == stuck_at
    b.engine.go.set()
    b.log.wait(scores=2)
    assert b.worker.thread.progress_s > stuck_at
