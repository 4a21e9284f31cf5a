"""The video network for LiteRT gives what its 3-D convolutions give, by another way."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from config.errors import ModelError
from detector.inference.second_look.video_engine import VideoEngine
from detector.motion.window import FRAMES
from models.weights.video_network import (
    DEVIATION,
    EPSILON,
    MEAN,
    SIDE,
    Precision,
    to_litert,
    video_network,
)

WIDTHS = {"layer1": 6, "layer2": 8, "layer3": 10, "layer4": 12}
TOLERANCE = {Precision.FLOAT32: 1e-4, Precision.FLOAT16: 1e-2, Precision.INT8: 0.06}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("tensorflow") is None,
        reason="TensorFlow is not installed (make train-env)",
    ),
]


@pytest.fixture(scope="module")
def tensors() -> dict[str, Any]:
    """A narrow MC3-18 with random weights, laid out as PyTorch does."""
    rng = np.random.default_rng(3)
    made: dict[str, Any] = {}

    def layer(name: str, norm: str, out: int, size: tuple[int, ...]) -> None:
        fan_in = np.prod(size)
        made[f"{name}.weight"] = rng.normal(0, fan_in**-0.5, (out, *size)).astype(np.float32)
        for part, values in {
            "weight": rng.uniform(0.7, 1.4, out),
            "bias": rng.normal(0, 0.3, out),
            "running_mean": rng.normal(0, 0.3, out),
            "running_var": rng.uniform(0.5, 2, out),
        }.items():
            made[f"{norm}.{part}"] = values.astype(np.float32)

    layer("stem.0", "stem.1", 6, (3, 3, 7, 7))
    before = 6
    for stage, width in WIDTHS.items():
        time = 3 if stage == "layer1" else 1
        for block in range(2):
            name = f"{stage}.{block}"
            layer(f"{name}.conv1.0", f"{name}.conv1.1", width, (before, time, 3, 3))
            layer(f"{name}.conv2.0", f"{name}.conv2.1", width, (width, time, 3, 3))
            if block == 0 and stage != "layer1":
                layer(f"{name}.downsample.0", f"{name}.downsample.1", width, (before, 1, 1, 1))
            before = width
    made["fc.weight"] = rng.normal(0, 1, (2, before)).astype(np.float32)
    made["fc.bias"] = rng.normal(0, 1, 2).astype(np.float32)
    return made


@pytest.fixture(scope="module")
def window() -> Any:
    """Noise that moves, so that no two pictures and no two directions in time are alike."""
    rng = np.random.default_rng(4)
    wide = rng.integers(0, 256, (SIDE, SIDE + 5 * FRAMES, 3), dtype=np.uint8)
    return np.stack([wide[:, 5 * i : 5 * i + SIDE] for i in range(FRAMES)])


def in_three_dimensions(tensors: dict[str, Any], window: Any) -> tuple[Any, Any]:
    """The architecture as torchvision writes it: 3-D convolutions, batch norms apart."""
    import tensorflow as tf

    def layer(name: str, norm: str, values: Any, stride: int = 1) -> Any:
        kernel = tensors[f"{name}.weight"].transpose(2, 3, 4, 1, 0)
        edges = [[0, 0], *([size // 2] * 2 for size in kernel.shape[:3]), [0, 0]]
        steps = [1, 1, stride, stride, 1]
        found = tf.nn.conv3d(tf.pad(values, edges), kernel, steps, "VALID")
        told = (tensors[f"{norm}.{part}"] for part in ("running_mean", "running_var", "bias"))
        mean, variance, bias = told
        scale = tensors[f"{norm}.weight"] / np.sqrt(variance + EPSILON)
        return (found - mean) * scale + bias

    pixels = window[None].astype(np.float32) / 255
    values = (pixels - np.array(MEAN, np.float32)) / np.array(DEVIATION, np.float32)
    values = tf.nn.relu(layer("stem.0", "stem.1", values, 2))
    for stage in WIDTHS:
        for block in range(2):
            name = f"{stage}.{block}"
            stride = 2 if block == 0 and stage != "layer1" else 1
            rest = tf.nn.relu(layer(f"{name}.conv1.0", f"{name}.conv1.1", values, stride))
            rest = layer(f"{name}.conv2.0", f"{name}.conv2.1", rest)
            if stride == 2:
                values = layer(f"{name}.downsample.0", f"{name}.downsample.1", values, 2)
            values = tf.nn.relu(values + rest)
    embedding = tf.reduce_mean(values, axis=[1, 2, 3]).numpy()
    return embedding, embedding @ tensors["fc.weight"].T + tensors["fc.bias"]


@pytest.mark.parametrize("precision", list(Precision))
def test_litert_gives_what_three_dimensions_give(
    tensors: dict[str, Any], window: Any, precision: Precision, tmp_path: Path
) -> None:
    expected = in_three_dimensions(tensors, window)
    file = tmp_path / "video.tflite"
    file.write_bytes(to_litert(video_network(tensors), precision))
    engine = VideoEngine(file)
    assert (engine.frames, engine.side, engine.numbers, engine.classes) == (FRAMES, SIDE, 12, 2)
    seen = engine.look(window)
    for found, wanted in zip((seen.embedding, seen.logits), expected, strict=True):
        assert np.abs(wanted).max() > 0.3  # not all nothing, which any network would match
        np.testing.assert_allclose(found, wanted[0], atol=TOLERANCE[precision])


def test_time_matters_to_it(tensors: dict[str, Any], window: Any) -> None:
    network = video_network(tensors)
    forwards, backwards = network(window)[0].numpy(), network(window[::-1])[0].numpy()
    assert np.abs(forwards - backwards).max() > 0.01


@pytest.mark.parametrize("lost", ["fc.weight", "stem.1.running_var"])
def test_another_state_dict_is_refused(tensors: dict[str, Any], lost: str) -> None:
    rest = {name: tensor for name, tensor in tensors.items() if name != lost}
    with pytest.raises(ModelError, match=f"no state dict of mc3_18: it has no {lost}"):
        video_network(rest)
