"""The linear head on the embeddings: fitted, calibrated, written; small enough to explain.

Standardise, then L2 logistic regression in which clips weigh the same, however long they
are. The daemon has its own reader of what is written here (`detector.inference`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.features import Features, Floats

STRENGTH = 0.003
"""Inverse weight of the L2 penalty (scikit-learn's C): 576 numbers from few scenes overfit."""

FURTHER_WEIGHT = 0.5
"""What a clip of the further sets weighs beside one of the two main sets.

They teach normal days of other cameras, but hold no fights: at full weight the two cities'
ranking of each other suffers (.891 → .859 one way), at none other cameras alarm more."""


@dataclass(frozen=True, slots=True, eq=False)
class LinearHead:
    """`mean`, `scale`: [d]; `weight`: [d, 1]; `bias`: [1]; all float32."""

    mean: Floats
    scale: Floats
    weight: Floats
    bias: Floats

    def logits(self, embeddings: Floats) -> Floats:
        """Logits [n] of embeddings [n, d], not calibrated."""
        standard = (embeddings - self.mean) / self.scale
        return np.asarray((standard @ self.weight + self.bias)[:, 0], np.float32)


@dataclass(frozen=True, slots=True)
class Platt:
    """Calibration: probability = 1 / (1 + exp(−(slope · logit + intercept)))."""

    slope: float
    intercept: float

    def __call__(self, logits: Floats) -> Floats:
        """Probabilities of logits, elementwise."""
        calibrated = self.slope * logits + self.intercept
        return np.asarray(1 / (1 + np.exp(-np.clip(calibrated, -30, 30))), np.float32)


def fit_head(clips: list[Features], strength: float = STRENGTH) -> LinearHead:
    """The head that tells violent clips' views from the others'."""
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415 (training only)

    embeddings, targets, weights = _stacked(clips)
    mean = np.average(embeddings, axis=0, weights=weights)
    scale = np.sqrt(np.average((embeddings - mean) ** 2, axis=0, weights=weights)) + 1e-6
    model = LogisticRegression(C=strength, max_iter=2000)
    model.fit((embeddings - mean) / scale, targets, sample_weight=weights)
    parts = (mean, scale, model.coef_.T, model.intercept_)
    return LinearHead(*(np.asarray(part, np.float32) for part in parts))


def fit_platt(logits: list[Floats], violent: list[bool]) -> Platt:
    """Calibration on the view logits of clips that the head was not fitted on."""
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415 (training only)

    kept = [(own, truth) for own, truth in zip(logits, violent, strict=True) if len(own)]
    weights = np.concatenate([np.full(len(own), 1 / len(own)) for own, _ in kept])
    targets = np.concatenate([np.full(len(own), truth) for own, truth in kept])
    model = LogisticRegression(C=1e6)
    model.fit(np.concatenate([own for own, _ in kept])[:, None], targets, sample_weight=weights)
    return Platt(float(model.coef_[0, 0]), float(model.intercept_[0]))


def _stacked(clips: list[Features]) -> tuple[Floats, NDArray[np.bool_], NDArray[np.float64]]:
    """All views [n, 576] with their clip's label [n] and weight [n]; the weights' mean is 1."""
    kept = [clip for clip in clips if len(clip.embeddings)]
    counts = [len(clip.embeddings) for clip in kept]
    targets = np.repeat([clip.clip.violent for clip in kept], counts)
    shares = [FURTHER_WEIGHT if clip.clip.fold is None else 1.0 for clip in kept]
    weights = np.repeat(np.array(shares) / counts, counts)
    embeddings = np.concatenate([clip.embeddings for clip in kept])
    return embeddings, targets, weights / weights.mean()
