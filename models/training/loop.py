"""The training loop for Keras models: batches in, the best weights out, whatever happens between.

After every epoch everything that decides the rest (weights, optimiser, learning rate, best so
far) is on disk, written whole or not at all, and what an epoch draws depends on its number
alone: a training that was killed and started again ends with the same weights as one that
was not. Knows neither views nor clips.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from models.training.recipe import Learning

Batch = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]
"""Inputs [n, …], targets [n, labels] of 0 and 1, weights [n]."""


@dataclass(slots=True)
class Progress:
    """Where a training stands; what `checkpoint` keeps beside the weights."""

    epoch: int = 0
    best_loss: float = float("inf")
    since_best: int = 0
    since_drop: int = 0
    ended: bool = False
    history: list[dict[str, float]] = field(default_factory=list)


def fit(
    model: Any,
    batches: Callable[[int], Iterable[Batch]],
    validation: Callable[[], Iterable[Batch]],
    learning: Learning,
    checkpoint: Path,
    command: str,
) -> list[dict[str, float]]:
    """Train `model`, whose outputs are logits, and leave it with its best weights; the history.

    `batches`: those of an epoch, by its number, always the same. `validation`: those whose loss
    decides when to slow down and when to end. `command`: names all that the outcome depends
    on; a checkpoint of another one is not gone on from.
    """
    import keras  # noqa: PLC0415 (four seconds, and only training has it)
    import tensorflow as tf  # noqa: PLC0415

    # Without it threads add in the order in which they finish, and a resumed training differs.
    tf.config.experimental.enable_op_determinism()
    optimiser = keras.optimizers.Adam(learning.rate)
    optimiser.build(model.trainable_variables)
    progress, best = _resumed(checkpoint, command, model, optimiser)

    def losses(batch: Batch, training: bool) -> Any:
        inputs, targets, weights = batch
        wrong = tf.nn.sigmoid_cross_entropy_with_logits(targets, model(inputs, training=training))
        return tf.reduce_sum(tf.reduce_mean(wrong, axis=1) * weights) / tf.reduce_sum(weights)

    @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]
    def step(batch: Batch) -> Any:
        with tf.GradientTape() as tape:
            loss = losses(batch, training=True)
            total = tf.add_n([loss, *model.losses])
        gradients = tape.gradient(total, model.trainable_variables)
        optimiser.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        return loss

    measure = tf.function(lambda batch: losses(batch, training=False), reduce_retracing=True)

    while not progress.ended:
        number = progress.epoch
        bar = tqdm(batches(number), desc=f"epoch {number + 1}", unit="batch", disable=None)
        batch_losses = [float(step(batch)) for batch in bar]
        tried = [(float(measure(batch)), float(batch[2].sum())) for batch in validation()]
        loss = float(np.average([one for one, _ in tried], weights=[many for _, many in tried]))
        rate = float(optimiser.learning_rate)
        row = {"epoch": number + 1, "loss": float(np.mean(batch_losses)), "validation_loss": loss}
        progress.history.append({**row, "learning_rate": rate})
        if loss < progress.best_loss:
            progress.best_loss, progress.since_best, progress.since_drop = loss, 0, 0
            best = [variable.numpy() for variable in model.variables]
        else:
            progress.since_best += 1
            progress.since_drop += 1
            if progress.since_drop >= learning.plateau:
                optimiser.learning_rate.assign(rate * learning.plateau_factor)
                progress.since_drop = 0
        progress.epoch += 1
        progress.ended = (
            progress.epoch >= learning.epochs or progress.since_best >= learning.early_stopping
        )
        _write(checkpoint, command, progress, model, optimiser, best)
        tqdm.write(
            f"epoch {number + 1}: loss {row['loss']:.4f}, on scenes held out {loss:.4f}, "
            f"rate {rate:.2g}",
            file=sys.stderr,
        )
    _assign(model.variables, best)
    return progress.history


def _write(
    checkpoint: Path,
    command: str,
    progress: Progress,
    model: Any,
    optimiser: Any,
    best: Sequence[NDArray[Any]],
) -> None:
    groups = {
        "model": [variable.numpy() for variable in model.variables],
        "optimiser": [variable.numpy() for variable in optimiser.variables],
        "best": best,
    }
    arrays = {f"{name}/{i}": own for name, group in groups.items() for i, own in enumerate(group)}
    arrays["progress"] = np.array(json.dumps({"command": command, **asdict(progress)}))
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    unfinished = checkpoint.with_suffix(".unfinished.npz")
    np.savez(unfinished, **arrays)
    unfinished.replace(checkpoint)


def _resumed(
    checkpoint: Path, command: str, model: Any, optimiser: Any
) -> tuple[Progress, list[NDArray[Any]]]:
    """Where the same command was interrupted, put back into model and optimiser; else a start."""
    if checkpoint.is_file():
        with np.load(checkpoint) as arrays:
            told = json.loads(str(arrays["progress"]))
            if told.pop("command") == command:
                counts = {"model": len(model.variables), "optimiser": len(optimiser.variables)}
                found = {
                    name: [arrays[f"{name}/{i}"] for i in range(count)]
                    for name, count in (*counts.items(), ("best", counts["model"]))
                }
                _assign(model.variables, found["model"])
                _assign(optimiser.variables, found["optimiser"])
                tqdm.write(f"{checkpoint}: goes on after epoch {told['epoch']}", file=sys.stderr)
                return Progress(**told), found["best"]
        tqdm.write(f"{checkpoint}: is another training's; starting anew", file=sys.stderr)
    return Progress(), [variable.numpy() for variable in model.variables]


def _assign(variables: Sequence[Any], values: Sequence[NDArray[Any]]) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
