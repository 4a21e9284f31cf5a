"""The prototype's own method, for comparison: single colour pictures and a frozen MobileNetV2.

Every sixth picture of a clip, 96×96, mirrored, zoomed and turned at random; ImageNet features,
mean-pooled, dropout, one sigmoid. Measured twice: its own way, where pictures of one video
stand on both sides of the split, and by camera, where they do not. Nothing the daemon could
load comes out of it.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from config.errors import ConfigError, StreamError
from detector.footage.recording import NO_FRAME, decoded_frames, opened_video
from detector.inference.engine import Floats
from detector.motion.orientation import orientation_of
from models.data.atomic_file import written_whole
from models.data.clips import Clip
from models.data.embeddings import clip_key
from models.statistics import confusion, roc_auc
from models.training.learning_curves import write_curves
from models.training.loop import Batch, fit
from models.training.recipe import FOLDS, Recipe, fold_of
from models.weights.architecture import backbone
from models.weights.sidecar import write_json

EVERY = 6
SIDE = 96
MOST = 50_000
"""Pictures in all: 1.3 GB of features."""

COPIES = 4
"""Augmented copies of each picture. The prototype drew new ones every epoch; features that are
computed once make it a matter of minutes, and frozen layers see the same kind of pictures."""

DROPOUT = 0.2
RATE = 1e-2
"""Of a single layer on features that stay."""

HELD_BACK = 0.2


@dataclass(frozen=True, slots=True, eq=False)
class Pictures:
    """Features of every picture of one clip: [1 + copies, n, d], the first as they are."""

    clip: Clip
    features: Floats


def train_prototype(
    clips: Sequence[Clip], label: str, recipe: Recipe, out: Path, cache: Path
) -> dict[str, Any]:
    """Measure the method on the clips both ways; written to `out/prototype.json` too."""
    pictures = _read(clips, recipe, cache)
    truth = np.concatenate([np.full(p.features.shape[1], label in p.clip.labels) for p in pictures])
    features = np.concatenate([p.features for p in pictures], axis=1)
    of_clip = np.repeat(np.arange(len(pictures)), [p.features.shape[1] for p in pictures])
    folds = np.array([fold_of(p.clip) for p in pictures])[of_clip]
    rng = np.random.default_rng(recipe.seed)

    held = rng.random(len(truth)) < HELD_BACK
    scores = np.zeros(len(truth))
    # as the prototype did: what is held back also says when to stop
    scores[held] = _scores(features, truth, ~held, held, held, recipe, out / "split_its_way")
    its_way = {"frame": _figures(scores[held], truth[held])}

    for fold in range(FOLDS):
        tested, validation = folds == fold, folds == (fold + 1) % FOLDS
        training = ~tested & ~validation
        if not tested.any():
            continue
        if len(set(truth[training])) < 2 or not validation.any():
            raise ConfigError("too few scenes to split them by camera")
        place = out / "split_by_camera" / str(fold)
        scores[tested] = _scores(features, truth, training, validation, tested, recipe, place)
    means = np.bincount(of_clip, scores) / np.bincount(of_clip)
    shown = np.array([label in p.clip.labels for p in pictures])
    by_camera = {"frame": _figures(scores, truth), "clip": _figures(means, shown)}
    found = {"split_its_way": its_way, "split_by_camera": by_camera}
    write_json(out / "prototype.json", found)
    return found


def _scores(
    features: Floats,
    truth: NDArray[np.bool_],
    training: NDArray[np.bool_],
    validation: NDArray[np.bool_],
    tested: NDArray[np.bool_],
    recipe: Recipe,
    place: Path,
) -> NDArray[np.float64]:
    """Probabilities of the tested pictures by a model trained on `training`."""
    import keras  # noqa: PLC0415 (four seconds, and only training has it)

    keras.utils.set_random_seed(recipe.seed)
    inputs = keras.Input(features.shape[2:])
    logits = keras.layers.Dense(1)(keras.layers.Dropout(DROPOUT)(inputs))
    model = keras.Model(inputs, logits)
    learning = replace(recipe.learning, rate=RATE)
    numbers = np.flatnonzero(training)

    def batches(epoch: int) -> Iterator[Batch]:
        rng = np.random.default_rng([recipe.seed, epoch])
        order = rng.permutation(numbers)
        copy = rng.integers(len(features), size=len(order))
        for start in range(0, len(order), learning.batch):
            own = order[start : start + learning.batch]
            yield _batch(features[copy[start : start + learning.batch], own], truth[own])

    history = fit(
        model,
        batches,
        lambda: iter([_batch(features[0, validation], truth[validation])]),
        learning,
        place / "checkpoint.npz",
        hashlib.sha256(numbers.tobytes() + repr(recipe).encode()).hexdigest(),
    )
    (place / "checkpoint.npz").unlink()
    write_curves(place, history)
    logits = np.asarray(model(features[0, tested], training=False))[:, 0].astype(np.float64)
    return np.asarray(1 / (1 + np.exp(-logits)), np.float64)


def _batch(features: Floats, truth: NDArray[np.bool_]) -> Batch:
    return features, truth[:, None].astype(np.float32), np.ones(len(truth), np.float32)


def _figures(scores: NDArray[np.float64], truth: NDArray[np.bool_]) -> dict[str, Any]:
    decided = confusion(scores, truth)
    figures = {
        "auc": roc_auc(scores, truth),
        "accuracy": decided.accuracy,
        "recall": decided.recall,
        "specificity": decided.specificity,
        "f1": decided.f1,
    }
    rounded = {name: None if own is None else round(own, 4) for name, own in figures.items()}
    return {**rounded, "n": len(truth)}


def _read(clips: Sequence[Clip], recipe: Recipe, cache: Path) -> list[Pictures]:
    """The features of every readable clip; unreadable ones are named on the terminal."""
    known = recipe.pretrained.encode()
    if Path(recipe.pretrained).is_file():
        known = Path(recipe.pretrained).read_bytes()
    folder = cache / "frames" / hashlib.sha256(known).hexdigest()[:16]
    most = max(1, MOST // len(clips))
    embed: Callable[[NDArray[np.uint8]], Floats] | None = None
    pictures = []
    with tqdm(clips, desc="pictures", unit="clip", disable=None) as progress:
        for clip in progress:
            try:
                kept = folder / f"{clip_key(clip)}-{most}-{COPIES}-{recipe.seed}.npy"
                if not kept.is_file():
                    embed = embed or _embedder(recipe.pretrained)
                    frames = np.stack(list(islice(_frames(clip.path), most)))
                    rng = np.random.default_rng([recipe.seed, int(clip_key(clip), 16)])
                    each = [frames, *(_altered(frames, rng) for _ in range(COPIES))]
                    with written_whole(kept) as file:
                        np.save(file, np.stack([embed(own) for own in each]))
                pictures.append(Pictures(clip, np.load(kept)))
            except StreamError as error:
                tqdm.write(f"skipped: {error}", file=sys.stderr)
    return pictures


def _frames(path: Path) -> Iterator[NDArray[np.uint8]]:
    """Every sixth picture, [96, 96, 3] RGB; raises StreamError where there is none."""
    found = False
    with opened_video(path) as container:
        for number, (frame, _) in enumerate(decoded_frames(container)):
            if number % EVERY == 0:
                found = True
                picture = np.asarray(frame.reformat(SIDE, SIDE, "rgb24").to_ndarray(), np.uint8)
                yield orientation_of(frame).upright(picture)
    if not found:
        raise StreamError(f"{path}: {NO_FRAME}")


def _altered(frames: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Each mirrored, zoomed by up to a fifth and turned by up to 18° at random, edges repeated."""
    found = []
    for frame in frames:
        turn_deg, zoom = rng.uniform(-18, 18), rng.uniform(0.8, 1.2)
        matrix = cv2.getRotationMatrix2D((SIDE / 2, SIDE / 2), turn_deg, zoom)
        own = frame[:, ::-1] if rng.random() < 0.5 else frame
        found.append(
            cv2.warpAffine(
                np.ascontiguousarray(own), matrix, (SIDE, SIDE), borderMode=cv2.BORDER_REFLECT
            )
        )
    return np.asarray(found, np.uint8)


def _embedder(pretrained: str) -> Callable[[NDArray[np.uint8]], Floats]:
    import keras  # noqa: PLC0415 (four seconds, and only training has it)
    import tensorflow as tf  # noqa: PLC0415

    network = backbone(pretrained)
    pooled = keras.layers.GlobalAveragePooling2D()(network.output)
    model = keras.Model(network.input, pooled)
    embed = tf.function(lambda batch: model(batch, training=False), reduce_retracing=True)
    # chunks of a size: one trace serves all, and memory stays small
    size = 32

    def call(frames: NDArray[np.uint8]) -> Floats:
        parts = []
        for start in range(0, len(frames), size):
            own = frames[start : start + size].astype(np.float32) / 127.5 - 1
            full = np.zeros((size, *own.shape[1:]), np.float32)
            full[: len(own)] = own
            parts.append(np.asarray(embed(full))[: len(own)])
        return np.concatenate(parts)

    return call
