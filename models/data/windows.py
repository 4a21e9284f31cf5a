"""Windows of clips through a video network: what a second look sees of each, kept on disk.

Cut by `detector.motion.window` from pictures decoded as the daemon decodes them, so that what is
taught and measured is what runs. A window costs a hundred times a view, so there is one each
`EVERY_S`, of long clips fewer, and only where it moves. Each is seen mirrored, too.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from detector.footage.recording import recorded_samples, recorded_seconds
from detector.inference.engine import Floats
from detector.inference.second_look.video_engine import VideoEngine
from detector.motion.view import MotionTracker
from detector.motion.window import WINDOW_RECIPE, LastSecond, WindowTracker
from models.data.atomic_file import written_whole
from models.data.clips import Clip
from models.data.embeddings import clip_key

EVERY_S = 1.0
"""With one each two seconds the AUC of vioperu's clips of five was 0.87 instead of 0.895."""

MOST = 5
"""Windows of a clip: it weighs the same however long it is."""


@dataclass(frozen=True, slots=True, eq=False)
class LookedAt:
    """A clip as the second look sees it.

    `times_s`: [n] float64, seconds from the start, of the newest picture of each window;
    `embeddings`, `mirrored`: [n, d] float32, of the window as it is and mirrored.
    """

    clip: Clip
    times_s: NDArray[np.float64]
    embeddings: Floats
    mirrored: Floats


def every_s(clip: Clip, most: int) -> float:
    """Seconds between two of at most `most` windows of a clip; raises StreamError."""
    return max(EVERY_S, round(recorded_seconds(clip.path) / most, 3))


def clip_windows(clip: Clip, step_s: float = EVERY_S) -> Iterator[LastSecond]:
    """A window each `step_s` of one clip where it moves; raises StreamError."""
    motion, window = MotionTracker(), WindowTracker()
    next_s = 0.0
    for sample in recorded_samples(clip.path):
        window.add(sample, motion.view_of(sample))
        found = window.last_second() if sample.pts_s >= next_s else None
        if found is not None:
            next_s = sample.pts_s + step_s
            yield found


def look_at_clip(
    clip: Clip, engine: VideoEngine, network: str, cache: Path, most: int = MOST
) -> LookedAt:
    """One clip's, from the cache where it is, `most` windows at most; raises StreamError.

    `network` names the engine's network, and only it, in the cache (its SHA-256).
    """
    step_s = every_s(clip, most)
    facts = [WINDOW_RECIPE, "mirrored too", step_s, engine.side, clip_key(clip)]
    key = hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:24]
    kept = cache / "windows" / network[:16] / f"{key}.npz"
    if not kept.is_file():
        times, seen = [], []
        for window in clip_windows(clip, step_s):
            times.append(window.at_s)
            both = (window, replace(window, mirrored=True))
            seen.append([engine.look(own.pixels(engine.side)).embedding for own in both])
        pairs = np.array(seen, np.float32).reshape(len(seen), 2, engine.numbers)
        with written_whole(kept) as file:
            np.savez(
                file,
                times_s=np.array(times, np.float64),
                embeddings=pairs[:, 0],
                mirrored=pairs[:, 1],
            )
    with np.load(kept) as arrays:
        return LookedAt(clip, arrays["times_s"], arrays["embeddings"], arrays["mirrored"])
