"""From views to embeddings, on whatever computes: the seam for LiteRT and others.

LiteRT runs the daemon: a process with the model loaded takes 44 MB against TensorFlow's 645,
and 1.4 ms a view against 3 (2 cores, AMD Zen 4, batch 8). TensorFlow is for a GPU.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from config.errors import ModelError

Floats = NDArray[np.float32]

BATCH_SIZES = (8, 1)
"""Interpreters are planned for these; a batch is cut into them, so no call re-plans memory."""


class Engine(Protocol):
    """What turns views into embeddings."""

    name: str

    def embed(self, views: Floats) -> Floats:
        """Views [n, 96, 96, 3] float32 in −1…1 → embeddings [n, d] float32."""


class LiteRTEngine:
    """LiteRT (formerly TensorFlow Lite) with its XNNPACK kernels."""

    def __init__(self, model: Path, threads: int = 1, name: str = "litert") -> None:
        """Load `model` (.tflite); raises ModelError where LiteRT cannot run it.

        `name`: `litert-int8` where whole numbers are inside; in and out are float32 all the same.
        """
        self.name = name
        try:
            self._interpreters = {size: _planned(model, size, threads) for size in BATCH_SIZES}
        except (ValueError, RuntimeError) as error:
            raise ModelError(f"{model}: LiteRT cannot run this model ({error})") from error

    def embed(self, views: Floats) -> Floats:
        """Views [n, 96, 96, 3] float32 in −1…1 → embeddings [n, d] float32."""
        done, parts = 0, []
        for size in BATCH_SIZES:
            while len(views) - done >= size:
                parts.append(_invoke(self._interpreters[size], views[done : done + size]))
                done += size
        return np.concatenate(parts)


class TensorFlowEngine:
    """TensorFlow, for boxes with a GPU: it takes what it finds, else the CPU."""

    name = "tensorflow"

    def __init__(self, model: Path) -> None:
        """Load `model` (.keras); raises ModelError where it or TensorFlow cannot be loaded."""
        try:
            import keras  # noqa: PLC0415 - 600 MB that no other engine needs
            import tensorflow as tf  # noqa: PLC0415
        except ImportError as error:
            raise ModelError(
                f"the engine tensorflow cannot run here ({error}); "
                "pip install 'jikimi[tensorflow]', or set `engine: litert`"
            ) from error
        for gpu in tf.config.list_physical_devices("GPU"):
            try:
                # else it takes the whole GPU, whoever else needs some of it
                tf.config.experimental.set_memory_growth(gpu, True)
            except RuntimeError:
                break  # something here has used the GPU before: it is as it is
        try:
            network = keras.models.load_model(model, compile=False)
        except (ValueError, OSError, TypeError) as error:
            raise ModelError(f"{model}: TensorFlow cannot run this model ({error})") from error
        signature = tf.TensorSpec([None, *network.input_shape[1:]], tf.float32)
        self._embed = tf.function(
            lambda views: network(views, training=False), input_signature=[signature]
        )

    def embed(self, views: Floats) -> Floats:
        """Views [n, 96, 96, 3] float32 in −1…1 → embeddings [n, d] float32."""
        return np.asarray(self._embed(views).numpy(), np.float32)


def _planned(model: Path, batch: int, threads: int) -> Interpreter:
    interpreter = Interpreter(model_path=str(model), num_threads=threads)
    [entry] = interpreter.get_input_details()
    interpreter.resize_tensor_input(entry["index"], [batch, *entry["shape"][1:]])
    interpreter.allocate_tensors()
    return interpreter


def _invoke(interpreter: Interpreter, views: Floats) -> Floats:
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], views)
    interpreter.invoke()
    output = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    return np.asarray(output, np.float32)
