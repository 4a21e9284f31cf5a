"""Footage drawn on the spot: blocks that pass each other, beat about, or sink to the ground."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from detector.motion.window import FRAMES
from models.weights.video_sidecar import Seen, VideoWeights, write_video_sidecar

Footage = Callable[..., Path]

ACTS = ("normal", "violence", "fall")


def draw_clip(path: Path, act: str, seed: int, seconds: float = 2.0) -> None:
    """A clip of 320×180 at 25 pictures a second; the same for the same act and seed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 25, (320, 180))
    rng = np.random.default_rng(seed)
    for i in range(round(25 * seconds)):
        picture = np.full((180, 320, 3), 70, np.uint8)
        shake = rng.integers(-12, 13, 4) * (act == "violence")
        sunk = min(70, 3 * (i % 50)) if act == "fall" else 0
        x, y = round(60 + 2 * (i % 60) + shake[0]), round(60 + shake[1])
        cv2.rectangle(picture, (x, y + sunk), (x + 20, y + 55), (200, 200, 200), -1)
        cv2.rectangle(
            picture,
            (x + 25, y + round(shake[2])),
            (x + 45, y + 55 + round(shake[3])),
            (30, 30, 30),
            -1,
        )
        writer.write(picture)
    writer.release()


def _draw(
    folder: Path,
    acts: Iterable[str] = ("violence", "normal"),
    sets: Iterable[str] = ("city", "town"),
    scenes: int = 5,
) -> Path:
    """A manifest of one clip an act, scene and set, with folds; its folder."""
    rows, folds = ["path,label,scene,dataset"], ["path,fold"]
    for number, dataset in enumerate(sets):
        for scene in range(scenes):
            for act in acts:
                path = f"{dataset}/{act}{scene}.mp4"
                draw_clip(folder / path, act, 100 * scene + number)
                rows.append(f"{path},{act},{dataset}_{scene},{dataset}")
                folds.append(f"{path},{scene % 5}")
    (folder / "manifest.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (folder / "folds.csv").write_text("\n".join(folds) + "\n", encoding="utf-8")
    return folder


@pytest.fixture
def draw() -> Callable[..., None]:
    """Draw one clip: `draw(path, act, seed, seconds=2)`."""
    return draw_clip


@pytest.fixture
def footage(tmp_path: Path) -> Footage:
    """Draw a data set into a folder of this test: `footage("data", acts=…, sets=…, scenes=…)`."""
    return lambda folder="data", **wanted: _draw(tmp_path / folder, **wanted)


@pytest.fixture(scope="session")
def pretrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights whose embeddings differ from view to view."""
    import keras

    path = tmp_path_factory.mktemp("pretrained") / "start.weights.h5"
    keras.utils.set_random_seed(1)
    network = keras.applications.MobileNetV2((96, 96, 3), include_top=False, weights=None)
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0  # else every view has one embedding, and parity proves nothing
    network(np.random.default_rng(1).uniform(-1, 1, (16, 96, 96, 3)), training=True)
    network.save_weights(path)
    return path


@pytest.fixture(scope="session")
def video_network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small video network of random weights that shakes tell apart; its sidecar has seen `town`.

    It takes windows [8, 32, 32, 3] and gives an embedding [1, 16] and logits [1, 2].
    """
    tf = pytest.importorskip("tensorflow", reason="TensorFlow is not installed (make train-env)")
    folder = tmp_path_factory.mktemp("video")
    rng = np.random.default_rng(5)
    mixing = rng.normal(0, 0.1, (192, 16)).astype(np.float32)

    def look(window: Any) -> dict[str, Any]:
        pixels = tf.cast(window, tf.float32) / 255.0
        moved = tf.reduce_mean(tf.abs(pixels[1:] - pixels[:-1]), axis=0)
        pooled = tf.nn.avg_pool2d(moved[None], 4, 4, "VALID")
        embedding = tf.nn.relu(tf.reshape(pooled, [1, 192]) @ mixing + 0.1)
        return {"embedding": embedding, "logits": embedding[:, :2]}

    signature = tf.TensorSpec([FRAMES, 32, 32, 3], tf.uint8, name="window")
    traced = tf.function(look).get_concrete_function(signature)
    network = folder / "small.tflite"
    network.write_bytes(tf.lite.TFLiteConverter.from_concrete_functions([traced]).convert())
    (folder / "licence.txt").write_text("MIT", encoding="utf-8")
    seen = Seen(frozenset({"town"}))
    weights = VideoWeights("small", network, "", "MIT", folder / "licence.txt", "drawn", seen)
    write_video_sidecar(folder / "small.json", weights)
    return folder / "small.json"
