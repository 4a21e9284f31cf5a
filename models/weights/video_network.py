"""MC3-18, a video network that tells fights from a second of colour pictures, for LiteRT.

The architecture of torchvision's `mc3_18` from its state dict. LiteRT has no fast 3-D
convolutions, so each is written as a 2-D one: pictures are the batch, and a kernel over three
pictures sees each with the one before and the one after it on its channels. That is the same sum
in another order. Batch norms are folded into the kernels before them. Needs TensorFlow.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from config.errors import ModelError
from detector.motion.window import FRAMES

SIDE = 112
"""Pixels of a picture, which is square."""

EMBEDDING = 512

MEAN = (0.43216, 0.394666, 0.37645)
DEVIATION = (0.22803, 0.22145, 0.216989)
"""Of red, green and blue in 0…1, as torchvision's video networks were trained with."""

EPSILON = 1e-5
"""PyTorch's, in every batch norm."""

BLOCKS = (("layer1", 1), ("layer2", 2), ("layer3", 2), ("layer4", 2))
"""Stages of two residual blocks, and by what the first divides width and height."""

Tensors = Mapping[str, NDArray[Any]]


class Precision(StrEnum):
    """How LiteRT's file holds the weights."""

    FLOAT32 = "float32"
    FLOAT16 = "float16"
    INT8 = "int8"
    """Whole-number weights; ranges of what flows between are taken anew for each window."""


def video_network(tensors: Tensors) -> Callable[[Any], tuple[Any, Any]]:
    """The network of a state dict of `mc3_18`, as a function on TensorFlow tensors.

    It takes a window [8, 112, 112, 3], RGB in 0…255, and gives the embedding [1, 512] and the
    logits [1, classes]. Raises ModelError where `tensors` are of another architecture.
    """
    import tensorflow as tf  # noqa: PLC0415 (seconds to import, and only exports need it)

    try:
        layers = _folded(tensors)
        weight, bias = tensors["fc.weight"].T, tensors["fc.bias"]
    except KeyError as error:
        raise ModelError(f"no state dict of mc3_18: it has no {error.args[0]}") from None

    def convolution(name: str, inputs: Any, stride: int = 1) -> Any:
        kernel, shift = layers[name]
        if len(inputs.shape) != 4 or kernel.shape[2] not in (inputs.shape[3], 3 * inputs.shape[3]):
            raise ModelError(f"no state dict of mc3_18: {name} takes {kernel.shape[2]} channels")
        if kernel.shape[2] != inputs.shape[3]:
            inputs = neighbours(inputs)
        border = kernel.shape[0] // 2
        padded = tf.pad(inputs, [[0, 0], [border, border], [border, border], [0, 0]])
        return tf.nn.conv2d(padded, kernel, stride, "VALID") + shift

    def neighbours(inputs: Any) -> Any:
        before = tf.pad(inputs[:-1], [[1, 0], [0, 0], [0, 0], [0, 0]])
        after = tf.pad(inputs[1:], [[0, 1], [0, 0], [0, 0], [0, 0]])
        return tf.concat([before, inputs, after], axis=3)

    def network(window: Any) -> tuple[Any, Any]:
        pixels = tf.cast(window, tf.float32)
        values = (pixels / 255.0 - np.array(MEAN, np.float32)) / np.array(DEVIATION, np.float32)
        values = tf.nn.relu(convolution("stem.0", values, 2))
        for stage, stride in BLOCKS:
            for block in range(2):
                name, step = f"{stage}.{block}", stride if block == 0 else 1
                rest = tf.nn.relu(convolution(f"{name}.conv1.0", values, step))
                rest = convolution(f"{name}.conv2.0", rest)
                if step > 1:
                    values = convolution(f"{name}.downsample.0", values, step)
                values = tf.nn.relu(values + rest)
        embedding = tf.reduce_mean(values, axis=[0, 1, 2])[None]
        return embedding, tf.matmul(embedding, weight) + bias

    return network


def to_litert(network: Callable[[Any], tuple[Any, Any]], precision: Precision) -> bytes:
    """The network as a .tflite: one window [8, 112, 112, 3] uint8 in, its two outputs out."""
    import tensorflow as tf  # noqa: PLC0415 (seconds to import, and only exports need it)

    signature = tf.TensorSpec([FRAMES, SIDE, SIDE, 3], tf.uint8, name="window")

    def named(window: Any) -> dict[str, Any]:
        embedding, logits = network(window)
        return {"embedding": embedding, "logits": logits}

    traced = tf.function(named).get_concrete_function(signature)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([traced])
    if precision is not Precision.FLOAT32:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if precision is Precision.FLOAT16:
        converter.target_spec.supported_types = [tf.float16]
    return bytes(converter.convert())


def _folded(tensors: Tensors) -> dict[str, tuple[NDArray[Any], NDArray[Any]]]:
    """Every convolution with its batch norm in it: 2-D kernel [h, w, in, out], shift [out]."""
    found = {}
    for name, kernel in tensors.items():
        if kernel.ndim != 5:
            continue
        norm = name.removesuffix("0.weight") + "1."
        scale = tensors[norm + "weight"] / np.sqrt(tensors[norm + "running_var"] + EPSILON)
        shift = tensors[norm + "bias"] - tensors[norm + "running_mean"] * scale
        scaled = kernel * scale[:, None, None, None, None]
        # [out, in, time, h, w] → [h, w, time · in, out]: channels of the picture before first
        flat = scaled.transpose(3, 4, 2, 1, 0).reshape(
            *kernel.shape[3:], kernel.shape[2] * kernel.shape[1], kernel.shape[0]
        )
        layer = name.removesuffix(".weight")
        found[layer] = (flat.astype(np.float32), shift.astype(np.float32))
    return found
