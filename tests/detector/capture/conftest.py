"""A camera reader under observation, and clips for it."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from config.settings import CameraSettings, CaptureSettings
from detector.capture.reader import CameraReader, StateChange
from detector.types import CameraState, Sample
from servers.rtsp import make_clip


class Watched:
    """A running reader, with all that it said; `wait` for what it should say."""

    def __init__(self, url: str, **capture: object) -> None:
        given = {"open_timeout_s": 3.0, "read_timeout_s": 1.0} | capture
        camera = CameraSettings(
            name="gate", url=url, site="yard", capture=CaptureSettings.model_validate(given)
        )
        self._news = threading.Condition()
        self.samples: list[Sample] = []
        self.states: list[StateChange] = []
        self.counts: Counter[str] = Counter()
        self.on_sample: Callable[[Sample], object] | None = None
        self.reader = CameraReader(camera, self._sample, self._state, self)

    def wait(self, what: Callable[[Watched], object], within_s: float = 20.0) -> None:
        """Until `what` holds; fails the test with the states seen if it never does."""
        deadline = time.monotonic() + within_s
        with self._news:
            while not what(self):
                left = deadline - time.monotonic()
                assert left > 0, f"never happened; states {self.states}, counts {self.counts}"
                self._news.wait(left)

    @property
    def history(self) -> list[CameraState]:
        """The states so far."""
        return [change.state for change in self.states]

    @property
    def state(self) -> CameraState | None:
        """The state now."""
        return self.states[-1].state if self.states else None

    def _sample(self, sample: Sample) -> None:
        if self.on_sample:
            self.on_sample(sample)
        self._note(self.samples, sample)

    def _state(self, change: StateChange) -> None:
        self._note(self.states, change)

    def _note(self, where: list, what: object) -> None:
        with self._news:
            where.append(what)
            self._news.notify_all()

    def _count(self, what: str, count: int = 1) -> None:
        with self._news:
            self.counts[what] += count
            self._news.notify_all()

    # CaptureObserver
    def connecting(self, camera: str) -> None:
        self._count("connecting")

    def packet(self, camera: str, size: int) -> None:
        self._count("packets")
        self._count("bytes", size)

    def frames(self, camera: str, count: int) -> None:
        self._count("frames", count)

    def decode_errors(self, camera: str, count: int) -> None:
        self._count("decode_errors", count)

    def due(self, camera: str, count: int) -> None:
        self._count("due", count)

    def missed(self, camera: str, reason: str, count: int) -> None:
        self._count(reason, count)

    def slept(self, camera: str, seconds: float) -> None:
        self._count("slept", seconds)

    def woke(self, camera: str, why: str, catch_up_s: float) -> None:
        self._count(f"woke: {why}")


@pytest.fixture
def watch() -> Iterator[Callable[..., Watched]]:
    """Start a reader on a URL; stopped after the test."""
    started: list[Watched] = []

    def begin(
        url: str, on_sample: Callable[[Sample], object] | None = None, **capture: object
    ) -> Watched:
        watched = Watched(url, **capture)
        watched.on_sample = on_sample
        started.append(watched)
        watched.reader.start()
        return watched

    yield begin
    for watched in started:
        watched.reader.stop(1)


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four seconds of 640×360 at 25 pictures a second, a key frame a second."""
    return make_clip(tmp_path_factory.mktemp("clips") / "wide.mp4")


@pytest.fixture(scope="session")
def tall_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds of 480×640."""
    return make_clip(tmp_path_factory.mktemp("clips") / "tall.mp4", size=(480, 640), seconds=2)
