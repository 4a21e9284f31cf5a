"""A real stream that falls asleep and wakes: what is counted, what is seen, what is lost."""

from __future__ import annotations

import threading
from datetime import datetime
from pathlib import Path

import av
import numpy as np
import pytest

from config.settings import CameraSettings, CaptureSettings
from detector.capture.idle.sleep import SleepCallbacks
from detector.capture.kept.ring import PacketRing, RingBudget
from detector.capture.reader import CameraReader
from detector.motion.view import MotionTracker
from detector.types import Grey, Sample
from servers.camera_clocks import ClockRelay
from servers.rtsp import RtspServer, make_clip

FPS, QUIET_S, BUSY_S = 25, 12, 2


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve seconds of a noisy wall, then two in which something crosses it; short GOPs."""
    path = tmp_path_factory.mktemp("asleep") / "wall.mp4"
    rng = np.random.default_rng(5)
    wall = rng.integers(60, 180, (18, 32)).repeat(20, 0).repeat(20, 1).astype(np.int16)
    with av.open(path, "w") as out:
        options = {"preset": "veryfast", "crf": "23", "bf": "0", "g": "20", "tune": "zerolatency"}
        stream = out.add_stream("libx264", rate=FPS, options=options)
        stream.width, stream.height, stream.pix_fmt = 640, 360, "yuv420p"
        for number in range(FPS * (QUIET_S + BUSY_S)):
            picture = wall + rng.normal(0, 1, wall.shape).astype(np.int16)
            late = number - FPS * QUIET_S
            if late >= 0:
                picture[100:260, 40 + 8 * late : 120 + 8 * late] = 230
            grey = np.clip(picture, 0, 255).astype(np.uint8)
            frame = av.VideoFrame.from_ndarray(grey, format="gray8")
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    return path


class Listener:
    """Everything that one reader said, in order."""

    def __init__(self, clip: Path | str, *, asleep: bool) -> None:
        self.motion = MotionTracker()
        self.heard: list[tuple[str, float]] = []
        self.moving: list[float] = []
        self.frame_count = 0
        self.due_count = 0
        self.slept_s = 0.0
        self.woken: list[str] = []
        self.ended = threading.Event()
        self.asleep = threading.Event()
        self.went_on = threading.Semaphore(0)
        self._started: datetime | None = None
        self.ring = PacketRing(60, RingBudget())
        camera = CameraSettings(name="wall", url=str(clip), site="yard", capture=CaptureSettings())
        self.reader = CameraReader(
            camera,
            self._sample,
            lambda change: self.ended.set() if change.reason else None,
            self,
            on_sleep=SleepCallbacks(self._rest, self._past, self._look) if asleep else None,
            ring=self.ring,
        )

    def _at(self, utc: datetime) -> float:
        self._started = self._started or utc
        return (utc - self._started).total_seconds()

    def _sample(self, sample: Sample) -> bool | None:
        self.heard.append(("live", self._at(sample.utc)))
        self.went_on.release()
        view = self.motion.view_of(sample)
        if view and view.moving:
            self.moving.append(self._at(sample.utc))
        return view and view.moving

    def _past(self, sample: Sample) -> None:
        self.heard.append(("past", self._at(sample.utc)))
        self.motion.view_of(sample)

    def _rest(self, _: float, utc: datetime) -> None:
        self.heard.append(("rest", self._at(utc)))
        self.went_on.release()

    def _look(self, grey: Grey) -> bool:
        self.heard.append(("look", grey.mean()))
        return False

    # CaptureObserver
    def connecting(self, camera: str) -> None: ...
    def packet(self, camera: str, size: int) -> None: ...
    def decode_errors(self, camera: str, count: int) -> None: ...
    def missed(self, camera: str, reason: str, count: int) -> None: ...

    def frames(self, camera: str, count: int) -> None:
        self.frame_count += count

    def due(self, camera: str, count: int) -> None:
        self.due_count += count

    def slept(self, camera: str, seconds: float) -> None:
        self.slept_s += seconds
        if self.slept_s > 1:
            self.asleep.set()

    def woke(self, camera: str, why: str, catch_up_s: float) -> None:
        self.woken.append(why)


@pytest.fixture(scope="module")
def both(clip: Path) -> tuple[Listener, Listener]:
    """The clip played to a reader that may sleep and, at the same time, to one that may not."""
    listeners = Listener(clip, asleep=True), Listener(clip, asleep=False)
    for listener in listeners:
        listener.reader.start()
    for listener in listeners:
        assert listener.ended.wait(60)
        listener.reader.stop(1)
    return listeners


pytestmark = pytest.mark.slow


def test_a_still_camera_is_not_decoded(both: tuple[Listener, Listener]) -> None:
    sleeping, awake = both
    assert awake.slept_s == 0
    assert sleeping.slept_s > 4
    assert sum(what == "live" for what, _ in sleeping.heard) < 8 * (QUIET_S + BUSY_S - 4)


def test_what_is_slept_through_is_kept_for_clips(both: tuple[Listener, Listener]) -> None:
    for listener in both:
        kept = listener.ring.since(0)
        assert len(kept) == FPS * (QUIET_S + BUSY_S)
        assert kept[0].packet.is_keyframe


def test_asleep_counts_as_watched(both: tuple[Listener, Listener]) -> None:
    sleeping, awake = both
    assert sleeping.due_count == awake.due_count
    assert sleeping.frame_count == awake.frame_count == FPS * (QUIET_S + BUSY_S)
    steps = np.diff([at_s for what, at_s in sleeping.heard if what in {"live", "rest"}])
    assert steps.max() < 0.2
    assert steps.min() >= 0


def test_motion_wakes_it_and_is_seen_as_if_it_had_been_awake(
    both: tuple[Listener, Listener],
) -> None:
    sleeping, awake = both
    assert sleeping.woken == ["packets"]
    assert sleeping.moving[0] <= awake.moving[0] + 0.13
    assert len(sleeping.moving) >= len(awake.moving) - 1


def test_the_view_has_its_past_when_it_wakes(both: tuple[Listener, Listener]) -> None:
    kinds = [what for what, _ in both[0].heard]
    woke = kinds.index("past")
    assert kinds[woke - 1] == "rest"
    assert "rest" not in kinds[woke:]
    assert "look" in kinds[:woke]


@pytest.mark.parametrize("back_s", [3.0, 3600.0, -3600.0])
def test_a_stream_that_begins_anew_while_asleep_is_watched_on(
    tmp_path: Path, back_s: float
) -> None:
    still = make_clip(tmp_path / "still.mp4", rest_s=30, seconds=1)
    with (
        RtspServer({"gate": still}) as server,
        ClockRelay(server.port, lambda s: s + 7200) as relay,
    ):
        url = server.url("gate").replace(str(server.port), str(relay.port))
        listener = Listener(url, asleep=True)
        listener.reader.start()
        assert listener.asleep.wait(30)
        relay.clock = lambda s: s + 7200 - back_s
        before = len(listener.heard)
        for _ in range(len(listener.heard) + 32):
            assert listener.went_on.acquire(timeout=5)
        listener.reader.stop(1)
    times = [at_s for what, at_s in listener.heard if what in {"live", "rest"}]
    assert np.diff(times).max() < 0.4
    assert np.diff(times).min() >= 0
    # awake, until it knows the new stream's packets
    assert "live" in [what for what, _ in listener.heard[before:]]
