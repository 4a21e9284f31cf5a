"""Embeddings of every clip's views, kept on disk: heads are then fitted in seconds."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.architecture import CUT_LAYER, EMBEDDING_SIZE, embedding_network
from models.dataset import Clip, Views, each_stream

BATCH = 32
"""Views embedded at once: 3 ms a view with `tf.function` on 2 cores, 20 times less than eager."""

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """A clip, or several played as one stream, as the head sees them.

    `times_s`: [n] seconds of every view; `part`: [n] which clip it is of; `moving`: [n] bool;
    `embeddings`: [moving.sum(), 576] float32, of the moving ones.
    """

    parts: tuple[Clip, ...]
    times_s: NDArray[np.float64]
    part: NDArray[np.int64]
    moving: NDArray[np.bool_]
    embeddings: Floats

    @property
    def clip(self) -> Clip:
        """The clip, where there is only one."""
        [clip] = self.parts
        return clip


def features_of(
    streams: Sequence[Sequence[Clip]], data: Path, pretrained: str, cache: Path, what: str
) -> list[Features]:
    """Features of every readable stream; unreadable ones are named on the terminal."""
    kept_in = cache / "features" / _backbone_key(pretrained)
    kept_in.mkdir(parents=True, exist_ok=True)
    embed = None
    found = []
    for parts, views in each_stream(streams, data, cache, what):
        kept = kept_in / f"{_views_key(views)}.npy"
        if kept.is_file():
            embeddings = np.load(kept)
        else:
            embed = embed or _embedder(pretrained)
            embeddings = _embed(embed, views.pixels)
            unfinished = kept.with_suffix(f".{os.getpid()}.npy")
            np.save(unfinished, embeddings)
            unfinished.replace(kept)
        found.append(Features(parts, views.times_s, views.part, views.moving, embeddings))
    return found


def _embedder(pretrained: str) -> Any:
    import tensorflow as tf  # noqa: PLC0415 (seconds to import, and not needed from the cache)

    network = embedding_network(pretrained)
    signature = tf.TensorSpec([BATCH, *network.input_shape[1:]], tf.float32)
    return tf.function(lambda views: network(views, training=False), input_signature=[signature])


def _embed(embed: Any, pixels: NDArray[np.float16]) -> Floats:
    """Embeddings [n, 576] of views [n, 96, 96, 3], in full batches: one trace serves all."""
    embeddings = np.empty((len(pixels), EMBEDDING_SIZE), np.float32)
    for start in range(0, len(pixels), BATCH):
        part = pixels[start : start + BATCH].astype(np.float32)
        padded = np.zeros((BATCH, *part.shape[1:]), np.float32)
        padded[: len(part)] = part
        embeddings[start : start + len(part)] = embed(padded).numpy()[: len(part)]
    return embeddings


def _backbone_key(pretrained: str) -> str:
    known = pretrained.encode()
    if pretrained != "imagenet" and Path(pretrained).is_file():
        known = Path(pretrained).read_bytes()
    return hashlib.sha256(CUT_LAYER.encode() + known).hexdigest()[:16]


def _views_key(views: Views) -> str:
    return hashlib.sha256(views.pixels.tobytes()).hexdigest()[:24]
