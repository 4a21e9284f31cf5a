"""A frozen network and a linear head on it: the recipe behind the shipped weights.

Views are embedded once, by the daemon's own engine; every head, one a fold and one without
each main set, is then a matter of seconds.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from config.errors import ConfigError, StreamError
from detector.inference.engine import LiteRTEngine
from detector.inference.head import LinearHead
from models.data.augmented import embed_copies
from models.data.clips import Clip
from models.data.digests import clip_digests
from models.data.embeddings import embed_clip
from models.training.examples import MAX_VIEWS, Example, examples_of, labels_of
from models.training.head import (
    calibrate,
    calibration_of,
    fit_head,
    out_of_fold_logits,
    probabilities_of,
)
from models.training.out_of_fold import out_of_fold_figures
from models.training.recipe import FOLDS, Recipe, fold_of, main_sets
from models.weights.fitted import FittedOn, known_digests
from models.weights.network import frozen_network
from models.weights.sidecar import sha256_of, weights_name, write_sidecar


def train_frozen(
    clips: Sequence[Clip],
    labels: Sequence[str],
    recipe: Recipe,
    facts: Mapping[str, Any],
    out: Path,
    cache: Path,
    *,
    cross_validate: bool,
) -> Path:
    """Fit heads on the clips and write the run into `out`; the path of its sidecar."""
    network = frozen_network(recipe.pretrained, out / weights_name(labels), clips, cache)
    examples = load_examples(clips, network.engines["litert"], recipe, cache)
    labels_of([example.clip for example in examples], labels)  # some clips could not be read
    heads = fold_heads(examples, labels, recipe)
    logits = out_of_fold_logits(examples, heads)
    # One calibration for all folds: with one each, folds do not stand on one scale.
    slope, intercept = calibration_of(logits, labels)
    heads = {k: replace(head, slope=slope, intercept=intercept) for k, head in heads.items()}
    judged = [
        (example, probabilities_of(heads[fold_of(example.clip)], example.values))
        for example, _ in logits
    ]
    figures = out_of_fold_figures(judged, labels)
    name = f"{weights_name(labels)}-{network.name}-linear"

    digests = clip_digests(example.clip for example in examples)

    def write(folder: Path, head: LinearHead, own: Sequence[Example], **left_out: Any) -> Path:
        fitted = FittedOn(known_digests((e.clip for e in own), digests), network.fitted)
        told = {"training": {**facts, **left_out, **fitted.as_json()}, "figures": figures}
        return write_sidecar(folder, name, network.engines, head, told)

    if cross_validate:
        if set(heads) != set(range(FOLDS)):
            raise ConfigError("all clips fall into one fold; cross-validation needs more scenes")
        for fold, head in heads.items():
            rest = [example for example in examples if fold_of(example.clip) != fold]
            write(out / "folds" / str(fold), head, rest, left_out_fold=fold)
        for dataset in sets_left_out(clips):
            rest = [example for example in examples if example.clip.dataset != dataset]
            if any(example.labels for example in rest):
                head = _fitted(rest, labels, recipe)
                write(out / "without" / dataset, head, rest, left_out=dataset)
    tqdm.write(f"fitting the head on all {len(examples)} examples", file=sys.stderr)
    whole = fit_head(examples, labels, recipe)
    return write(out, replace(whole, slope=slope, intercept=intercept), examples)


def load_examples(
    clips: Sequence[Clip], network: Path, recipe: Recipe, cache: Path
) -> list[Example]:
    """The examples of every readable clip; unreadable ones are named on the terminal, skipped."""
    engine, digest = LiteRTEngine(network), sha256_of(network)
    most = max(1, MAX_VIEWS // max(1, len(clips) * (1 + recipe.copies)))
    examples: list[Example] = []
    with tqdm(clips, desc="clips", unit="clip", disable=None) as progress:
        for clip in progress:
            try:
                embedded = embed_clip(clip, engine, digest, cache, whole=True)
                copies = embed_copies(clip, recipe.copies, recipe.seed, engine, digest, cache)
            except StreamError as error:
                tqdm.write(f"skipped: {error}", file=sys.stderr)
                continue
            examples += examples_of(embedded, copies, most)
    return examples


def fold_heads(
    examples: Sequence[Example], labels: Sequence[str], recipe: Recipe
) -> dict[int, LinearHead]:
    """For each fold the head fitted without it, not calibrated; none where nothing is left."""
    heads = {}
    for fold in tqdm(range(FOLDS), desc="folds", unit="head", disable=None):
        rest = [example for example in examples if fold_of(example.clip) != fold]
        if rest:
            heads[fold] = fit_head(rest, labels, recipe)
    return heads


def sets_left_out(clips: Sequence[Clip]) -> list[str]:
    """Sets without which a model is made: the main ones, where there are others too."""
    return sorted(main_sets(clips)) if len({clip.dataset for clip in clips}) > 1 else []


def _fitted(examples: Sequence[Example], labels: Sequence[str], recipe: Recipe) -> LinearHead:
    logits = out_of_fold_logits(examples, fold_heads(examples, labels, recipe))
    return calibrate(fit_head(examples, labels, recipe), logits)
