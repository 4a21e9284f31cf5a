"""A second look loads whole or is refused by name, and weights without one have none."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from config.errors import ModelError
from detector.inference.second_look.weights import check_second_look, load_second_look
from detector.inference.weights import load_classifier, shipped_weights
from detector.motion.window import WINDOW_RECIPE

Change = Callable[..., Path]


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A copy of the shipped weights: its sidecar."""
    folder = tmp_path / "weights"
    folder.mkdir()
    for file in shipped_weights().parent.iterdir():
        if file.name.startswith(("violence.", "second-look")):
            shutil.copy(file, folder)
    return folder / "violence.json"


def changed(sidecar: Path, **parts: Any) -> None:
    """The section `second_look`, other parts in it."""
    told = json.loads(sidecar.read_text(encoding="utf-8"))
    told["second_look"] |= parts
    sidecar.write_text(json.dumps(told), encoding="utf-8")


def refused(sidecar: Path) -> str:
    """The message with which it is refused."""
    with pytest.raises(ModelError) as caught:
        load_second_look(sidecar)
    message = str(caught.value)
    assert "\n" not in message
    assert "export again" in message
    return message


@pytest.mark.slow
def test_the_shipped_second_look_loads_and_tells_windows_apart(weights: Path) -> None:
    found = load_second_look(weights)
    assert found is not None
    sidecar = load_classifier(weights).sidecar
    assert found.label in sidecar.labels
    assert found.rules.alone == sidecar.incident[found.label].open_threshold
    assert found.rules.candidate < found.rules.alone
    side = found.engine.side
    noise = np.random.default_rng(1).integers(0, 255, (found.engine.frames, side, side, 3))
    windows = [np.zeros_like(noise, np.uint8), noise.astype(np.uint8)]
    still, moving = (found.head.logits(found.engine.look(w).embedding[None])[0] for w in windows)
    assert np.isfinite([still, moving]).all()
    assert still != moving


def test_weights_without_a_second_look_have_none(weights: Path) -> None:
    told = json.loads(weights.read_text(encoding="utf-8"))
    del told["second_look"]
    weights.write_text(json.dumps(told), encoding="utf-8")
    assert load_second_look(weights) is None
    check_second_look(weights)


@pytest.mark.parametrize("name", ["second-look.tflite", "second-look.npz"])
def test_a_file_that_is_missing_or_another_one_is_refused(weights: Path, name: str) -> None:
    file = weights.parent / name
    file.write_bytes(file.read_bytes() + b"x")
    assert str(file) in refused(weights)
    with pytest.raises(ModelError, match=name):
        check_second_look(weights)
    file.unlink()
    assert str(file) in refused(weights)


@pytest.mark.parametrize(
    ("parts", "named"),
    [
        ({"window": {**WINDOW_RECIPE, "version": 99}}, "99"),
        ({"label": "fire"}, "fire"),
        ({"rules": {}}, "candidate"),
        ({"seen": None}, "seen"),
    ],
)
def test_a_section_that_does_not_fit_is_refused(
    weights: Path, parts: dict[str, Any], named: str
) -> None:
    changed(weights, **parts)
    message = refused(weights)
    assert str(weights) in message
    assert named in message


@pytest.mark.parametrize(
    "parts",
    [
        {"weight": np.ones(3, np.float32)},
        {"scale": np.zeros(512, np.float32)},
        {"mean": np.full(512, np.nan, np.float32)},
        {"intercept": np.inf},
        {"first": None},
    ],
)
def test_a_head_that_cannot_score_is_refused(weights: Path, parts: dict[str, Any]) -> None:
    file = weights.parent / "second-look.npz"
    with np.load(file) as arrays:
        kept = {name: own for name, own in ({**arrays} | parts).items() if own is not None}
    np.savez(file, **kept)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    changed(weights, head={"file": file.name, "sha256": digest})
    assert str(file) in refused(weights)


def test_a_network_of_another_kind_is_refused(weights: Path) -> None:
    file = weights.parent / "violence.tflite"
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    changed(weights, network={"file": file.name, "sha256": digest})
    assert "not a video network" in refused(weights)
