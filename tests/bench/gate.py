"""Whether the activity gate loses fights: each behind a minute of quiet, gate on and off.

(a) a fight behind its own scene's quiet footage, where that is quiet; (b) a fight scaled to
10–20 % of the picture, faded within a second into another camera's still picture, with sensor
noise all the time, so that no cut wakes the gate. Each by three encoders. What is compared is
the daemon's own reader, views, weights and incidents, at full speed instead of real time.
"""

from __future__ import annotations

import argparse
import json
import logging
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import cycle, islice
from pathlib import Path

import av
import cv2
import numpy as np
import structlog
from numpy.typing import NDArray
from tqdm import tqdm

from config.settings import CameraSettings, CaptureSettings
from detector.capture import network
from detector.capture.doze import Sleeper
from detector.capture.reader import CameraReader
from detector.inference.weights import Classifier, load_classifier
from detector.motion import MotionTracker
from detector.types import Grey, Phase, Sample
from detector.watch import CameraWatch
from models.clips import NORMAL, Clip, read_clips

DATA = Path(__file__).parents[3] / "shared/data"
SIZE = (640, 360)
FPS = 25
QUIET_S = 60
NOISE_LEVELS = 1.5
LEVELS = (0.2, 0.3, 0.4, 0.5)
"""Smoothed probabilities that a fight may reach: so small in the picture, few open an incident at
the shipped threshold, and a gate that lost none of two would have shown nothing."""

ENCODERS = {
    "x264 VBR": ("libx264", {"preset": "veryfast", "crf": "23", "tune": "zerolatency"}),
    "x264 CBR": (
        "libx264",
        {
            "preset": "veryfast",
            "tune": "zerolatency",
            "b": "700k",
            "minrate": "700k",
            "maxrate": "700k",
            "bufsize": "700k",
            "x264-params": "nal-hrd=cbr",
        },
    ),
    "x265": (
        "libx265",
        {
            "preset": "ultrafast",
            "x265-params": "crf=26:bframes=0:keyint=50:min-keyint=50:pools=none:"
            "frame-threads=1:log-level=none",
        },
    ),
}

Frames = Iterator[NDArray[np.uint8]]


@dataclass
class Heard:
    """What one play of a stream amounted to."""

    openings: list[float] = field(default_factory=list)
    reached: dict[float, float] = field(default_factory=dict)
    slept_s: float = 0.0
    woken: list[str] = field(default_factory=list)
    awake_after_s: float | None = None


class Player:
    """The daemon's reader and judgement over one file, in the reader's own thread."""

    def __init__(self, path: Path, classifier: Classifier, *, gate: bool) -> None:
        self.heard = Heard()
        self._classifier, self._motion = classifier, MotionTracker()
        self._watch = CameraWatch("bench", classifier.rules())
        self._state = classifier.head.new_state()
        self._looked: Grey | None = None
        self._first: datetime | None = None
        self._at_s = 0.0
        self._ended = threading.Event()
        camera = CameraSettings(name="bench", url=str(path), site="x", capture=CaptureSettings())
        self._reader = CameraReader(
            camera,
            self._sample,
            lambda change: self._ended.set() if change.reason else None,
            self,
            sleeper=Sleeper(self._rest, self._past, self._look) if gate else None,
        )

    def play(self) -> Heard:
        self._reader.start()
        assert self._ended.wait(300)
        self._reader.stop()
        return self.heard

    def _sample(self, sample: Sample) -> bool | None:
        self._first = self._first or sample.utc
        view = self._motion.push(sample)
        if view is None:
            return None
        head = self._classifier.head
        if view.moving:
            embedding = self._classifier.engine.embed(view.pixels[None])
            row = head(embedding, [self._state])[0]
        else:
            row = head.rest(self._state)
        self._judge(sample.utc, row.tolist())
        return view.moving

    def _rest(self, utc: datetime) -> None:
        self._judge(utc, [0.0] * len(self._classifier.head.labels))

    def _past(self, sample: Sample) -> None:
        self._motion.push(sample)

    def _look(self, grey: Grey) -> bool:
        last, self._looked = self._looked, grey
        return last is not None and self._motion.differs(last, grey)

    def _judge(self, utc: datetime, row: list[float]) -> None:
        assert self._first
        at_s = self._at_s = (utc - self._first).total_seconds()
        scores, news = self._watch.push(utc, row)
        for incident in news:
            if incident.phase is Phase.OPENED:
                self.heard.openings.append(at_s)
        if at_s >= QUIET_S:
            for level in LEVELS:
                if scores[0].smoothed >= level:
                    self.heard.reached.setdefault(level, at_s - QUIET_S)

    # CaptureObserver
    def connecting(self, camera: str) -> None: ...
    def packet(self, camera: str, size: int) -> None: ...
    def frames(self, camera: str, count: int) -> None: ...
    def decode_errors(self, camera: str, count: int) -> None: ...
    def due(self, camera: str, count: int) -> None: ...
    def missed(self, camera: str, reason: str, count: int) -> None: ...

    def slept(self, camera: str, seconds: float) -> None:
        self.heard.slept_s += seconds

    def woke(self, camera: str, why: str, catch_up_s: float) -> None:
        self.heard.woken.append(why)
        if self._at_s >= QUIET_S - 0.2 and self.heard.awake_after_s is None:
            self.heard.awake_after_s = self._at_s - QUIET_S


class Rush:
    """Instead of a pacer that waits: the packet's own time, from now on."""

    def __init__(self) -> None:
        self._began_s = time.monotonic()

    def wait(self, stream_s: float | None) -> float:
        return self._began_s + (stream_s or 0.0)


def greys(path: Path) -> Frames:
    """Every frame of a file, grey, at `SIZE`, 25 a second."""
    with av.open(str(path), metadata_errors="ignore") as container:
        next_s = 0.0
        for frame in container.decode(video=0):
            while frame.time is not None and frame.time >= next_s - 0.001:
                next_s += 1 / FPS
                yield frame.reformat(*SIZE, "gray8").to_ndarray()


def behind_own_quiet(fight: Path, normal: Path) -> Frames:
    """The scene's quiet clip, forwards and backwards, for a minute; then the fight."""
    quiet = list(islice(greys(normal), 10 * FPS))
    there_and_back = quiet + quiet[-2:0:-1]
    yield from islice(cycle(there_and_back), QUIET_S * FPS)
    yield from greys(fight)


def faded_in(fight: Path, still: NDArray[np.uint8], rng: np.random.Generator) -> Frames:
    """A still picture with noise for a minute; then the fight fades into a tenth to a fifth."""
    width, height = SIZE
    share = rng.uniform(0.1, 0.2) ** 0.5
    w, h = round(width * share), round(height * share)
    x, y = rng.integers(0, width - w), rng.integers(0, height - h)
    patterns = [rng.normal(0, NOISE_LEVELS, still.shape).astype(np.int16) for _ in range(8)]
    base = still.astype(np.int16)

    def noisy(picture: NDArray[np.int16]) -> NDArray[np.uint8]:
        pattern = np.roll(patterns[rng.integers(8)], rng.integers(0, 200, 2), (0, 1))
        return np.clip(picture + pattern, 0, 255).astype(np.uint8)

    for _ in range(QUIET_S * FPS):
        yield noisy(base)
    for number, picture in enumerate(greys(fight)):
        opacity = min(1.0, (number + 1) / FPS)
        small = cv2.resize(picture, (w, h), interpolation=cv2.INTER_AREA)
        mixed = base.copy()
        inside = mixed[y : y + h, x : x + w]
        inside += (opacity * (small.astype(np.int16) - inside)).astype(np.int16)
        yield noisy(mixed)


def encode(frames: Frames, path: Path, encoder: str) -> None:
    codec, options = ENCODERS[encoder]
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=FPS, options={"bf": "0", "g": "50", **options})
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        stream.codec_context.thread_count = 1
        for picture in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="gray8")))
        container.mux(stream.encode())


def cases(clips: list[Clip], count: int) -> Iterator[tuple[str, str, Callable[[], Frames]]]:
    """Kind, name and pictures of every stream, drawn evenly from the fights."""
    fights = [clip for clip in clips if clip.label == "violence" and clip.fold is not None]
    normals = [clip for clip in clips if clip.label == NORMAL and clip.fold is not None]
    rng = np.random.default_rng(0)
    chosen = [fights[i] for i in np.linspace(0, len(fights) - 1, count).astype(int)]
    for fight in chosen:
        own = [clip for clip in normals if clip.scene == fight.scene]
        if own:
            yield "a", fight.name, lambda f=fight, n=own[0]: behind_own_quiet(f.path, n.path)
        others = [clip for clip in normals if clip.scene != fight.scene]
        other = others[rng.integers(len(others))]
        seed = int(rng.integers(2**31))
        yield (
            "b",
            fight.name,
            lambda f=fight, o=other, s=seed: faded_in(
                f.path, next(greys(o.path)), np.random.default_rng(s)
            ),
        )


def summary(plays: list[tuple[Heard, Heard]]) -> dict:
    """Fights found and delays without and with the gate, and what it slept of the quiet minute."""

    def delays(heard: list[Heard]) -> list[float | None]:
        return [next((at - QUIET_S for at in h.openings if at >= QUIET_S), None) for h in heard]

    off, on = (delays([play[side] for play in plays]) for side in (0, 1))
    both = [b - a for a, b in zip(off, on, strict=True) if a is not None and b is not None]
    levels = {}
    for level in LEVELS:
        first, second = ([play[side].reached.get(level) for play in plays] for side in (0, 1))
        pairs = zip(first, second, strict=True)
        later = [b - a for a, b in pairs if a is not None and b is not None]
        levels[level] = {
            "without": sum(at is not None for at in first),
            "with": sum(at is not None for at in second),
            "median_later_s": round(statistics.median(later), 2) if later else None,
            "most_later_s": round(max(later), 2) if later else None,
        }
    woke = [p[1].awake_after_s for p in plays if p[1].awake_after_s is not None]
    return {
        "streams": len(plays),
        "reached": levels,
        "woke_within_s_median_and_most": [round(statistics.median(woke), 2), round(max(woke), 2)]
        if woke
        else None,
        "found_without": sum(d is not None for d in off),
        "found_with": sum(d is not None for d in on),
        "lost": sum(a is not None and b is None for a, b in zip(off, on, strict=True)),
        "gained": sum(a is None and b is not None for a, b in zip(off, on, strict=True)),
        "median_delay_without_s": _median([d for d in off if d is not None]),
        "median_delay_with_s": _median([d for d in on if d is not None]),
        "largest_difference_s": round(max(map(abs, both), default=0.0), 2),
        "slept_share_of_quiet": round(
            sum(play[1].slept_s for play in plays) / (QUIET_S * len(plays)), 3
        ),
        "streams_that_slept": sum(play[1].slept_s > 0 for play in plays),
        "false_before_the_fight_without": sum(at < QUIET_S for p in plays for at in p[0].openings),
        "false_before_the_fight_with": sum(at < QUIET_S for p in plays for at in p[1].openings),
    }


def _median(values: list[float]) -> float | None:
    return round(statistics.median(values), 2) if values else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fights", type=int, default=40)
    parser.add_argument("--json", type=Path, metavar="FILE")
    chosen = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    network.FilePacer = Rush  # type: ignore[assignment,misc]
    classifier = load_classifier()
    plays: dict[str, list[tuple[Heard, Heard]]] = {}
    with tempfile.TemporaryDirectory(prefix="jikimi-gate-") as folder:
        path = Path(folder) / "stream.mp4"
        for kind, _, frames in tqdm(list(cases(read_clips(DATA), chosen.fights))):
            for encoder in ENCODERS:
                encode(frames(), path, encoder)
                off, on = (Player(path, classifier, gate=gate).play() for gate in (False, True))
                plays.setdefault(f"({kind}) {encoder}", []).append((off, on))
    found = {name: summary(group) for name, group in sorted(plays.items())}
    print(json.dumps(found, indent=2))
    if chosen.json:
        chosen.json.write_text(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
