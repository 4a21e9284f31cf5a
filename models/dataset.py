"""The clips that training and evaluation stand on, and their motion views.

Reads `manifest.csv` (`path,label,scene,dataset`) and `folds.csv` (`path,fold`) of a data
folder. Views are cut by `detector.motion`, the daemon's own code, and kept on disk, so that
a second run does not decode again. Knows nothing of networks.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from config.errors import ConfigError, StreamError
from detector.motion import VIEW_RECIPE, VIEW_SIDE, MotionTracker
from detector.recording import recorded_samples
from detector.types import SAMPLE_RATE_HZ, Sample


@dataclass(frozen=True, slots=True)
class Clip:
    """One row of the manifest; `fold` is None for clips that only ever train.

    `scene` is the camera or source recording: never on both sides of a split.
    """

    path: str
    label: str
    scene: str
    dataset: str
    fold: int | None

    @property
    def violent(self) -> bool:
        """Whether people fight in it; falls and thefts count as normal here."""
        return self.label == "violence"


@dataclass(frozen=True, slots=True, eq=False)
class Views:
    """The motion views of clips played one after the other.

    `times_s`: [n] float64, seconds from the start, of every view.
    `part`: [n] int64, which of the clips the view's newest sample is of.
    `moving`: [n] bool; `pixels`: [moving.sum(), 96, 96, 3] float16 in −1…1, the moving ones.
    """

    times_s: NDArray[np.float64]
    part: NDArray[np.int64]
    moving: NDArray[np.bool_]
    pixels: NDArray[np.float16]


def cache_dir() -> Path:
    """Where views and features are kept between runs: outside the repository."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "jikimi"


def read_clips(data: Path) -> list[Clip]:
    """Every clip of the manifest in `data`, with its fold.

    Raises ConfigError where the files are missing or lack a column, or where one scene
    stands in two folds.
    """
    try:
        folds = {row["path"]: int(row["fold"]) for row in _rows(data / "folds.csv")}
        clips = [
            Clip(r["path"], r["label"], r["scene"], r["dataset"], folds.get(r["path"]))
            for r in _rows(data / "manifest.csv")
        ]
    except KeyError as error:
        raise ConfigError(f"{data}: manifest.csv or folds.csv lacks the column {error}") from error
    check_folds(clips)
    return clips


def check_folds(clips: list[Clip]) -> None:
    """Raise ConfigError where one scene stands in two folds, or in a fold and in none.

    A network that has seen a camera's normal days recognises the camera, not the fight.
    """
    seen: dict[str, int | None] = {}
    for clip in clips:
        if seen.setdefault(clip.scene, clip.fold) != clip.fold:
            raise ConfigError(
                f"folds.csv: scene {clip.scene} of {clip.path} stands on both sides of a split"
            )


def views_of(parts: Sequence[Clip], data: Path, cache: Path) -> Views:
    """The views of `parts` played as one stream, from the cache if they were cut before.

    The tracker is not told of the joins: a cut shows for half a second as motion, which is
    what the daemon would see. Raises StreamError where a part cannot be read.
    """
    kept = cache / "views" / f"{_key(parts, data)}.npz"
    if kept.is_file():
        with np.load(kept) as arrays:
            return Views(*(arrays[name] for name in ("times_s", "part", "moving", "pixels")))
    tracker = MotionTracker()
    times, part, moving, pixels = [], [], [], []
    for number, sample in _played(parts, data):
        view = tracker.push(sample)
        if view is None:
            continue
        times.append(sample.pts_s)
        part.append(number)
        moving.append(view.moving)
        if view.moving:
            pixels.append(view.pixels.astype(np.float16))
    views = Views(
        np.array(times, np.float64),
        np.array(part, np.int64),
        np.array(moving, np.bool_),
        np.array(pixels, np.float16).reshape(-1, VIEW_SIDE, VIEW_SIDE, 3),
    )
    kept.parent.mkdir(parents=True, exist_ok=True)
    unfinished = kept.with_suffix(f".{os.getpid()}.npz")
    np.savez(
        unfinished,
        times_s=views.times_s,
        part=views.part,
        moving=views.moving,
        pixels=views.pixels,
    )
    unfinished.replace(kept)
    return views


def each_stream(
    streams: Sequence[Sequence[Clip]], data: Path, cache: Path, what: str
) -> Iterator[tuple[tuple[Clip, ...], Views]]:
    """The streams one after the other with their views; unreadable ones are named, skipped."""
    with tqdm(streams, desc=what, unit="clip") as progress:
        for parts in progress:
            try:
                views = views_of(parts, data, cache)
            except StreamError as error:
                progress.write(f"skipped: {error}", file=sys.stderr)
                continue
            yield tuple(parts), views


def _played(parts: Sequence[Clip], data: Path) -> Iterator[tuple[int, Sample]]:
    """Every sample of the parts with its part's number, in one time that runs through."""
    start_s = last_s = 0.0
    for number, clip in enumerate(parts):
        for sample in recorded_samples(data / clip.path):
            last_s = start_s + sample.pts_s
            yield number, replace(sample, pts_s=last_s)
        start_s = last_s + 1 / SAMPLE_RATE_HZ


def _rows(path: Path) -> Iterator[dict[str, str]]:
    try:
        with path.open(newline="", encoding="utf-8") as lines:
            yield from csv.DictReader(lines)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from error


def _key(parts: Sequence[Clip], data: Path) -> str:
    """Names views by all that they depend on: files and recipe."""
    facts: list[object] = [VIEW_RECIPE]
    for clip in parts:
        try:
            status = (data / clip.path).stat()
        except OSError as error:
            raise StreamError(f"{data / clip.path}: cannot be read ({error.strerror})") from error
        facts += [clip.path, status.st_size, status.st_mtime_ns]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:24]
