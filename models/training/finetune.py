"""Fine-tuning: some of the network's layers learn too, on augmented views, with a head on top.

The head starts as the linear one fitted on the frozen network, so that the first steps do
not tear down what the layers know. Batch norms keep ImageNet's statistics: those of a few
hundred clips would be worse. One part of the scenes never trains: on it training slows down,
ends and is calibrated.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from config.errors import ConfigError
from detector.inference.head import LinearHead
from models.data.augment import augmented
from models.data.clips import Clip
from models.data.digests import clip_digests
from models.data.views import ViewFile, store_views
from models.training.examples import Example, example_weights, labels_of
from models.training.frozen import load_examples, sets_left_out
from models.training.head import calibrate, fit_head, logits_of, probabilities_of
from models.training.learning_curves import write_curves
from models.training.loop import Batch, fit
from models.training.out_of_fold import out_of_fold_figures
from models.training.recipe import FOLDS, Recipe, fold_of
from models.weights.architecture import NAME, embedding_network, train_from, with_head
from models.weights.fitted import FittedOn, known_digests
from models.weights.network import frozen_network, keras_source, write_network
from models.weights.sidecar import weights_name, write_sidecar

MAX_STORED = 90_000
"""Views on disk at most: 2.5 GB."""

VALIDATION_VIEWS = 8
"""Views of a clip, evenly spaced, that the validation loss is taken on."""


def train_network(
    clips: Sequence[Clip],
    labels: Sequence[str],
    recipe: Recipe,
    facts: Mapping[str, Any],
    out: Path,
    cache: Path,
    *,
    cross_validate: bool,
) -> Path:
    """Fine-tune on the clips and write the run into `out`; the path of its sidecar.

    Without `cross_validate` one network is trained, else one a fold and a main set too.
    """
    start = frozen_network(recipe.pretrained, out / "start", clips, cache)
    examples = load_examples(clips, start.engines["litert"], recipe, cache)
    readable = list(dict.fromkeys(example.clip for example in examples))
    labels_of(readable, labels)
    most = max(1, min(recipe.learning.views_per_clip, MAX_STORED // len(readable)))
    files = store_views(readable, most, cache)
    digests = clip_digests(readable)
    parts: dict[str, list[Clip]] = {}
    if cross_validate:
        for fold in range(FOLDS):
            parts[f"folds/{fold}"] = [clip for clip in readable if fold_of(clip) != fold]
        for dataset in sets_left_out(readable):
            rest = [clip for clip in readable if clip.dataset != dataset]
            if any(clip.labels for clip in rest):
                parts[f"without/{dataset}"] = rest
    judged: list[tuple[Example, Any]] = []
    for place, own in {**parts, ".": readable}.items():
        whole = "all" if place == "." else place
        tqdm.write(f"training {whole} on {len(own)} clips", file=sys.stderr)
        head, engines = _fit_part(own, examples, files, labels, recipe, out, place, cache)
        if place.startswith("folds/"):
            unseen = [clip for clip in readable if clip not in set(own)]
            judged += [
                (example, probabilities_of(head, example.values))
                for example in load_examples(
                    unseen, engines["litert"], replace(recipe, copies=0), cache
                )
            ]
        fitted = known_digests(own, digests)
        clips_known = FittedOn(head=fitted, network=fitted | start.fitted).as_json()
        told = {
            "training": {**facts, "part": place, **clips_known},
            "figures": out_of_fold_figures(judged, labels),
        }
        name = f"{weights_name(labels)}-{NAME}-finetuned"
        sidecar = write_sidecar(out / place, name, engines, head, told)
    for checkpoint in (out / "checkpoints").glob("**/*.npz"):
        checkpoint.unlink()
    return sidecar


def _fit_part(
    clips: Sequence[Clip],
    examples: Sequence[Example],
    files: Sequence[ViewFile],
    labels: Sequence[str],
    recipe: Recipe,
    out: Path,
    place: str,
    cache: Path,
) -> tuple[LinearHead, dict[str, Path]]:
    """One network trained on `clips`: its calibrated head, and its files in `out/place`."""
    import keras  # noqa: PLC0415 (four seconds, and only training has it)

    held = validation_fold(clips, labels, recipe.seed + len(place))
    training = {clip for clip in clips if fold_of(clip) != held}
    validation = set(clips) - training
    keras.utils.set_random_seed(recipe.seed)
    network = embedding_network(keras_source(recipe.pretrained))
    first = fit_head([example for example in examples if example.clip in training], labels, recipe)
    strength = recipe.strength * sum(
        len(example.values) for example in examples if example.clip in training
    )
    model = with_head(network, first, 1 / strength)
    train_from(network, recipe.train)
    own = [stored for stored in files if stored.clip in training]
    others = [stored for stored in files if stored.clip in validation]
    history = fit(
        model,
        lambda epoch: drawn(own, labels, recipe, epoch),
        lambda: evenly_shown(others, labels, recipe),
        recipe.learning,
        out / "checkpoints" / f"{place.replace('/', '-').replace('.', 'whole')}.npz",
        command=_digest(recipe, [(s.clip.name, s.count) for s in (*own, *others)]),
    )
    folder = out / place
    write_curves(folder, history)
    weight, bias = (np.asarray(array) for array in model.get_layer("head").get_weights())
    head = replace(first, weight=weight, bias=bias)
    engines = write_network(network, folder / weights_name(labels), list(clips), cache)
    held_out = load_examples(
        sorted(validation, key=lambda clip: clip.name),
        engines["litert"],
        replace(recipe, copies=0),
        cache,
    )
    return calibrate(
        head, [(example, logits_of(head, example.values)) for example in held_out]
    ), engines


def validation_fold(clips: Sequence[Clip], labels: Sequence[str], seed: int) -> int:
    """The fold that is held out: the first from `seed` on with every label on both sides.

    Raises ConfigError where there is none.
    """
    for fold in ((seed + step) % FOLDS for step in range(FOLDS)):
        sides = [[c for c in clips if (fold_of(c) == fold) == held] for held in (True, False)]
        if all(any(label in c.labels for c in side) for label in labels for side in sides) and all(
            any(not c.labels & set(labels) for c in side) for side in sides
        ):
            return fold
    raise ConfigError(
        "no part of the scenes shows every label, and normal footage, without being all that "
        "does: fine-tuning needs more scenes; `--train head` does with fewer"
    )


def drawn(
    files: Sequence[ViewFile], labels: Sequence[str], recipe: Recipe, epoch: int
) -> Iterator[Batch]:
    """An epoch's batches of augmented views, every label and scene with its share.

    They depend on seed, epoch and batch alone.
    """
    learning = recipe.learning
    chances = balanced(files, recipe)
    rng = np.random.default_rng([recipe.seed, epoch])
    batches = max(1, len(files) * learning.drawn_per_clip // learning.batch)
    for number in range(batches):
        chosen = rng.choice(len(files), learning.batch, p=chances)
        views = [files[i].read([int(rng.integers(files[i].count))])[0] for i in chosen]
        draw = np.random.default_rng([recipe.seed, epoch, number])
        yield (
            augmented(np.stack(views), draw),
            _targets([files[i] for i in chosen], labels),
            np.ones(len(chosen), np.float32),
        )


def evenly_shown(
    files: Sequence[ViewFile], labels: Sequence[str], recipe: Recipe
) -> Iterator[Batch]:
    """The views of the validation part as they are, weighed like what is drawn."""
    chances = balanced(files, recipe)
    for stored, chance in zip(files, chances, strict=True):
        count = min(VALIDATION_VIEWS, stored.count)
        numbers = np.linspace(0, stored.count - 1, count).round().astype(np.int64)
        targets = np.repeat(_targets([stored], labels), count, axis=0)
        yield stored.read(numbers), targets, np.full(count, chance / count, np.float32)


def balanced(files: Sequence[ViewFile], recipe: Recipe) -> NDArray[np.float64]:
    """The chance [n] of each stored: those of each set of labels together have the same."""
    weigh = replace(recipe, scene_balance=recipe.learning.scene_balance)
    weights = example_weights([stored.clip for stored in files], weigh)
    meanings = [stored.labels for stored in files]
    for meaning in set(meanings):
        same = np.array([own == meaning for own in meanings])
        weights[same] /= weights[same].sum()
    return np.asarray(weights / weights.sum(), np.float64)


def _targets(files: Sequence[ViewFile], labels: Sequence[str]) -> NDArray[np.float32]:
    return np.array([[label in s.labels for label in labels] for s in files], np.float32)


def _digest(recipe: Recipe, shown: Sequence[tuple[str, int]]) -> str:
    known = json.dumps([asdict(recipe), shown], sort_keys=True)
    return hashlib.sha256(known.encode()).hexdigest()
