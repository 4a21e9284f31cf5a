"""The head of the second look: what a window shows, and what both stages say together.

A linear head on the window's embedding gives the second stage's logit. Three numbers make one
calibrated probability of it and of the first stage's, so the two need not be on one scale.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from detector.inference.engine import Floats

EXTREME = 1e-4
"""Probabilities beyond it and 1 minus it count as it: the first stage's 0 has no logit."""


@dataclass(frozen=True, slots=True, eq=False)
class FusedHead:
    """Of one label; keeps no state.

    `mean`, `scale`, `weight`: [d] float32, with `bias` of the linear head. `first`, `second`: what
    the first stage's logit and the second's weigh in the fused one, to which `intercept` is added.
    """

    mean: Floats
    scale: Floats
    weight: Floats
    bias: float
    first: float
    second: float
    intercept: float

    def logits(self, embeddings: Floats) -> Floats:
        """Embeddings of windows [n, d] → the second stage's logits [n]."""
        return np.asarray((embeddings - self.mean) / self.scale @ self.weight + self.bias, "f4")

    def fused(self, smoothed: ArrayLike, logits: ArrayLike) -> Floats:
        """Smoothed probabilities of the first stage and logits of the second [n] → fused ones."""
        whole = self.first * logit(smoothed) + self.second * np.asarray(logits) + self.intercept
        return probability(whole)


def logit(probabilities: ArrayLike) -> Floats:
    """Log-odds of probabilities; 0 and 1 give finite ones."""
    kept = np.clip(np.asarray(probabilities, np.float32), EXTREME, 1 - EXTREME)
    return np.asarray(np.log(kept / (1 - kept)), np.float32)


def probability(logits: ArrayLike) -> Floats:
    """Probabilities of log-odds."""
    return np.asarray(1 / (1 + np.exp(-np.clip(logits, -30, 30))), np.float32)
