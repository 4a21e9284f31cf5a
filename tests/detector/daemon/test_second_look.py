"""A camera with a second look: what that finds opens, and alarms come whatever becomes of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from alerting import wait_for
from prometheus_client import CollectorRegistry, generate_latest

from config.errors import ModelError
from config.settings import CameraSettings, DetectionSettings
from config.urls import StreamUrl
from detector.capture.frames import ArrayFrame
from detector.daemon.alerting import IncidentReport
from detector.daemon.calibration_store import CalibrationStore
from detector.daemon.observability.metrics import DetectorMetrics, LookMetrics, WorkerMetrics
from detector.daemon.watched.camera import CameraCallbacks, WatchedCamera
from detector.incidents.second_look import DEADLINE_S, Fusion, SecondLookRules
from detector.incidents.tracker import IncidentRules
from detector.inference.second_look.budget import SHARE_OF_CORE, WINDOW_S
from detector.inference.second_look.worker import Look, Looked, LookState, SecondLookWorker
from detector.inference.weights import Classifier
from detector.inference.worker import InferenceWorker, SampledView, ScoredView
from detector.motion.window import FRAMES, LastSecond
from detector.types import Phase, Sample

START = datetime(2026, 1, 1, tzinfo=UTC)
PATIENCE_S = 10.0
RULES = SecondLookRules(
    candidate=0.3,
    alone=0.7,
    incident=IncidentRules(0.8, 0.7, 0, 2),
    fusion=Fusion(first=0.0, second=1.0, intercept=0.0),
)
FIGHT, NO_FIGHT = 3.0, -3.0
"""What the second stage says, log-odds."""


class ByHand(InferenceWorker):
    """Keeps the newest view, which the test scores."""

    newest: SampledView

    def offer(self, sampled: SampledView) -> None:
        self.newest = sampled


class Yard:
    """A watched camera on which something moves, its second look, and what is reported.

    Its clock is that of its samples: an eighth of a second passes with each.
    """

    def __init__(
        self,
        classifier: Classifier,
        folder: Path,
        look: Look,
        *,
        load_error: Exception | None = None,
        rules: SecondLookRules | None = RULES,
        **detection: object,
    ) -> None:
        self.registry = CollectorRegistry()
        metrics = DetectorMetrics(self.registry)
        self.reports: list[IncidentReport] = []
        self.answers: list[Looked] = []
        self.seen: list[LastSecond] = []
        self.inference = ByHand(
            classifier.engine, classifier.head, lambda _: None, WorkerMetrics(metrics)
        )

        def load() -> tuple[Look, float]:
            if load_error:
                raise load_error
            return self._look, 0.1

        self._answer = look
        self.second_look = SecondLookWorker(
            {"violence": rules} if rules else {}, load, self._on_looked, LookMetrics(metrics)
        )
        camera = CameraSettings(
            name="gate",
            url=StreamUrl.parse("pattern://calm"),
            site="harbour",
            detection=DetectionSettings.model_validate(
                {"merge_gap_s": 2, "second_look": True, **detection}
            ),
        )
        self.camera = WatchedCamera(
            camera,
            classifier,
            self.inference,
            metrics,
            CameraCallbacks(self.reports.append, lambda _: None, lambda *_: None),
            CalibrationStore(folder, classifier.sidecar),
            self.second_look,
        )
        self.at_s = 1000.0
        self.pictures: list[int] = []
        self._rng = np.random.default_rng(3)
        self._scene = self._rng.integers(60, 120, (90, 160, 3)).astype(np.uint8)

    def start(self) -> None:
        self.second_look.start()
        wait_for(lambda: self.second_look.state is not LookState.STARTING)

    def go(self, probability: float, seconds: float, *, wait: bool = True) -> None:
        """So many seconds of one probability; `wait`: for the answer to each look."""
        for _ in range(round(8 * seconds)):
            self.at_s += 1 / 8
            picture = self._scene.copy()
            for x in self._rng.integers(30, 120, 2):
                picture[20:60, x : x + 20] = 250
            now_s = time.monotonic()
            utc = START + timedelta(seconds=self.at_s)
            grey = picture[..., 1].copy()
            lag_s = now_s - self.at_s
            sample = Sample("gate", utc, now_s, self.at_s, grey, ArrayFrame(picture), lag_s)
            asked = self.camera._judge._asked_s.get("violence")
            if self.camera._on_sample(sample) is None:
                continue  # too few for a view yet
            row = np.array([probability], np.float32)
            self.camera.on_scored(ScoredView(self.inference.newest, row))
            look = self.camera._second_look
            self.pictures.append(len(look._window._kept) if look else 0)
            if wait and self.camera._judge._asked_s.get("violence") != asked:
                wait_for(lambda at_s=self.at_s: self._answered_s() == pytest.approx(at_s))

    def opened(self) -> list[IncidentReport]:
        return [r for r in self.reports if r.incident.phase is Phase.OPENED]

    def metric(self, line: str) -> bool:
        return line in generate_latest(self.registry).decode()

    def _answered_s(self) -> float:
        return self.answers[-1].candidate.sampled.sample.at_s if self.answers else 0.0

    def _look(self, second: LastSecond) -> float:
        self.seen.append(second)
        return self._answer(second)

    def _on_looked(self, looked: Looked) -> None:
        self.camera.on_looked(looked)
        self.answers.append(looked)


Make = Callable[..., Yard]


@pytest.fixture
def make(classifier: Classifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    # a busy machine may take its time to look, for the cameras' clock stands still meanwhile
    monkeypatch.setattr("detector.inference.second_look.worker.DEADLINE_S", 60.0)
    made: list[Yard] = []

    def yard(look: Look = lambda _: FIGHT, **more: object) -> Yard:
        made.append(Yard(classifier, tmp_path, look, **more))  # type: ignore[arg-type]
        return made[-1]

    yield yard
    for one in made:
        one.second_look.request_stop()
        one.second_look.thread.join(PATIENCE_S)


def test_what_the_second_look_finds_is_an_alarm_that_says_so(make: Make) -> None:
    yard = make()
    yard.start()
    yard.go(0.1, 2)
    yard.go(0.5, 3)  # the first stage alone would open at 0.7
    [report] = yard.opened()
    assert report.incident.verified is True
    assert yard.metric('jikimi_second_looks_total{camera="gate"}')
    assert yard.metric("jikimi_second_look_seconds_count")


def test_a_look_sees_eight_pictures_up_to_the_one_that_the_alarm_shows(make: Make) -> None:
    yard = make()
    yard.start()
    yard.go(0.1, 2)
    yard.go(0.9, 2)
    [report] = yard.opened()
    first = yard.seen[0]
    assert len(first.frames) == FRAMES
    assert report.sample is not None
    assert first.frames[-1] is report.sample.frame
    assert first.pixels(32).shape == (FRAMES, 32, 32, 3)


def test_what_the_second_look_denies_is_no_alarm(make: Make) -> None:
    yard = make(lambda _: NO_FIGHT)
    yard.start()
    yard.go(0.1, 2)
    yard.go(1.0, 6)
    assert yard.reports == []
    assert len(yard.seen) > 8
    assert [second.mirrored for second in yard.seen[:4]] == [False, True, False, True]


def blocked(_: LastSecond) -> float:
    """A network that takes longer than the test."""
    threading.Event().wait(PATIENCE_S / 4)
    return FIGHT


def broken(_: LastSecond) -> float:
    raise RuntimeError("it has broken down")


def deadly(_: LastSecond) -> float:
    raise SystemExit


def spent(yard: Yard) -> None:
    yard.second_look._budget.spend(time.monotonic(), SHARE_OF_CORE * WINDOW_S)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize(
    ("look", "load_error", "before"),
    [
        pytest.param(blocked, None, lambda _: None, id="slow"),
        pytest.param(broken, None, lambda _: None, id="raises"),
        pytest.param(deadly, None, lambda _: None, id="thread killed"),
        pytest.param(lambda _: FIGHT, None, spent, id="budget spent"),
        pytest.param(lambda _: FIGHT, ModelError("missing"), lambda _: None, id="missing"),
    ],
)
def test_alarms_come_in_time_without_it_and_say_that_they_are_not_verified(
    make: Make,
    look: Look,
    load_error: Exception | None,
    before: Callable[[Yard], None],
) -> None:
    yard = make(look, load_error=load_error)
    yard.start()
    before(yard)
    yard.go(0.1, 2)
    begun_s = yard.at_s
    while not yard.opened():
        assert yard.at_s - begun_s < PATIENCE_S
        yard.go(1.0, 1 / 8, wait=False)
    assert yard.opened()[0].incident.verified is False
    alone_s = 7 / 8  # of ten values, trimmed: six of eight are 1 then
    waits_s = 0.0 if load_error else 1 / 8 + DEADLINE_S + 1 / 8  # for a whole window, and a sample
    assert yard.at_s - begun_s <= alone_s + waits_s
    yard.go(1.0, 1, wait=False)
    assert len(yard.opened()) == 1


def test_weights_whose_second_look_cannot_be_read_leave_the_first_stage(make: Make) -> None:
    yard = make(rules=None, load_error=ModelError("second-look.npz: is not the head"))
    yard.start()
    yard.go(0.75, 4)
    assert [r.incident.verified for r in yard.opened()] == [False]
    assert set(yard.pictures) == {1}
    assert yard.metric("jikimi_second_look_failing 1.0")


def test_a_fight_is_verified_as_long_as_the_budget_has_room_for_what_is_urgent(make: Make) -> None:
    """Its first look, far from an alarm, may not be had; that must not decide the alarm."""
    yard = make()
    yard.start()
    yard.second_look._budget.spend(time.monotonic(), SHARE_OF_CORE * WINDOW_S / 2)
    yard.go(0.1, 2)
    yard.go(0.4, 4)
    assert yard.seen == []
    assert not yard.metric('left_out_total{camera="gate",reason="budget"} 0.0')
    yard.go(1.0, 2)
    assert [r.incident.verified for r in yard.opened()] == [True]


def test_below_the_first_stages_own_threshold_nothing_opens_unverified(make: Make) -> None:
    yard = make(broken)
    yard.start()
    yard.go(0.69, 6)
    assert yard.reports == []


def test_with_the_queue_full_of_another_cameras_candidate_the_first_stage_decides(
    make: Make,
) -> None:
    """One look is under way and does not end; what waits behind it is never answered."""
    let = threading.Event()
    yard = make(lambda _: float(let.wait(PATIENCE_S)))
    yard.start()
    yard.go(0.1, 2)
    yard.go(1.0, 1.5, wait=False)
    wait_for(lambda: bool(yard.seen))
    yard.go(1.0, 1.5, wait=False)
    assert [r.incident.verified for r in yard.opened()] == [False]
    assert len(yard.second_look._waiting) == 1  # one place a camera, however long it takes
    assert yard.metric('left_out_total{camera="gate",reason="superseded"}')
    yard.camera.request_stop("camera removed")
    assert len(yard.second_look._waiting) == 0  # counted later, its series would come back
    let.set()


def test_a_calm_camera_keeps_no_pictures_and_asks_for_nothing(make: Make) -> None:
    yard = make()
    yard.start()
    yard.go(0.14, 6)
    assert set(yard.pictures) == {1}  # the newest, which the camera holds anyway
    assert yard.seen == []
    yard.go(0.16, 2)
    assert yard.pictures[-1] == FRAMES
    yard.go(0.0, 2)
    assert yard.pictures[-1] == 1


def test_switched_off_motion_alone_decides_by_the_weights_rules(make: Make) -> None:
    yard = make(second_look=False)
    yard.go(0.69, 4)
    assert yard.reports == []
    yard.go(0.75, 4)
    assert [r.incident.verified for r in yard.opened()] == [False]
    assert set(yard.pictures) == {0}
    assert yard.camera.status()["calibration"]["violence"]["open_threshold"] == pytest.approx(0.7)


def test_thresholds_are_learnt_on_what_both_stages_say(make: Make) -> None:
    yard = make()
    assert yard.camera.status()["calibration"]["violence"]["open_threshold"] == pytest.approx(0.8)
    yard.start()
    yard.go(0.1, 2)
    yard.go(0.5, 22)
    calibrator = yard.camera._judge.calibrators["violence"]
    openings = calibrator.learnt().days[-1].openings
    assert openings[-5] == 1  # fused 0.95: beyond what the first stage's 0.5 has reached
    assert calibrator.learnt().days[-1].hours > 0


def test_an_answer_after_the_camera_is_gone_goes_nowhere(make: Make) -> None:
    yard = make()
    yard.start()
    yard.go(0.1, 2)
    yard.go(0.5, 2)
    before = len(yard.reports)
    yard.camera.request_stop("camera removed")
    yard.camera.on_looked(yard.answers[-1])
    assert [r.reason for r in yard.reports[before:]] == ["camera removed"]
