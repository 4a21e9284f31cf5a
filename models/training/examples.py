"""Training examples: the views of a clip that show the same labels, each example as heavy.

A clip of one label is one example. An untrimmed recording is one for each thing that happens and
one for the rest, or a brawl of ten seconds would weigh nothing beside its hour. Knows no network.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from config.errors import ConfigError
from detector.inference.engine import Floats
from models.data.clips import NORMAL, Clip, labels_at
from models.data.embeddings import Embedded
from models.training.recipe import Recipe, main_sets
from models.weights.sidecar import SHIPPED_LABEL

MAX_VIEWS = 150_000
"""Views that a head is fitted on at most: 576 numbers each are 0.7 GB while scikit-learn works."""


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """Views of one clip that show the same labels.

    `labels`: what happens in them, nothing where normal. `values`: [n, d] float32, their
    embeddings; `copies`: [m, d], those of their augmented copies, for fitting only.
    `moving`: the share of all its views that these stand for; where nothing moves is no view.
    """

    clip: Clip
    labels: frozenset[str]
    values: Floats
    copies: Floats
    moving: float


def labels_of(clips: Iterable[Clip], wanted: Sequence[str] = ()) -> tuple[str, ...]:
    """The labels to learn, violence first: those wanted, or every one but normal.

    Raises ConfigError where a label cannot be learnt: clips of two scenes at least must show
    it, and something must not.
    """
    clips = list(clips)
    scenes: dict[str, set[str]] = {label: set() for label in wanted}
    for clip in clips:
        for label in clip.labels:
            if not wanted or label in wanted:
                scenes.setdefault(label, set()).add(clip.scene)
    if not scenes:
        raise ConfigError(f"every clip is {NORMAL}: there is nothing to learn")
    for label, shown in scenes.items():
        if len(shown) < 2:
            raise ConfigError(
                f"label {label}: shown by {min(shown) if shown else 'no scene'} only, and one "
                "scene teaches the scene; add clips of others, or name the labels to learn "
                "(--labels) without it"
            )
        if all(clip.label == label for clip in clips):
            raise ConfigError(f"label {label}: every clip shows it; add {NORMAL} ones")
    return tuple(sorted(scenes, key=lambda label: (label != SHIPPED_LABEL, label)))


def examples_of(embedded: Embedded, copies: Sequence[Floats], most: int) -> list[Example]:
    """The examples of one clip, each of at most `most` views, evenly spaced.

    `copies`: embeddings [n, d] of augmented copies, of the same views as `embedded.values`.
    """
    shown = [labels_at(embedded.clip, at_s) for at_s in embedded.times_s]
    moving = [labels for labels, moves in zip(shown, embedded.moving, strict=True) if moves]
    examples = []
    for labels in dict.fromkeys(shown or [embedded.clip.labels]):
        views = np.flatnonzero([own == labels for own in moving])
        chosen = evenly(views, most)
        taken = [values[chosen] for values in copies] or [embedded.values[:0]]
        examples.append(
            Example(
                embedded.clip,
                labels,
                embedded.values[chosen],
                np.concatenate(taken),
                len(views) / max(1, shown.count(labels)),
            )
        )
    return examples


def evenly(values: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """At most `most` of the values [n], evenly spaced."""
    if len(values) <= most:
        return values
    return values[np.linspace(0, len(values) - 1, most).round().astype(np.int64)]


def example_weights(clips: Sequence[Clip], recipe: Recipe) -> NDArray[np.float64]:
    """What the example of each of `clips` [n] weighs, before its views share it.

    Clips of no main set are further ones only beside others that are.
    """
    main = main_sets(clips)
    further = [bool(main) and (own.fold is None or own.dataset not in main) for own in clips]
    in_scene = Counter((clip.dataset, clip.scene) for clip in clips)
    return np.array(
        [
            (recipe.further_weight if only_teaches else 1.0)
            * in_scene[clip.dataset, clip.scene] ** -recipe.scene_balance
            for clip, only_teaches in zip(clips, further, strict=True)
        ]
    )
