"""How well scores tell two classes apart, in plain NumPy: arrays in, numbers out.

What cannot be measured (one class only, one scene only) is None, with the reason beside it.
Knows no clips, no video and no files.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
Flags = NDArray[np.bool_]

Scenes = Sequence[str] | NDArray[Any]
"""Which scene each score is of: names, or numbers."""

DECISION = 0.5
"""From this probability on, a clip or a view is called positive."""

ROUNDS = 2000
"""Resamples of the scenes behind an interval: its ends then move by less than 0.005."""

CURVE_POINTS = 200
"""Points kept of a curve: more than a picture of it can show."""

RELIABILITY_BINS = 10

SCORE_LEVELS = 1000


Interval = tuple[float, float]
"""Both ends of what holds 95 %."""

Reasons = dict[str, str]
"""Why a figure is None, by its name, or by its dotted path in what holds it."""


@dataclass(frozen=True, slots=True)
class Confusion:
    """Right and wrong decisions, counted."""

    tp: int
    fp: int
    tn: int
    fn: int

    @property
    def recall(self) -> float | None:
        """Share of the positives that were called so."""
        return share(self.tp, self.tp + self.fn)

    @property
    def specificity(self) -> float | None:
        """Share of the negatives that were called so."""
        return share(self.tn, self.tn + self.fp)

    @property
    def precision(self) -> float | None:
        """Share of what was called positive that is."""
        return share(self.tp, self.tp + self.fp)

    @property
    def accuracy(self) -> float | None:
        """Share of all that was called rightly."""
        return share(self.tp + self.tn, self.tp + self.tn + self.fp + self.fn)

    @property
    def f1(self) -> float | None:
        """Harmonic mean of recall and precision; 0 where nothing was found."""
        return share(2 * self.tp, 2 * self.tp + self.fp + self.fn)


@dataclass(frozen=True, slots=True)
class Classification:
    """Two classes told apart on `n` clips or views of so many scenes."""

    auc: float | None
    auc_interval: Interval | None
    average_precision: float | None
    accuracy: float | None
    recall: float | None
    specificity: float | None
    precision: float | None
    f1: float | None
    confusion: Confusion
    n: int
    positives: int
    scenes: int


@dataclass(frozen=True, slots=True)
class Bin:
    """The `n` scores from `low` to `high`: their mean, and the share that is positive."""

    low: float
    high: float
    n: int
    mean_score: float | None
    share_positive: float | None


@dataclass(frozen=True, slots=True)
class Reliability:
    """Whether 0.7 means 70 %; the error is None of nothing."""

    bins: tuple[Bin, ...]
    expected_calibration_error: float | None


@dataclass(frozen=True, slots=True)
class FalseRate:
    """False incidents an hour, and the most an hour that what was watched does not rule out."""

    false_incidents_per_hour: float | None
    hours: float
    false_incidents: int
    upper_95_per_hour: float | None


def share(part: float, whole: float) -> float | None:
    """`part / whole`, None of nothing."""
    return part / whole if whole else None


def missing(measured: Any) -> list[str]:
    """The names of a dataclass' fields that are None."""
    return [field.name for field in fields(measured) if getattr(measured, field.name) is None]


def confusion(scores: Values, positive: Flags) -> Confusion:
    """Decisions at `DECISION` against the truth; both [n]."""
    called = scores >= DECISION
    return Confusion(
        tp=int((called & positive).sum()),
        fp=int((called & ~positive).sum()),
        tn=int((~called & ~positive).sum()),
        fn=int((~called & positive).sum()),
    )


def classification(
    scores: Values, positive: Flags, scenes: Scenes, label: str, seed: int = 0
) -> tuple[Classification, Reasons]:
    """Everything about two classes: `scores`, `positive` and `scenes` [n] of clips or views.

    `auc_interval` holds 95 % of 2000 resamples of the scenes: what other cameras might give.
    """
    counted = confusion(scores, positive)
    one_class = _one_class(positive, label)
    both = one_class is None
    found = Classification(
        auc=roc_auc(scores, positive),
        auc_interval=auc_interval(scores, positive, scenes, seed),
        average_precision=average_precision(scores, positive) if both else None,
        accuracy=counted.accuracy if both else None,
        recall=counted.recall,
        specificity=counted.specificity,
        precision=counted.precision if both else None,
        f1=counted.f1 if both else None,
        confusion=counted,
        n=len(scores),
        positives=int(positive.sum()),
        scenes=len(np.unique(scenes)),
    )
    reasons = dict.fromkeys(missing(found), one_class) if one_class else {}
    if found.auc_interval is None:
        reasons.setdefault("auc_interval", "all of it is of one scene, so none can be resampled")
    if found.precision is None:
        reasons.setdefault("precision", f"nothing was called {label}")
    return found, reasons


def _one_class(positive: Flags, label: str) -> str | None:
    if not len(positive):
        return "there is nothing of it to judge"
    if not positive.any():
        return f"nothing in it is labelled {label}"
    return f"all of it is labelled {label}" if positive.all() else None


def roc_curve(scores: Values, positive: Flags) -> Values:
    """False and true positive rate [points, 2] at every threshold, from (0, 0) to (1, 1)."""
    false, true = _cumulated(scores, positive)
    return np.stack([false / max(false[-1], 1), true / max(true[-1], 1)], axis=1)


def pr_curve(scores: Values, positive: Flags) -> Values:
    """Recall and precision [points, 2] at every threshold; precision 1 at recall 0."""
    false, true = _cumulated(scores, positive)
    called = false + true
    precision = np.divide(true, called, out=np.ones_like(true), where=called > 0)
    return np.stack([true / max(true[-1], 1), precision], axis=1)


def _cumulated(scores: Values, positive: Flags) -> tuple[Values, Values]:
    """Negatives and positives at or above each distinct score, highest first, led by 0."""
    order = np.argsort(-scores, kind="stable")
    last = np.flatnonzero(np.diff(scores[order], append=-np.inf))
    true = np.cumsum(positive[order], dtype=np.float64)[last]
    return np.append(0.0, last + 1 - true), np.append(0.0, true)


def roc_auc(scores: Values, positive: Flags) -> float | None:
    """Chance that a positive is scored above a negative, ties counting half."""
    if positive.all() or not positive.any():
        return None
    return float(np.trapezoid(*roc_curve(scores, positive).T[::-1]))


def balanced_auc(scores: Values, positive: Flags, scenes: Scenes) -> float | None:
    """The same where the negatives of each scene weigh one together."""
    if positive.all() or not positive.any():
        return None
    shares = scene_shares(positive, scenes)
    chances = [
        float(np.mean(scores[positive] > score) + np.mean(scores[positive] == score) / 2)
        for score in scores[~positive]
    ]
    return float(np.average(chances, weights=shares[~positive]))


def scene_shares(positive: Flags, scenes: Scenes) -> Values:
    """1 of each positive, and of a negative its share of its scene's, [n]."""
    _, scene, counts = np.unique(
        np.asarray(scenes)[~positive], return_inverse=True, return_counts=True
    )
    shares = np.ones(len(positive))
    shares[~positive] = 1 / counts[scene]
    return shares


def average_precision(scores: Values, positive: Flags) -> float | None:
    """Mean precision over the recalls reached (Zhu 2004), as scikit-learn counts it."""
    if not positive.any():
        return None
    recall, precision = pr_curve(scores, positive).T
    return float(np.diff(recall) @ precision[1:])


def auc_interval(
    scores: Values,
    positive: Flags,
    scenes: Scenes,
    seed: int = 0,
    weights: Values | None = None,
) -> Interval | None:
    """95 % interval of the AUC by resampling scenes; None where there is only one.

    `weights`: of each score (1).
    Which pairs of scenes rank rightly is counted once, [scenes, scenes], so a resample costs
    a product of matrices however many views there are.
    """
    names, scene = np.unique(scenes, return_inverse=True)
    if len(names) < 2 or positive.all() or not positive.any():
        return None
    count, level, levels = len(names), *_levels(scores)
    held = np.zeros((2, count, levels))
    np.add.at(held, (positive.astype(int), scene, level), 1 if weights is None else weights)
    negatives, positives = held
    wins = positives @ (negatives.cumsum(axis=1) - negatives / 2).T
    draws = _draws(count, seed)
    right = ((draws @ wins) * draws).sum(axis=1)
    pairs = (draws @ positives.sum(axis=1)) * (draws @ negatives.sum(axis=1))
    return _middle(right[pairs > 0] / pairs[pairs > 0])


def _levels(scores: Values) -> tuple[NDArray[np.intp], int]:
    """The rank of each score among the distinct ones, or of 1000 that lie as close, and how many.

    So large sets cost no more; an interval moves by less than 0.001.
    """
    distinct = np.unique(scores)
    if len(distinct) > SCORE_LEVELS:
        distinct = np.unique(np.quantile(scores, np.linspace(0, 1, SCORE_LEVELS)))
    return np.searchsorted(distinct, scores), len(distinct)


def ratio_interval(parts: Values, wholes: Values, seed: int = 0) -> Interval | None:
    """95 % interval of `sum(parts) / sum(wholes)`, each [scenes], by resampling scenes."""
    if len(parts) < 2:
        return None
    draws = _draws(len(parts), seed)
    whole = draws @ wholes
    return _middle((draws @ parts)[whole > 0] / whole[whole > 0])


def _draws(scenes: int, seed: int) -> Values:
    """How often each scene is drawn, [ROUNDS, scenes]."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(scenes, np.full(scenes, 1 / scenes), ROUNDS).astype(np.float64)


def _middle(drawn: Values) -> Interval | None:
    if not len(drawn):
        return None
    low, high = np.quantile(drawn, (0.025, 0.975))
    return float(low), float(high)


def reliability(scores: Values, positive: Flags) -> Reliability:
    """Whether 0.7 means 70 %: bins of equal width, and the expected calibration error.

    The error is the mean distance of a bin's mean score from its share of positives, bins
    weighing as much as they hold (Naeini et al. 2015).
    """
    number = np.minimum((scores * RELIABILITY_BINS).astype(int), RELIABILITY_BINS - 1)
    bins = []
    error = 0.0
    for i in range(RELIABILITY_BINS):
        inside = number == i
        count = int(inside.sum())
        mean = float(scores[inside].mean()) if count else None
        rate = float(positive[inside].mean()) if count else None
        if mean is not None and rate is not None:
            error += count / len(scores) * abs(mean - rate)
        low, high = i / RELIABILITY_BINS, (i + 1) / RELIABILITY_BINS
        bins.append(Bin(low, high, count, mean, rate))
    return Reliability(tuple(bins), error if len(scores) else None)


def thinned(curve: Values) -> list[list[float]]:
    """At most `CURVE_POINTS` of a curve's points, its ends among them."""
    kept = np.unique(np.linspace(0, len(curve) - 1, min(len(curve), CURVE_POINTS)).round())
    return [[round(float(v), 4) for v in curve[int(i)]] for i in kept]


def poisson_upper(events: int, confidence: float = 0.95) -> float:
    """The largest mean that would still give `events` or fewer with chance 1 − `confidence`.

    Exact one-sided bound (Garwood 1936): 3.0 where none was seen. By bisection.
    """

    def at_most(mean: float) -> float:
        terms = (k * math.log(mean) - mean - math.lgamma(k + 1) for k in range(events + 1))
        return sum(math.exp(term) for term in terms)

    low, high = 1e-9, 2.0 * events + 20
    while high - low > 1e-9 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if at_most(middle) > 1 - confidence else (low, middle)
    return high


def false_rate(false: int, hours: float) -> tuple[FalseRate, Reasons]:
    """So many false incidents in so many hours."""
    upper = share(poisson_upper(false), hours)
    found = FalseRate(share(false, hours), hours, false, upper)
    why = "there is no footage in which nothing happens"
    return found, dict.fromkeys(missing(found), why)


def nested_reasons(reasons: Mapping[str, str], path: str) -> Reasons:
    """Reasons with `path.` before their names."""
    return {f"{path}.{name}": why for name, why in reasons.items()}
