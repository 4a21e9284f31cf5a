"""The training loop: it ends when it should, and a killed one ends where another does."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.training.loop import Batch, fit
from models.training.recipe import Learning

pytestmark = [
    pytest.mark.filterwarnings("ignore"),  # TensorFlow's own
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("tensorflow") is None,
        reason="TensorFlow is not installed (make train-env)",
    ),
]

LEARNING = Learning(epochs=5, rate=0.01, early_stopping=9, plateau=9)


def model() -> Any:
    import keras

    keras.utils.set_random_seed(1)
    inputs = keras.Input((8, 8, 3))
    hidden = keras.layers.Conv2D(4, 3, activation="relu")(inputs)
    pooled = keras.layers.Dropout(0.3)(keras.layers.GlobalAveragePooling2D()(hidden))
    return keras.Model(inputs, keras.layers.Dense(2)(pooled))


def batches(epoch: int) -> Iterator[Batch]:
    rng = np.random.default_rng([7, epoch])
    for _ in range(3):
        truth = rng.integers(0, 2, (16, 2)).astype(np.float32)
        views = rng.normal(truth.mean(axis=1)[:, None, None, None], 0.5, (16, 8, 8, 3))
        yield views.astype(np.float32), truth, np.ones(16, np.float32)


def noise(epoch: int) -> Iterator[Batch]:
    """From which nothing can be learnt that holds on another epoch's."""
    for views, truth, weights in batches(epoch):
        yield views, truth, weights
        yield views, 1 - truth, weights


def die_in(epoch: int) -> Any:
    def dying(number: int) -> Iterator[Batch]:
        for i, batch in enumerate(batches(number)):
            if (number, i) == (epoch, 1):
                os.kill(os.getpid(), signal.SIGKILL)
            yield batch

    return dying


def run(folder: Path, drawn: Any = batches) -> tuple[list[Any], list[dict[str, float]]]:
    own = model()
    history = fit(own, drawn, lambda: batches(99), LEARNING, folder / "checkpoint.npz", "x")
    return own.get_weights(), history


@pytest.mark.long
def test_a_killed_training_ends_where_an_uninterrupted_one_does(tmp_path: Path) -> None:
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    script = f"import test_loop as t; t.run(t.Path({str(killed)!r}), t.die_in(3))"
    died = subprocess.run(
        [sys.executable, "-c", script],
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent)},
        capture_output=True,
    )
    assert died.returncode == -signal.SIGKILL
    assert (killed / "checkpoint.npz").is_file()
    seen: list[int] = []

    def noted(epoch: int) -> Iterator[Batch]:
        seen.append(epoch)
        return batches(epoch)

    resumed, told = run(killed, noted)
    assert seen == [3, 4]
    weights, history = run(whole)
    assert all(np.array_equal(a, b) for a, b in zip(resumed, weights, strict=True))
    assert told == history


def test_a_finished_training_is_not_repeated_nor_another_one_gone_on_from(tmp_path: Path) -> None:
    weights, _ = run(tmp_path)

    def never(epoch: int) -> Iterator[Batch]:
        raise AssertionError(epoch)

    again, _ = run(tmp_path, never)
    assert all(np.array_equal(a, b) for a, b in zip(again, weights, strict=True))
    own = model()
    history = fit(own, batches, lambda: batches(99), LEARNING, tmp_path / "checkpoint.npz", "y")
    assert len(history) == 5


def test_it_slows_down_ends_early_and_keeps_the_best(tmp_path: Path) -> None:
    learning = replace(LEARNING, epochs=50, rate=0.3, early_stopping=5, plateau=2)
    own = model()
    history = fit(own, noise, lambda: noise(99), learning, tmp_path / "c.npz", "x")
    losses = [row["validation_loss"] for row in history]
    best = int(np.argmin(losses))
    assert len(history) == best + 6
    rates = [row["learning_rate"] for row in history]
    assert rates[best] == pytest.approx(rates[best + 2])
    assert rates[best + 3] == pytest.approx(rates[best] / 2)
    assert rates[best + 5] == pytest.approx(rates[best] / 4)
    views, truth, _ = next(iter(noise(99)))
    said = 1 / (1 + np.exp(-np.asarray(own(views))))
    kept = -(truth * np.log(said) + (1 - truth) * np.log(1 - said)).mean()
    assert kept == pytest.approx(min(losses), abs=0.15)
