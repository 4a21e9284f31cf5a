"""Real but tiny parts: weights small enough to write here, videos drawn on the spot."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as tfl

from detector.inference.weights import Classifier, load_classifier
from detector.motion.view import VIEW_RECIPE
from footage import Picture, write_video

MakeWeights = Callable[..., Path]


def moving_strength_model() -> bytes:
    """A .tflite that gives each view's mean absolute value a channel: [n, 96, 96, 3] → [n, 3]."""
    model, graph = tfl.ModelT(), tfl.SubGraphT()
    model.version = 3
    axes = tfl.BufferT()
    axes.data = list(np.array([1, 2], np.int32).tobytes())
    model.buffers = [tfl.BufferT(), axes]
    model.operatorCodes = []
    for builtin in (tfl.BuiltinOperator.ABS, tfl.BuiltinOperator.MEAN):
        code = tfl.OperatorCodeT()
        code.builtinCode = code.deprecatedBuiltinCode = builtin
        code.version = 1
        model.operatorCodes.append(code)
    graph.tensors = []
    for name, shape, kind, buffer in (
        ("views", [1, 96, 96, 3], tfl.TensorType.FLOAT32, 0),
        ("strength", [1, 96, 96, 3], tfl.TensorType.FLOAT32, 0),
        ("axes", [2], tfl.TensorType.INT32, 1),
        ("embeddings", [1, 3], tfl.TensorType.FLOAT32, 0),
    ):
        tensor = tfl.TensorT()
        tensor.name, tensor.shape, tensor.type, tensor.buffer = name, shape, kind, buffer
        graph.tensors.append(tensor)
    absolute, mean = tfl.OperatorT(), tfl.OperatorT()
    absolute.opcodeIndex, absolute.inputs, absolute.outputs = 0, [0], [1]
    absolute.builtinOptionsType = tfl.BuiltinOptions.AbsOptions
    absolute.builtinOptions = tfl.AbsOptionsT()
    mean.opcodeIndex, mean.inputs, mean.outputs = 1, [1, 2], [3]
    mean.builtinOptionsType = tfl.BuiltinOptions.ReducerOptions
    mean.builtinOptions = tfl.ReducerOptionsT()
    graph.operators, graph.inputs, graph.outputs = [absolute, mean], [0], [3]
    model.subgraphs = [graph]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


HEAD: dict[str, Any] = {
    "mean": np.zeros(3, np.float32),
    "scale": np.ones(3, np.float32),
    "weight": np.full((3, 1), 400 / 3, np.float32),
    "bias": np.full(1, -4, np.float32),
}
"""Any motion worth the name (a mean of 0.03) is certain violence: good for pipelines."""


def write_weights(
    folder: Path,
    *,
    model: bytes | None = None,
    head: dict[str, Any] | bytes | None = None,
    **changed: Any,
) -> Path:
    """Write a complete set of weights, with some keys of the sidecar changed; its path."""
    folder.mkdir(exist_ok=True)
    (folder / "tiny.tflite").write_bytes(moving_strength_model() if model is None else model)
    if isinstance(head, bytes):
        (folder / "tiny.npz").write_bytes(head)
    else:
        np.savez(folder / "tiny.npz", **(HEAD if head is None else head))
    described = {
        name: {
            "file": name,
            "sha256": hashlib.sha256((folder / name).read_bytes()).hexdigest(),
        }
        for name in ("tiny.tflite", "tiny.npz")
    }
    sidecar = {
        "format": 1,
        "name": "tiny",
        "created": "2026-01-01T00:00:00Z",
        "labels": ["violence"],
        "view": VIEW_RECIPE,
        "engines": {"litert": described["tiny.tflite"]},
        "head": {"kind": "linear", **described["tiny.npz"]},
        "calibration": {"violence": {"slope": 1.0, "intercept": 0.0}},
        "incident": {
            "violence": {
                "open_threshold": 0.7,
                "close_threshold": 0.4,
                "min_duration_s": 0.0,
                "merge_gap_s": 2.0,
            }
        },
        "training": {},
        "figures": {},
        **changed,
    }
    path = folder / "tiny.json"
    path.write_text(json.dumps(sidecar))
    return path


@pytest.fixture
def make_weights(tmp_path: Path) -> MakeWeights:
    """`write_weights`, into a folder of this test."""
    return partial(write_weights, tmp_path / "weights")


@pytest.fixture(scope="session")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Classifier:
    """The tiny weights, loaded as the daemon loads its own."""
    return load_classifier(write_weights(tmp_path_factory.mktemp("weights")))


def brawl(seconds: float, fps: float, *, active: tuple[float, float]) -> Iterator[Picture]:
    """A textured scene, [240, 320, 3] BGR; within `active` (seconds) two squares shake about."""
    rng = np.random.default_rng(3)
    scene = np.repeat(np.repeat(rng.integers(60, 120, (15, 20, 3)), 16, 0), 16, 1).astype(np.uint8)
    for i in range(round(seconds * fps)):
        picture = scene.copy()
        if active[0] <= i / fps < active[1]:
            for x in rng.integers(80, 180, 2):
                picture[90:160, x : x + 50] = 250
        yield picture


@pytest.fixture
def brawl_pictures() -> Callable[..., Iterator[Picture]]:
    """`brawl`, for tests that want one of another length."""
    return brawl


@pytest.fixture(scope="session")
def brawl_video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """12 s at 25 fps with a brawl from 3 to 6 s. Not to be written to."""
    path = tmp_path_factory.mktemp("footage") / "brawl.mp4"
    return write_video(path, brawl(12, 25, active=(3, 6)))
