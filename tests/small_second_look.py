"""A second look small enough to write here: it always says the same, whatever it is shown."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as tfl

from detector.motion.window import FRAMES, WINDOW_RECIPE

SIDE = 16

RULES = {
    "candidate": 0.3,
    "incident": {
        "open_threshold": 0.8,
        "close_threshold": 0.7,
        "min_duration_s": 0.0,
        "merge_gap_s": 2.0,
    },
}


def mean_colour_model() -> bytes:
    """A .tflite from a window [8, 16, 16, 3] uint8 to its mean colour, [1, 3] float32, twice."""
    model, graph = tfl.ModelT(), tfl.SubGraphT()
    model.version = 3
    buffers = [np.array([], np.int32), np.array([0, 1, 2], np.int32), np.array([1, 3], np.int32)]
    model.buffers = []
    for values in buffers:
        buffer = tfl.BufferT()
        buffer.data = list(values.tobytes()) or None
        model.buffers.append(buffer)
    model.operatorCodes = []
    for builtin in (
        tfl.BuiltinOperator.CAST,
        tfl.BuiltinOperator.MEAN,
        tfl.BuiltinOperator.RESHAPE,
    ):
        code = tfl.OperatorCodeT()
        code.builtinCode = code.deprecatedBuiltinCode = builtin
        code.version = 1
        model.operatorCodes.append(code)
    window = [FRAMES, SIDE, SIDE, 3]
    graph.tensors = []
    for name, shape, kind, buffer in (
        ("window", window, tfl.TensorType.UINT8, 0),
        ("floats", window, tfl.TensorType.FLOAT32, 0),
        ("axes", [3], tfl.TensorType.INT32, 1),
        ("mean", [3], tfl.TensorType.FLOAT32, 0),
        ("shape", [2], tfl.TensorType.INT32, 2),
        ("embedding", [1, 3], tfl.TensorType.FLOAT32, 0),
        ("logits", [1, 3], tfl.TensorType.FLOAT32, 0),
    ):
        tensor = tfl.TensorT()
        tensor.name, tensor.shape, tensor.type, tensor.buffer = name, shape, kind, buffer
        graph.tensors.append(tensor)
    graph.operators = []
    for index, inputs, outputs in (
        (0, [0], [1]),
        (1, [1, 2], [3]),
        (2, [3, 4], [5]),
        (2, [3, 4], [6]),
    ):
        operator = tfl.OperatorT()
        operator.opcodeIndex, operator.inputs, operator.outputs = index, inputs, outputs
        graph.operators.append(operator)
    graph.operators[1].builtinOptionsType = tfl.BuiltinOptions.ReducerOptions
    graph.operators[1].builtinOptions = tfl.ReducerOptionsT()
    graph.inputs, graph.outputs = [0], [5, 6]
    model.subgraphs = [graph]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def add_second_look(sidecar: Path, logit: float) -> Path:
    """Add one to the weights of `sidecar` that says `logit` of everything; the sidecar."""
    folder = sidecar.parent
    (folder / "second.tflite").write_bytes(mean_colour_model())
    numbers = {"bias": logit, "first": 0.0, "second": 1.0, "intercept": 0.0}
    np.savez(
        folder / "second.npz",
        mean=np.zeros(3, np.float32),
        scale=np.ones(3, np.float32),
        weight=np.zeros(3, np.float32),
        **{name: np.float32(value) for name, value in numbers.items()},
    )
    described = {
        key: {"file": name, "sha256": hashlib.sha256((folder / name).read_bytes()).hexdigest()}
        for key, name in (("network", "second.tflite"), ("head", "second.npz"))
    }
    told = json.loads(sidecar.read_text())
    told["second_look"] = {
        "label": told["labels"][0],
        **described,
        "window": WINDOW_RECIPE,
        "rules": RULES,
        **{key: [] for key in ("seen", "seen_sha256", "clip_sha256")},
        **dict.fromkeys(("licence", "licence_file", "source"), "drawn"),
    }
    sidecar.write_text(json.dumps(told))
    return sidecar
