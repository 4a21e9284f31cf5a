"""Which classifier scores a clip, and its scores: shipped or given weights, or models of a run.

A function from a clip to its classifier, so that fold models, fitted without the clip's scene,
are measured by the same code as the weights that ship. Decides nothing about
right or wrong: see `models.statistics` and `models.evaluation.events`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from config.errors import ConfigError
from detector.inference.engine import Engine
from detector.inference.head import Floats
from detector.inference.weights import Classifier, load_classifier
from models.data.clips import Clip
from models.data.embeddings import Embedded, cache_dir, embed_clips
from models.training.recipe import FOLDS, fold_of

SIDECARS = ("violence.json", "classifier.json")
"""What a run may call its weights: as the shipped ones, or for other labels."""

ClassifierFor = Callable[[Clip], Classifier | None]
"""The classifier that may score a clip; None where there is none for it."""


@dataclass(frozen=True, slots=True, eq=False)
class ScoredClip:
    """A clip or a stream of clips with what its classifier makes of every view.

    `times_s`: [n] seconds; `probabilities`: [n, labels] float32, 0 where nothing moves.
    """

    clip: Clip
    times_s: NDArray[np.float64]
    probabilities: Floats
    classifier: Classifier

    def of(self, label: str) -> Floats:
        """One label's probabilities [n]."""
        return self.probabilities[:, self.classifier.head.labels.index(label)]


def network_of(classifier: Classifier) -> str:
    """SHA-256 of the network: classifiers that share it share embeddings."""
    return classifier.sidecar.engines["litert"].sha256


def weights_classifier(weights: Path | None) -> ClassifierFor:
    """One set of weights (the shipped ones if None) for every clip; raises ModelError."""
    classifier = load_classifier(weights)
    return lambda _: classifier


def fold_classifiers(run: Path) -> ClassifierFor:
    """For each clip the model of `RUN/folds` that was fitted without its scene.

    Raises ConfigError where the run holds none, ModelError where one does not load.
    """
    folder = run / "folds"
    if not folder.is_dir():
        raise ConfigError(
            f"{folder}: is not there; make a run with models of folds by "
            "`jikimi train … --cross-validate`, and name its folder"
        )
    models = _sharing_engines(_finished(folder / str(fold)) for fold in range(FOLDS))
    return lambda clip: models[fold_of(clip)]


def across_classifiers(run: Path) -> ClassifierFor:
    """For each clip the model of `RUN/without` that was fitted without its data set, if any."""
    found = sorted(path for path in (run / "without").glob("*") if path.is_dir())
    models = _sharing_engines(_finished(path) for path in found)
    of_set = {path.name: model for path, model in zip(found, models, strict=True)}
    return lambda clip: of_set.get(clip.dataset)


def score_clips(
    clips: Sequence[Clip], classifier_for: ClassifierFor, what: str
) -> list[ScoredClip]:
    """Every readable clip that there is a classifier for, scored, in their order.

    Unreadable ones are named on the terminal and left out.
    """
    by_network: dict[str, tuple[Engine, list[Clip]]] = {}
    for clip in clips:
        if classifier := classifier_for(clip):
            network = network_of(classifier)
            by_network.setdefault(network, (classifier.engine, []))[1].append(clip)
    scored: dict[Clip, ScoredClip] = {}
    for network, (engine, own) in by_network.items():
        for embedded in embed_clips(own, engine, network, cache_dir(), what):
            classifier = classifier_for(embedded.clip)
            assert classifier is not None
            scored[embedded.clip] = score(embedded, classifier)
    return [scored[clip] for clip in clips if clip in scored]


def score(embedded: Embedded, classifier: Classifier) -> ScoredClip:
    """Each view's probabilities, as the daemon gives them: in order, through the head's state."""
    head = classifier.head
    state = head.new_state()
    rows = iter(embedded.values)
    given = [
        head(next(rows)[None], [state])[0] if moving else head.rest(state)
        for moving in embedded.moving
    ]
    probabilities = np.array(given, np.float32).reshape(len(given), len(head.labels))
    return ScoredClip(embedded.clip, embedded.times_s, probabilities, classifier)


def sidecar_in(folder: Path) -> Path | None:
    """The weights' sidecar in a folder of a training run, if there is one."""
    return next((folder / name for name in SIDECARS if (folder / name).is_file()), None)


def _finished(folder: Path) -> Path:
    if sidecar := sidecar_in(folder):
        return sidecar
    raise ConfigError(
        f"{folder}: holds neither {' nor '.join(SIDECARS)}; the run was not finished: train again"
    )


def _sharing_engines(sidecars: Iterable[Path]) -> list[Classifier]:
    """The classifiers, with one engine for all that have the same network."""
    engines: dict[str, Engine] = {}
    loaded: list[Classifier] = []
    for sidecar in sidecars:
        classifier = load_classifier(sidecar)
        if loaded and classifier.head.labels != loaded[0].head.labels:
            raise ConfigError(
                f"{sidecar}: knows {', '.join(classifier.head.labels)}, the others of its run "
                f"{', '.join(loaded[0].head.labels)}; train again"
            )
        engine = engines.setdefault(network_of(classifier), classifier.engine)
        loaded.append(replace(classifier, engine=engine))
    return loaded
