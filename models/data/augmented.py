"""Embeddings of augmented copies of clips, kept on disk beside those of the clips themselves."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np

from detector.inference.engine import Engine, Floats
from models.data.atomic_file import written_whole
from models.data.augment import VERSION, augmented
from models.data.clips import Clip
from models.data.embeddings import CHUNK, clip_key, clip_views


def embed_copies(
    clip: Clip, count: int, seed: int, engine: Engine, network: str, cache: Path
) -> list[Floats]:
    """Embeddings [n, d] of the clip's moving views, `count` times augmented.

    A copy depends on the file, `seed` and its number only. Raises StreamError where the clip
    cannot be read; a clip that never moves has none.
    """
    if not count:
        return []
    key = clip_key(clip)
    folder = cache / "embeddings" / network[:16]
    kept = [folder / f"{key}-copy{VERSION}-{seed}-{number}.npy" for number in range(count)]
    if all(path.is_file() for path in kept):
        return [np.load(path) for path in kept]
    draws = [np.random.default_rng([seed, number, int(key, 16)]) for number in range(count)]
    parts: list[list[Floats]] = [[] for _ in range(count)]
    moving = (view.pixels for view in clip_views(clip, whole=True) if view.moving)
    while chunk := list(islice(moving, CHUNK)):
        for own, rng in zip(parts, draws, strict=True):
            own.append(engine.embed(augmented(np.stack(chunk), rng)))
    if not parts[0]:
        return []
    copies = [np.concatenate(own) for own in parts]
    for path, values in zip(kept, copies, strict=True):
        with written_whole(path) as file:
            np.save(file, values)
    return copies
