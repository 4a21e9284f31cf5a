"""A network's files: made once from Keras, or taken from weights that exist.

LiteRT's float32 file is what embeds clips and what the daemon runs; Keras' own, beside it, is
what the `tensorflow` engine, later exports and fine-tuning start from.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from config.errors import ConfigError, ModelError
from detector.inference.engine import Engine, Floats, LiteRTEngine
from detector.inference.weights import load_classifier, shipped_weights
from models.data.clips import Clip
from models.data.views import spread, store_views
from models.weights.fitted import fitted_on

SHIPPED = "shipped"
PARITY_TOLERANCE = 1e-3
"""Largest difference of an embedding number between TensorFlow and LiteRT; they reach 6."""

PARITY_CLIPS = 8
PARITY_VIEWS = 64


@dataclass(frozen=True, slots=True)
class Network:
    """Its `name`, for people, its file for each engine, and the clips it was fine-tuned on.

    `fitted`: their digests; none of ImageNet's.
    """

    name: str
    engines: Mapping[str, Path]
    fitted: frozenset[str] = frozenset()


def keras_source(pretrained: str) -> str:
    """What `architecture.embedding_network` starts from: of a sidecar, its Keras file.

    Raises ModelError where the sidecar has none.
    """
    sidecar = sidecar_of(pretrained)
    if sidecar is None:
        return pretrained
    engines = load_classifier(sidecar).sidecar.engines
    if "tensorflow" not in engines:
        raise ModelError(
            f"{sidecar}: names no Keras network, which this needs; train from imagenet or a "
            "MobileNetV2 weights file instead"
        )
    return str(sidecar.parent / engines["tensorflow"].file)


def sidecar_of(pretrained: str) -> Path | None:
    """The sidecar that `pretrained` names: `shipped`, or a .json; else None."""
    if pretrained == SHIPPED:
        return shipped_weights()
    return Path(pretrained) if pretrained.endswith(".json") else None


def frozen_network(pretrained: str, stem: Path, clips: Sequence[Clip], cache: Path) -> Network:
    """The network up to the embedding as `stem`.tflite and, where known, `stem`.keras.

    Of weights that exist it is copied, which needs no TensorFlow. Raises ModelError.
    """
    sidecar = sidecar_of(pretrained)
    if sidecar is None:
        from models.weights.architecture import NAME, embedding_network  # noqa: PLC0415 (loads Keras)

        tqdm.write("making the network, in TensorFlow", file=sys.stderr)
        return Network(NAME, write_network(embedding_network(pretrained), stem, clips, cache))
    known = load_classifier(sidecar).sidecar
    engines = {}
    for engine, suffix in (("litert", ".tflite"), ("tensorflow", ".keras")):
        if engine in known.engines:
            engines[engine] = stem.with_suffix(suffix)
            shutil.copyfile(sidecar.parent / known.engines[engine].file, engines[engine])
    name = known.name.removesuffix("-linear").partition("-")[2] or known.name
    return Network(name, engines, fitted_on(known).network)


def write_network(network: Any, stem: Path, clips: Sequence[Clip], cache: Path) -> dict[str, Path]:
    """Save a Keras network from views to embeddings for both engines; their files.

    Raises ModelError where LiteRT embeds real views of `clips` otherwise than Keras.
    """
    from models.weights.convert import to_litert  # noqa: PLC0415 (loads TensorFlow)

    engines = {"litert": stem.with_suffix(".tflite"), "tensorflow": stem.with_suffix(".keras")}
    tqdm.write("converting the network for LiteRT", file=sys.stderr)
    engines["litert"].write_bytes(to_litert(network))
    network.save(engines["tensorflow"])
    views = spread(store_views(some_clips(clips), PARITY_VIEWS, cache), PARITY_VIEWS)
    expected = np.asarray(network(views, training=False))
    check_parity(LiteRTEngine(engines["litert"]), views, expected)
    return engines


def some_clips(clips: Sequence[Clip], count: int = PARITY_CLIPS) -> list[Clip]:
    """A few clips of different scenes, from all over the list."""
    by_scene = list({(clip.dataset, clip.scene): clip for clip in clips}.values())
    return by_scene[:: max(1, len(by_scene) // count)][:count]


def check_parity(engine: Engine, views: Floats, expected: Floats) -> float:
    """The largest difference between what `engine` makes of real `views` and `expected`.

    Noise would not do: an untrained network gives the same for anything. Raises ModelError
    where they differ by more than `PARITY_TOLERANCE`, or there is nothing to compare.
    """
    if not len(views):
        raise ConfigError("nothing moves in the clips tried, so the network cannot be checked")
    if float(expected.std(axis=0).max()) < 10 * PARITY_TOLERANCE:
        raise ModelError("the network gives the same embedding for every view: it is untrained")
    worst = float(np.abs(engine.embed(views) - expected).max())
    if worst > PARITY_TOLERANCE:
        raise ModelError(f"{engine.name} and Keras differ by {worst:.2g} on the same views")
    return worst
