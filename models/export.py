"""From a trained network and head to the files that the daemon reads.

Writes the embedding network for LiteRT, the head, and the sidecar that ties them together.
`detector.inference.weights` reads exactly this and refuses what does not fit.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from config.errors import ModelError
from detector.incidents import IncidentRules
from detector.motion import VIEW_RECIPE
from models.features import Floats
from models.head import LinearHead, Platt

FORMAT = 1
LABEL = "violence"
PARITY_TOLERANCE = 1e-3
"""Largest difference of an embedding number between TensorFlow and LiteRT; they reach 6."""


def to_litert(network: Any) -> bytes:
    """The network as a .tflite with float32 input and output and any batch size."""
    import tensorflow as tf  # noqa: PLC0415 (seconds to import, and only training has it)
    from tensorflow.python.framework.convert_to_constants import (  # noqa: PLC0415
        convert_variables_to_constants_v2,
    )

    # A batch of None is written as 1 and can be resized. Frozen, because variables left in
    # make some models fail only when they are invoked.
    signature = tf.TensorSpec([None, *network.input_shape[1:]], tf.float32, name="views")
    traced = tf.function(lambda views: network(views, training=False)).get_concrete_function(
        signature
    )
    frozen = convert_variables_to_constants_v2(traced)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([frozen])
    return bytes(converter.convert())


def embed_with_litert(model: bytes, views: NDArray[Any], batch: int = 8) -> Floats:
    """Embeddings [n, d] of views [n, 96, 96, 3] by LiteRT; the last batch may be smaller."""
    from ai_edge_litert.interpreter import Interpreter  # noqa: PLC0415 (beside TensorFlow)

    interpreter = Interpreter(model_content=model)
    [entry] = interpreter.get_input_details()
    [output] = interpreter.get_output_details()
    parts = []
    for start in range(0, len(views), batch):
        part = np.ascontiguousarray(views[start : start + batch], np.float32)
        interpreter.resize_tensor_input(entry["index"], part.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(entry["index"], part)
        interpreter.invoke()
        parts.append(interpreter.get_tensor(output["index"]))
    return np.concatenate(parts)


def check_parity(model: bytes, views: NDArray[Any], expected: Floats) -> float:
    """The largest difference between LiteRT's embeddings of real `views` and `expected`.

    Noise would not do: an untrained network gives the same for anything. Raises ModelError
    where they differ by more than `PARITY_TOLERANCE`, or where a batch size matters.
    """
    worst = 0.0
    for batch in (1, 3, 8):
        found = embed_with_litert(model, views, batch)
        worst = max(worst, float(np.abs(found - expected).max()))
    if float(expected.std(axis=0).max()) < 10 * PARITY_TOLERANCE:
        raise ModelError("the network gives the same embedding for every view: it is untrained")
    if worst > PARITY_TOLERANCE:
        raise ModelError(f"LiteRT and TensorFlow differ by {worst:.2g} on the same views")
    return worst


def write_weights(
    out: Path,
    model: bytes,
    head: LinearHead,
    platt: Platt,
    rules: IncidentRules,
    facts: dict[str, dict[str, Any]],
) -> Path:
    """Write network, head and sidecar into the folder `out`; the sidecar's path.

    `model`: the .tflite. `facts`: the sections `training` and `figures` of the sidecar.
    """
    out.mkdir(parents=True, exist_ok=True)
    model_file = out / f"{LABEL}.tflite"
    model_file.write_bytes(model)
    head_file = out / f"{LABEL}.npz"
    np.savez(head_file, mean=head.mean, scale=head.scale, weight=head.weight, bias=head.bias)
    sidecar = {
        "format": FORMAT,
        "name": "violence-mobilenetv2-block13-linear",
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "labels": [LABEL],
        "view": VIEW_RECIPE,
        "engines": {
            "litert": {
                "file": model_file.name,
                "sha256": _sha256(model_file),
                "input": "float32",
            }
        },
        "head": {"kind": "linear", "file": head_file.name, "sha256": _sha256(head_file)},
        "calibration": {LABEL: asdict(platt)},
        "incident": {LABEL: asdict(rules)},
        **facts,
    }
    path = out / f"{LABEL}.json"
    path.write_text(json.dumps(sidecar, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
