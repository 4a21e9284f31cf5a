"""Whether the activity gate loses fights: each behind a minute of quiet, gate on and off.

(a) a fight behind its own scene's clip in which nobody fights, played to and fro; (s) a fight
faded within a second into the empty picture of its own scene; (b) a fight scaled to 10–20 % and
faded so into another camera's picture. In (s) and (b) with fresh sensor noise all the time, so
that no cut wakes the gate. Each by several encoders. What is compared is the daemon's own
reader, views, weights and incidents, at full speed instead of real time. What the network knows
nothing of is told, too: packets from the first of the fight to waking.
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
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
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
from detector.capture.idle.sleep import SleepCallbacks
from detector.capture.reader import CameraReader, StateChange
from detector.incidents.judge import CameraJudge
from detector.inference.weights import Classifier, load_classifier
from detector.motion.view import MotionTracker
from detector.types import SAMPLE_RATE_HZ, Grey, Phase, Sample
from models.data.clips import NORMAL, Clip, read_clips

DATA = Path(__file__).parents[3] / "shared/data"
SIZE = (640, 360)
FPS = 25
QUIET_S = 60
NOISE_LEVELS = 1.5
LEVELS = (0.2, 0.3, 0.4, 0.5)
"""Smoothed probabilities that a fight may reach: so small in the picture, few open an incident at
the shipped threshold, and a gate that lost none of two would have shown nothing."""

Encoder = tuple[str, dict[str, str]]
ENCODERS: dict[str, Encoder] = {
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
FIRST_ENCODER = ("libx264", {"preset": "veryfast", "crf": "26", "g": "40"})
SECOND_ENCODER = ("libx264", {"preset": "veryfast", "crf": "23"})
"""Of a recording that is compressed twice: one packet of 40 pulses. Tuned for no latency, ten in a
row do, and the gate stays awake."""
TWICE = "x264 twice"

Frames = Iterator[NDArray[np.uint8]]


@dataclass
class Heard:
    """What one play of a stream amounted to."""

    openings: list[float] = field(default_factory=list)
    reached: dict[float, float] = field(default_factory=dict)
    slept_s: float = 0.0
    woken: list[str] = field(default_factory=list)
    slept_at_onset: bool = False
    woke_by_packet: int | None = None


class Player:
    """The daemon's reader and judgement over one file, in the reader's own thread."""

    def __init__(self, path: Path, classifier: Classifier, *, gate: bool) -> None:
        self.heard = Heard()
        self._classifier = classifier
        self._motion = MotionTracker()
        self._judge = CameraJudge("bench", classifier.rules())
        self._state = classifier.head.new_state()
        self._looked: Grey | None = None
        self._first_s: float | None = None
        self._packets = 0
        self._rested_s = 0.0
        self._ended = threading.Event()
        self._why_ended = ""
        camera = CameraSettings(name="bench", url=str(path), site="x", capture=CaptureSettings())
        self._reader = CameraReader(
            camera,
            self._sample,
            self._state_changed,
            self,
            on_sleep=SleepCallbacks(self._rest, self._past, self._look) if gate else None,
        )

    def play(self) -> Heard:
        self._reader.start()
        assert self._ended.wait(300)
        self._reader.stop(1)
        assert "the stream ended" in self._why_ended, self._why_ended
        return self.heard

    def _state_changed(self, change: StateChange) -> None:
        if change.reason and not self._ended.is_set():
            self._why_ended = change.reason
            self._ended.set()

    def _sample(self, sample: Sample) -> bool | None:
        self._first_s = self._first_s or sample.at_s
        view = self._motion.view_of(sample)
        if view is None:
            return None
        head = self._classifier.head
        if view.moving:
            embedding = self._classifier.engine.embed(view.pixels[None])
            row = head(embedding, [self._state])[0]
        else:
            row = head.rest(self._state)
        self._note(sample.at_s, row.tolist())
        return view.moving

    def _rest(self, at_s: float, _: datetime) -> None:
        assert self._first_s is not None
        self._rested_s = at_s - self._first_s
        self._note(at_s, [0.0] * len(self._classifier.head.labels))

    def _past(self, sample: Sample) -> None:
        self._motion.view_of(sample)

    def _look(self, grey: Grey) -> bool:
        last = self._looked
        self._looked = grey
        return last is not None and self._motion.differs(last, grey)

    def _note(self, taken_s: float, row: list[float]) -> None:
        assert self._first_s is not None
        at_s = taken_s - self._first_s
        scores, changes = self._judge.judge(taken_s, datetime.now(UTC), row)
        for incident in changes:
            if incident.phase is Phase.OPENED:
                self.heard.openings.append(at_s)
        if at_s >= QUIET_S:
            for level in LEVELS:
                if scores[0].smoothed >= level:
                    self.heard.reached.setdefault(level, at_s - QUIET_S)

    # CaptureObserver
    def connecting(self, camera: str) -> None: ...
    def frames(self, camera: str, count: int) -> None: ...
    def decode_errors(self, camera: str, count: int) -> None: ...
    def due(self, camera: str, count: int) -> None: ...
    def missed(self, camera: str, reason: str, count: int) -> None: ...

    def packet(self, camera: str, size: int) -> None:
        self._packets += 1
        if self._packets == QUIET_S * FPS + 1:
            self.heard.slept_at_onset = QUIET_S - self._rested_s < 2 / SAMPLE_RATE_HZ

    def slept(self, camera: str, seconds: float) -> None:
        self.heard.slept_s += seconds

    def woke(self, camera: str, why: str, catch_up_s: float) -> None:
        self.heard.woken.append(why)
        self._rested_s = float("-inf")  # awake as the fight begins, if it does not rest again
        fight = self._packets - QUIET_S * FPS
        if self.heard.slept_at_onset and fight > 0 and self.heard.woke_by_packet is None:
            self.heard.woke_by_packet = fight


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


def empty_scene(normal: Path) -> NDArray[np.uint8]:
    """The picture that is left of a clip's first 10 s when whoever moves is taken out."""
    return np.median(list(islice(greys(normal), 0, 10 * FPS, 10)), axis=0).astype(np.uint8)


def faded_in(
    fight: Path, still: NDArray[np.uint8], share: float, rng: np.random.Generator
) -> Frames:
    """A still picture with noise for a minute; then the fight fades into `share` of it."""
    width, height = SIZE
    w, h = round(width * share**0.5), round(height * share**0.5)
    x, y = rng.integers(0, width - w + 1), rng.integers(0, height - h + 1)
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


def encode(frames: Frames, folder: Path) -> dict[str, Path]:
    """The pictures as streams of a camera, by encoder, and of a recorder that encodes again."""
    paths = {encoder: folder / f"{index}.mp4" for index, encoder in enumerate(ENCODERS)}
    first, paths[TWICE] = folder / "first.mp4", folder / "twice.mp4"
    _encode(frames, {paths[name]: ENCODERS[name] for name in ENCODERS} | {first: FIRST_ENCODER})
    _encode(greys(first), {paths[TWICE]: SECOND_ENCODER})
    return paths


def _encode(frames: Frames, wanted: dict[Path, Encoder]) -> None:
    with ExitStack() as stack:
        streams = []
        for path, (codec, options) in wanted.items():
            container = stack.enter_context(av.open(str(path), "w"))
            every = {"bf": "0", "g": "50", **options}
            stream = container.add_stream(codec, rate=FPS, options=every)
            stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
            stream.codec_context.thread_count = 1
            streams.append((container, stream))
        for picture in frames:
            frame = av.VideoFrame.from_ndarray(picture, format="gray8").reformat(format="yuv420p")
            for container, stream in streams:
                frame.pts = None
                container.mux(stream.encode(frame))
        for container, stream in streams:
            container.mux(stream.encode())


def cases(clips: list[Clip], count: int) -> Iterator[tuple[str, str, Callable[[], Frames]]]:
    """Kind, name and pictures of every stream, drawn evenly from the fights."""
    fights = [clip for clip in clips if clip.label == "violence" and clip.fold is not None]
    normals = [clip for clip in clips if clip.label == NORMAL and clip.fold is not None]
    rng = np.random.default_rng(0)
    for index in np.linspace(0, len(fights) - 1, count).astype(int):
        fight = fights[index]
        own = [clip for clip in normals if clip.scene == fight.scene]
        others = [clip for clip in normals if clip.scene != fight.scene]
        other, share = others[rng.integers(len(others))], rng.uniform(0.1, 0.2)
        seed = int(rng.integers(2**31))
        if own:
            yield "a", fight.name, partial(behind_own_quiet, fight.path, own[0].path)
            yield "s", fight.name, partial(_faded, fight.path, own[0].path, 1.0, seed)
        yield "b", fight.name, partial(_faded, fight.path, other.path, share, seed)


def _faded(fight: Path, normal: Path, share: float, seed: int) -> Frames:
    still = empty_scene(normal) if share == 1 else next(greys(normal))
    return faded_in(fight, still, share, np.random.default_rng(seed))


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
    slept = [play for play in plays if play[1].slept_at_onset]
    woke = sorted(p[1].woke_by_packet for p in slept if p[1].woke_by_packet is not None)
    return {
        "streams": len(plays),
        "reached": levels,
        "asleep_when_the_fight_begins": len(slept),
        "woke_by_packet_of_the_fight": {n: woke.count(n) for n in sorted(set(woke))},
        "never_woke": len(slept) - len(woke),
        "found_without": sum(d is not None for d in off),
        "found_with": sum(d is not None for d in on),
        "lost": sum(a is not None and b is None for a, b in zip(off, on, strict=True)),
        "gained": sum(a is None and b is not None for a, b in zip(off, on, strict=True)),
        "found_of_those_asleep": [
            sum(any(at >= QUIET_S for at in play[side].openings) for play in slept)
            for side in (0, 1)
        ],
        "median_delay_without_s": _median([d for d in off if d is not None]),
        "median_delay_with_s": _median([d for d in on if d is not None]),
        "median_difference_s": _median(both),
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
    parser.add_argument("--kinds", default="asb", help="of quiet, see above")
    parser.add_argument("--json", type=Path, metavar="FILE")
    chosen = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    network.FilePacer = Rush  # type: ignore[assignment,misc]
    classifier = load_classifier()
    plays: dict[str, list[tuple[Heard, Heard]]] = {}
    with tempfile.TemporaryDirectory(prefix="jikimi-gate-") as folder:
        every = cases(read_clips(DATA), chosen.fights)
        for kind, _, frames in tqdm([case for case in every if case[0] in chosen.kinds]):
            for encoder, path in encode(frames(), Path(folder)).items():
                off, on = (Player(path, classifier, gate=gate).play() for gate in (False, True))
                for group in (f"({kind}) {encoder}", f"all {encoder}", "all"):
                    plays.setdefault(group, []).append((off, on))
    found = {name: summary(group) for name, group in sorted(plays.items())}
    print(json.dumps(found, indent=2))
    if chosen.json:
        chosen.json.write_text(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
