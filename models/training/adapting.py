"""`--start-from`: a head that learns a site's own footage without forgetting the rest.

The fit is pulled towards the head it starts from, as if that were what hundreds of clips had
said before: a site with few clips moves it little, one with many goes its own way. The
network stays. Needs SciPy (it comes with scikit-learn).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from detector.inference.head import Floats, LinearHead
from detector.inference.weights import load_classifier
from models.data.clips import Clip
from models.data.digests import clip_digests
from models.statistics import confusion, roc_auc
from models.training.examples import Example, example_weights
from models.training.frozen import load_examples
from models.training.head import UNKNOWN_LOGIT, probabilities_of
from models.training.recipe import FOLDS, Recipe
from models.weights.fitted import FittedOn, fitted_on, known_digests
from models.weights.network import frozen_network, sidecar_of
from models.weights.sidecar import weights_name, write_sidecar

NEW_PULL = 8.0
"""Of a label that the start does not know: what the usual strength comes to."""

Judged = Sequence[tuple[Example, Floats]]


def adapt(
    clips: Sequence[Clip],
    reference: Sequence[Clip],
    start_from: str,
    recipe: Recipe,
    facts: Mapping[str, Any],
    out: Path,
    cache: Path,
) -> Path:
    """Adapt the weights that `start_from` names to the site's clips; the path of the sidecar.

    `reference`: footage on which nothing should be lost. Both are measured before and after.
    """
    path = sidecar_of(start_from) or Path(start_from)
    start = load_classifier(path)
    wanted = recipe.labels or {label for clip in clips for label in clip.labels}
    first = _whole(path, start.sidecar.labels, sorted({*wanted} - {*start.sidecar.labels}))
    name = weights_name(first.labels)
    network = frozen_network(str(path), out / name, clips, cache)
    site = load_examples(clips, network.engines["litert"], recipe, cache)
    known = load_examples(reference, network.engines["litert"], replace(recipe, copies=0), cache)
    head = pulled(first, start.sidecar.labels, site, recipe)
    after, how = _left_out(first, start.sidecar.labels, site, recipe)
    figures = {
        f"site, {how}": {
            "before": _measured(_judged(first, site), first.labels),
            "after": _measured(after, first.labels),
        }
    }
    if known:
        figures["reference"] = {
            "before": _measured(_judged(first, known), first.labels),
            "after": _measured(_judged(head, known), first.labels),
        }
    before = fitted_on(start.sidecar)
    digests = clip_digests(clips)
    own = known_digests((example.clip for example in site), digests)
    fitted = FittedOn(before.head | own, before.network)
    told = {"started from": start.sidecar.name, **facts, **fitted.as_json()}
    return write_sidecar(
        out,
        f"{start.sidecar.name}-adapted",
        network.engines,
        head,
        {"training": told, "figures": {"adapted": figures, "out_of_fold_auc": {}}},
        start.rules(),
    )


def pulled(
    first: LinearHead, known: Sequence[str], examples: Sequence[Example], recipe: Recipe
) -> LinearHead:
    """The head that says of the examples what they are, and else what `first` says.

    `first` and the result are calibrated (slope 1, intercept 0); `known`: the labels that
    `first` was fitted on.
    """
    from scipy.optimize import minimize  # noqa: PLC0415 (training only)

    kept = [example for example in examples if len(example.values)]
    if not kept:
        return first
    counts = [len(example.values) + len(example.copies) for example in kept]
    weights = np.repeat(
        example_weights([example.clip for example in kept], recipe) / counts, counts
    )
    values = np.concatenate([part for example in kept for part in (example.values, example.copies)])
    standard = np.asarray((values - first.mean) / first.scale, np.float64)
    weight, bias = first.weight.copy(), first.bias.copy()
    for column, label in enumerate(first.labels):
        truth = np.repeat([label in example.labels for example in kept], counts)
        begin = np.append(weight[:, column], bias[column]).astype(np.float64)
        pull = recipe.pull if label in known else NEW_PULL
        found = minimize(_cost, begin, (begin, pull, standard, truth, weights), jac=True)
        weight[:, column], bias[column] = found.x[:-1], found.x[-1]
    return replace(first, weight=weight, bias=bias)


def lines(sidecar: Path) -> list[str]:
    """Before and after, a line each, as an adapted sidecar tells."""
    figures = json.loads(sidecar.read_text(encoding="utf-8"))["figures"]["adapted"]
    found = []
    for what, sides in figures.items():
        for side, labels in sides.items():
            for label, own in labels.items():
                auc, recall, specificity = (
                    "–" if own[key] is None else f"{own[key]:.3f}"
                    for key in ("auc", "recall", "specificity")
                )
                found.append(
                    f"{what}, {side}: {label} AUC {auc}, recall {recall}, "
                    f"specificity {specificity} ({own['clips']} clips)"
                )
    return found


def _cost(
    parameters: NDArray[np.float64],
    begin: NDArray[np.float64],
    pull: float,
    standard: NDArray[np.float64],
    truth: NDArray[np.bool_],
    weights: NDArray[np.float64],
) -> tuple[float, NDArray[np.float64]]:
    """Logistic loss, and half of `pull` times the squared way from `begin`; with the gradient."""
    away = parameters - begin
    logits = standard @ parameters[:-1] + parameters[-1]
    losses = np.logaddexp(0, np.where(truth, -logits, logits))
    wrong = weights * (1 / (1 + np.exp(-np.clip(logits, -60, 60))) - truth)
    gradient = np.append(wrong @ standard, wrong.sum()) + pull * away
    return float(weights @ losses + pull / 2 * (away @ away)), gradient


def _whole(path: Path, labels: Sequence[str], new: Sequence[str]) -> LinearHead:
    """The head of the sidecar, its calibration folded in, with a column for every new label."""
    head = load_classifier(path).head
    assert isinstance(head, LinearHead)
    ones = np.ones(len(labels) + len(new), np.float32)
    blank = np.zeros((len(head.mean), len(new)), np.float32)
    return LinearHead(
        (*labels, *new),
        head.mean,
        head.scale,
        weight=np.hstack([head.weight * head.slope, blank]),
        bias=np.append(
            head.bias * head.slope + head.intercept,
            np.full(len(new), UNKNOWN_LOGIT, np.float32),
        ),
        slope=ones,
        intercept=0 * ones,
    )


def _left_out(
    first: LinearHead, known: Sequence[str], site: Sequence[Example], recipe: Recipe
) -> tuple[Judged, str]:
    """The site's examples judged by heads that did not see their scene, where there are two."""
    scenes = sorted({example.clip.scene for example in site})
    if len(scenes) < 2:
        head = pulled(first, known, site, recipe)
        return _judged(head, site), "on what it learnt from (one scene only)"
    groups = min(FOLDS, len(scenes))
    group = {scene: number % groups for number, scene in enumerate(scenes)}
    judged: list[tuple[Example, Floats]] = []
    for number in tqdm(range(groups), desc="scenes left out", unit="head", disable=None):
        rest = [example for example in site if group[example.clip.scene] != number]
        own = [example for example in site if group[example.clip.scene] == number]
        judged += _judged(pulled(first, known, rest, recipe), own)
    return judged, "scenes left out"


def _judged(head: LinearHead, examples: Sequence[Example]) -> Judged:
    return [(example, probabilities_of(head, example.values)) for example in examples]


def _measured(judged: Judged, labels: Sequence[str]) -> dict[str, Any]:
    """Clips by their mean probability; what happens in a recording counts like a clip of it."""
    means = np.array(
        [own.sum(axis=0) * example.moving / max(1, len(own)) for example, own in judged]
    )
    found = {}
    for column, label in enumerate(labels):
        shown = np.array([label in example.labels for example, _ in judged])
        scores = means[:, column].astype(np.float64)
        decided = confusion(scores, shown)
        found[label] = {
            "auc": roc_auc(scores, shown),
            "recall": decided.recall,
            "specificity": decided.specificity,
            "clips": len(judged),
        }
    return found
