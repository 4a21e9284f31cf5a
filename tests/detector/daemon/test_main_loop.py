"""The main thread's rounds: no camera ends them, signals are heeded, the summary comes once."""

from __future__ import annotations

import signal
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from structlog.testing import capture_logs

from config.settings import CameraSettings
from config.urls import StreamUrl
from detector.daemon.main_loop import look_round
from detector.daemon.signals import Signals
from detector.daemon.supervisor import Supervisor
from detector.daemon.watched.cameras import Cameras
from detector.types import CameraState


class Camera:
    """Counts how often it is looked after, and fails where it is called `broken`."""

    def __init__(self, settings: CameraSettings) -> None:
        self.camera = settings
        self.ticks = 0
        self.state = CameraState.CONNECTING

    def start(self) -> None: ...

    def tick(self, now_s: float, utc: datetime) -> None:
        self.ticks += 1
        if self.camera.name == "broken":
            raise RuntimeError("it has broken down")


class Rounds:
    """A main loop: at each round the next of `steps` is done, then SIGTERM comes."""

    def __init__(self) -> None:
        self.signals = Signals()
        self.cameras: Any = Cameras(Camera)  # type: ignore[arg-type]
        for name in ("broken", "gate"):
            url = StreamUrl.parse("pattern://calm")
            self.cameras.add(CameraSettings(name=name, url=url, site="harbour"))
        self.settled = 0
        self.reloads = 0

    def go(self, *steps: Callable[[], None], for_s: float | None = None) -> None:
        waiting = iter(steps)

        def step() -> None:
            next(waiting, self.end)()

        look_round(
            Supervisor(list),
            self.cameras,
            self.signals,
            for_s,
            self._settle,
            also=step,
            reload=self._reload,
        )

    def end(self) -> None:
        self.signals._come.put(signal.SIGTERM)

    def hang_up(self) -> None:
        self.signals._come.put(signal.SIGHUP)

    def connect(self) -> None:
        for camera in self.cameras.all():
            camera.state = CameraState.LIVE
        self.hang_up()  # so that the next round need not be waited for

    def _settle(self) -> None:
        self.settled += 1

    def _reload(self) -> None:
        self.reloads += 1


@pytest.fixture
def rounds() -> Rounds:
    return Rounds()


def test_a_camera_that_fails_is_logged_and_the_others_are_looked_after(rounds: Rounds) -> None:
    with capture_logs() as logs:
        rounds.go(rounds.hang_up)
    assert [camera.ticks for camera in rounds.cameras.all()] == [2, 2]
    told = [(line["event"], line["camera"], line["log_level"]) for line in logs]
    assert told == [("camera not looked after", "broken", "error")] * 2


def test_a_hang_up_reloads_and_what_asks_to_end_goes_before_it(rounds: Rounds) -> None:
    rounds.go(rounds.hang_up, rounds.hang_up)
    assert rounds.reloads == 2

    def both() -> None:
        rounds.hang_up()
        rounds.end()

    rounds.go(both)
    assert rounds.reloads == 2


def test_the_summary_comes_once_when_every_camera_has_got_somewhere(rounds: Rounds) -> None:
    rounds.go(rounds.hang_up)
    assert rounds.settled == 0
    rounds.go(rounds.connect, rounds.hang_up)
    assert rounds.settled == 1


def test_once_its_time_is_up_nothing_more_is_looked_after(rounds: Rounds) -> None:
    rounds.go(for_s=0)
    assert [camera.ticks for camera in rounds.cameras.all()] == [0, 0]
