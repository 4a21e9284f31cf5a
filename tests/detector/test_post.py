"""One camera's place in the daemon: news in order, none after it is gone."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from prometheus_client import CollectorRegistry, generate_latest

from config.settings import CameraSettings, DetectionSettings
from config.urls import StreamUrl
from detector.handover import News
from detector.inference.weights import Classifier
from detector.inference.worker import InferenceWorker, Offer, Scored
from detector.metrics import DetectorMetrics, WorkerMetrics
from detector.post import CameraPost, Outlets
from detector.types import Box, MotionView, Phase, Sample

START = datetime(2026, 1, 1, tzinfo=UTC)


class Street:
    """A post that is fed scores by hand, and what it reports."""

    def __init__(self, classifier: Classifier) -> None:
        self.registry = CollectorRegistry()
        metrics = DetectorMetrics(self.registry)
        self.news: list[News] = []
        self.now = START
        worker = InferenceWorker(
            classifier.engine, classifier.head, lambda _: None, WorkerMetrics(metrics)
        )
        camera = CameraSettings(
            name="gate",
            url=StreamUrl.parse("pattern://calm"),
            site="harbour",
            detection=DetectionSettings(merge_gap_s=2),
        )
        outlets = Outlets(self.news.append, lambda _: None, lambda *_: None)
        self.post = CameraPost(camera, classifier, worker, metrics, outlets)

    def scores(self, probability: float, count: int) -> None:
        """`count` scored views, an eighth of a second apart."""
        for _ in range(count):
            self.now += timedelta(seconds=1 / 8)
            pixels = np.zeros((96, 96, 3), np.float32)
            view = MotionView("gate", self.now, pixels, Box(0, 0, 1, 1), moving=True)
            sample = Sample("gate", self.now, 0.0, 0.0, np.zeros((90, 160), np.uint8))
            row = np.array([probability], np.float32)
            self.post.on_scored(Scored(Offer(sample, view), row))

    def phases(self) -> list[Phase]:
        """What was reported, updates left out."""
        found = [news.incident.phase for news in self.news]
        return [phase for phase in found if phase is not Phase.UPDATED]

    def metric(self, line: str) -> bool:
        return line in generate_latest(self.registry).decode()


@pytest.fixture
def street(classifier: Classifier) -> Street:
    return Street(classifier)


def test_a_fight_is_reported_counted_and_closed_when_scores_stop_coming(street: Street) -> None:
    street.scores(0.95, 16)
    assert street.phases() == [Phase.OPENED]
    assert street.metric('jikimi_incidents_open{camera="gate",label="violence"} 1.0')
    street.post.tick(0.0, street.now + timedelta(seconds=3))
    assert street.phases() == [Phase.OPENED, Phase.CLOSED]
    assert street.news[-1].reason == "camera connecting"
    assert street.metric('jikimi_incidents_open{camera="gate",label="violence"} 0.0')
    assert street.metric('jikimi_incidents_total{camera="gate",label="violence"} 1.0')


def test_a_stopped_camera_closes_its_incident_and_hears_no_late_scores(street: Street) -> None:
    street.scores(0.95, 16)
    street.post.stop("camera removed", wait_s=0.1)
    street.post.forget()
    street.scores(0.95, 16)
    assert street.phases() == [Phase.OPENED, Phase.CLOSED]
    assert street.news[-1].reason == "camera removed"
    assert not street.metric('camera="gate"')


def test_news_of_one_incident_stays_in_order_though_two_threads_bring_it(street: Street) -> None:
    """The supervisor closes while the inference thread scores: never an update after a close."""
    running = threading.Event()
    running.set()

    def supervise() -> None:
        while running.is_set():
            street.post.tick(0.0, street.now + timedelta(seconds=3))

    supervisor = threading.Thread(target=supervise)
    supervisor.start()
    street.scores(0.95, 3000)
    running.clear()
    supervisor.join()
    ended: set[object] = set()
    for news in street.news:
        assert news.incident.id not in ended
        if news.incident.phase is Phase.CLOSED:
            ended.add(news.incident.id)
    assert ended
