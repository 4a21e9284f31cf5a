"""The linear head on the embeddings: fitted, calibrated, small enough to explain.

Standardise, then one L2 logistic regression a label, in which every example weighs the same
however long it is. What comes out is the daemon's own `LinearHead`. Needs scikit-learn.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from detector.inference.head import Floats, LinearHead
from models.training.examples import Example, example_weights
from models.training.recipe import Recipe, fold_of

UNKNOWN_LOGIT = -4.0
"""What a head says of a label that none of its clips shows: 2 %."""


def fit_head(examples: Sequence[Example], labels: Sequence[str], recipe: Recipe) -> LinearHead:
    """The head that tells views of each label from all others; not calibrated yet."""
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415 (training only)

    kept = [example for example in examples if len(example.values)]
    values = np.concatenate([part for example in kept for part in (example.values, example.copies)])
    counts = [len(example.values) + len(example.copies) for example in kept]
    shares = example_weights([example.clip for example in kept], recipe) / counts
    weights = np.repeat(shares, counts)
    # Copies make no more evidence: the penalty is the one that suits the views themselves.
    weights *= sum(len(example.values) for example in kept) / weights.sum()
    mean = np.average(values, axis=0, weights=weights)
    standard = values - mean
    variance = np.einsum("i,ij,ij->j", weights, standard, standard) / weights.sum()
    scale = np.sqrt(variance) + 1e-6
    standard /= scale
    weight, bias = np.zeros((len(mean), len(labels))), np.full(len(labels), UNKNOWN_LOGIT)
    for column, label in enumerate(labels):
        targets = np.repeat([label in example.labels for example in kept], counts)
        if targets.any() and not targets.all():
            model = LogisticRegression(C=recipe.strength, max_iter=2000)
            model.fit(standard, targets, sample_weight=weights)
            weight[:, column], bias[column] = model.coef_[0], model.intercept_[0]
    ones = np.ones(len(labels), np.float32)
    return LinearHead(
        tuple(labels),
        mean=np.asarray(mean, np.float32),
        scale=np.asarray(scale, np.float32),
        weight=np.asarray(weight, np.float32),
        bias=np.asarray(bias, np.float32),
        slope=ones,
        intercept=0 * ones,
    )


def logits_of(head: LinearHead, values: Floats) -> Floats:
    """Logits [n, labels] of embeddings [n, d], before calibration."""
    return np.asarray(((values - head.mean) / head.scale) @ head.weight + head.bias, np.float32)


def probabilities_of(head: LinearHead, values: Floats) -> Floats:
    """Probabilities [n, labels] of embeddings [n, d], as the daemon gives them."""
    return head(values, [None] * len(values))


def out_of_fold_logits(
    examples: Sequence[Example], heads: dict[int, LinearHead]
) -> list[tuple[Example, Floats]]:
    """What the head of each example's fold, fitted without it, says of its views [n, labels].

    Not a number where that head has seen no clip of the label.
    """
    found = []
    for example in examples:
        if head := heads.get(fold_of(example.clip)):
            logits = logits_of(head, example.values)
            logits[:, ~head.weight.any(axis=0)] = np.nan
            found.append((example, logits))
    return found


def calibrate(head: LinearHead, logits: Sequence[tuple[Example, Floats]]) -> LinearHead:
    """The head with Platt scaling a label, fitted on what heads said of examples new to them."""
    slope, intercept = calibration_of(logits, head.labels)
    return replace(head, slope=slope, intercept=intercept)


def calibration_of(
    logits: Sequence[tuple[Example, Floats]], labels: Sequence[str]
) -> tuple[Floats, Floats]:
    """The slope and intercept [labels] that make probabilities of logits.

    A label that they rank no better than chance keeps its logits as they are, and is named.
    """
    slope, intercept = np.ones(len(labels), np.float32), np.zeros(len(labels), np.float32)
    for column, label in enumerate(labels):
        own_logits = [
            (example, own[:, column])
            for example, own in logits
            if len(own) and not np.isnan(own[0, column])
        ]
        found = _platt(own_logits, label)
        if found is None:
            tqdm.write(
                f"label {label} is not calibrated: its clips are too few or too hard",
                file=sys.stderr,
            )
        else:
            slope[column], intercept[column] = found
    return slope, intercept


def _platt(logits: Sequence[tuple[Example, NDArray[np.float32]]], label: str) -> list[float] | None:
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415 (training only)

    truths = [label in example.labels for example, _ in logits]
    if len(set(truths)) < 2:
        return None
    counts = [len(own) for _, own in logits]
    model = LogisticRegression(C=1e6)
    model.fit(
        np.concatenate([own for _, own in logits])[:, None],
        np.repeat(truths, counts),
        sample_weight=np.repeat([1 / count for count in counts], counts),
    )
    slope, intercept = float(model.coef_[0, 0]), float(model.intercept_[0])
    return [slope, intercept] if slope > 0 else None
