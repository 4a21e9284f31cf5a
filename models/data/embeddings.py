"""Embeddings of clips: what the network makes of every view, computed once and kept on disk.

Views are cut by `detector.motion.view` and embedded by the daemon's own engine, from pictures
decoded as the daemon decodes them, so a figure measured here is of what runs; what is taught from
is decoded `whole` (`detector.footage.recording`). Heads are then fitted and judged in seconds.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from config.errors import StreamError
from detector.footage.recording import EPOCH, recorded_samples
from detector.inference.engine import Engine, Floats
from detector.motion.view import VIEW_RECIPE, VIEW_SIDE, MotionTracker
from detector.types import MotionView
from models.data.atomic_file import written_whole
from models.data.clips import Clip

CHUNK = 64
"""Views held at once: 7 MB, whatever the length of a recording."""


@dataclass(frozen=True, slots=True, eq=False)
class Embedded:
    """A clip as the head sees it.

    `times_s`: [n] float64, seconds from the start, of every view; `moving`: [n] bool;
    `values`: [moving.sum(), d] float32, the embeddings of the moving ones.
    """

    clip: Clip
    times_s: NDArray[np.float64]
    moving: NDArray[np.bool_]
    values: Floats


def cache_dir() -> Path:
    """Where views and embeddings are kept between runs: outside the repository."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "jikimi"


def clip_views(clip: Clip, *, whole: bool) -> Iterator[MotionView]:
    """The motion views of one clip, in order; raises StreamError where it cannot be read."""
    tracker = MotionTracker()
    for sample in recorded_samples(clip.path, whole=whole):
        view = tracker.view_of(sample)
        if view is not None:
            yield view


def embed_clips(
    clips: Sequence[Clip], engine: Engine, network: str, cache: Path, what: str
) -> Iterator[Embedded]:
    """Every readable clip's embeddings, to be measured; unreadable ones are named, and skipped.

    `network` names the engine's network, and only it, in the cache (its SHA-256).
    """
    with tqdm(clips, desc=what, unit="clip", disable=None) as progress:
        for clip in progress:
            try:
                yield embed_clip(clip, engine, network, cache, whole=False)
            except StreamError as error:
                tqdm.write(f"skipped: {error}", file=sys.stderr)


def embed_clip(clip: Clip, engine: Engine, network: str, cache: Path, *, whole: bool) -> Embedded:
    """One clip's embeddings, from the cache where they are; raises StreamError."""
    name = f"{clip_key(clip)}{'' if whole else '-unfiltered'}.npz"
    kept = cache / "embeddings" / network[:16] / name
    if kept.is_file():
        with np.load(kept) as arrays:
            return Embedded(clip, arrays["times_s"], arrays["moving"], arrays["values"])
    times, moving, parts = [], [], []
    views = clip_views(clip, whole=whole)
    while chunk := list(islice(views, CHUNK)):
        times += [(view.utc - EPOCH).total_seconds() for view in chunk]
        moving += [view.moving for view in chunk]
        if pixels := [view.pixels for view in chunk if view.moving]:
            parts.append(engine.embed(np.stack(pixels)))
    if not parts:  # nothing moves in it; the shape is the network's all the same
        parts = [engine.embed(np.zeros((1, VIEW_SIDE, VIEW_SIDE, 3), np.float32))[:0]]
    embedded = Embedded(
        clip,
        np.array(times, np.float64),
        np.array(moving, np.bool_),
        np.concatenate(parts),
    )
    with written_whole(kept) as file:
        np.savez(file, times_s=embedded.times_s, moving=embedded.moving, values=embedded.values)
    return embedded


def clip_key(clip: Clip) -> str:
    """Names a clip's views by all that they depend on: file and recipe; raises StreamError."""
    try:
        status = clip.path.stat()
    except OSError as error:
        raise StreamError(f"{clip.path}: cannot be read ({error.strerror})") from error
    facts = [VIEW_RECIPE, str(clip.path.absolute()), status.st_size, status.st_mtime_ns]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:24]
