"""From embeddings to one calibrated probability a label.

The worker knows only the protocol: a head may keep state per camera (a temporal head looks
back over a second of embeddings), and is told when nothing moves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


class Head(Protocol):
    """What turns embeddings into probabilities."""

    @property
    def labels(self) -> tuple[str, ...]:
        """What the probabilities are of, in their order."""

    def new_state(self) -> Any:
        """State of a camera that has just been added."""

    def __call__(self, embeddings: Floats, states: Sequence[Any]) -> Floats:
        """Embeddings [n, d] float32 of n cameras, and their states → probabilities [n, labels]."""

    def rest(self, state: Any) -> Floats:
        """Nothing moves on this camera: its probabilities [labels]."""


@dataclass(frozen=True, slots=True, eq=False)
class LinearHead:
    """Standardise, weigh, calibrate; keeps no state.

    `mean`, `scale`: [d]; `weight`: [d, labels]; `bias`, `slope`, `intercept`: [labels].
    The last two are Platt scaling of the logits (Platt 1999, "Probabilistic outputs for
    support vector machines").
    """

    labels: tuple[str, ...]
    mean: Floats
    scale: Floats
    weight: Floats
    bias: Floats
    slope: Floats
    intercept: Floats

    def new_state(self) -> None:
        """No state."""

    def __call__(self, embeddings: Floats, states: Sequence[Any]) -> Floats:
        """Embeddings [n, d] float32 → probabilities [n, labels]."""
        logits = ((embeddings - self.mean) / self.scale) @ self.weight + self.bias
        calibrated = self.slope * logits + self.intercept
        return np.asarray(1 / (1 + np.exp(-np.clip(calibrated, -30, 30))), np.float32)

    def rest(self, state: Any) -> Floats:
        """Where nothing moves nobody fights."""
        return np.zeros(len(self.labels), np.float32)
