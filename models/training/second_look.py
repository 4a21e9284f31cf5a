"""The second look of a run: a head on the windows' embeddings, joined with the first stage.

Of each window there are two logits: the first stage's smoothed probability at that moment, by the
fold model that has not learnt from the clip, and that of a linear head on the embedding. Three
numbers, fitted on logits that either stage gives of clips new to it, make one probability. What
the video network has seen takes no part. Needs scikit-learn, and a run with fold models.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from config.errors import ConfigError, StreamError
from detector.incidents.smoothing import Smoother
from detector.inference.engine import Floats
from detector.inference.second_look.head import FusedHead, logit
from detector.inference.second_look.video_engine import VideoEngine
from detector.inference.weights import Classifier, load_classifier
from models.data.clips import Clip, labels_at
from models.data.digests import clip_digests
from models.data.embeddings import Embedded, embed_clip
from models.data.windows import MOST, look_at_clip
from models.training.recipe import FOLDS, fold_of
from models.weights.fitted import known_digests
from models.weights.second_look import NETWORK, keep_network, write_second_look
from models.weights.sidecar import weights_name
from models.weights.video_sidecar import VideoWeights

COMPONENTS = 32
"""Principal components of the embeddings that the head learns on: all 512 overfit."""

FLAT = 1e-6
"""Components of less variance than this share of the first one's are rounding errors."""

STRENGTH = 0.03
"""Inverse weight of the L2 penalty (scikit-learn's C) on their numbers, of variance 1."""

WINDOWS = 2
"""Windows that a clip counts for in the fit, whatever their number: `STRENGTH` was chosen so."""

SCENE_WINDOWS = 64
"""Of a scene without the label, at most about so many windows are looked at: of 302 normal clips of
ordinary cameras two gardens have 248, and a window costs half a second."""


@dataclass(frozen=True, slots=True, eq=False)
class Windows:
    """A clip's windows as both stages see them.

    `times_s`: [n] seconds; `embeddings`, `mirrored`: [n, d], of each as it is and mirrored;
    `smoothed`: [n] float32, the first stage's probability at that moment, by a model that has not
    learnt from the clip.
    """

    clip: Clip
    times_s: NDArray[np.float64]
    embeddings: Floats
    mirrored: Floats
    smoothed: Floats

    def in_turn(self) -> Floats:
        """Embeddings [n, d] of every second window mirrored, as the daemon looks."""
        odd = np.arange(len(self.times_s)) % 2 == 1
        return np.where(odd[:, None], self.mirrored, self.embeddings)

    def shown(self, label: str) -> NDArray[np.bool_]:
        """Whether each window [n] shows the label."""
        return np.array([label in labels_at(self.clip, at) for at in self.times_s], np.bool_)


def train_second_look(
    clips: Sequence[Clip], labels: Sequence[str], weights: VideoWeights, run: Path, cache: Path
) -> Path:
    """Fit the second look of `run`, whose fold models are there, into it; its path.

    Raises ConfigError where the run's labels are more than one, or what the network has not seen
    cannot teach.
    """
    if len(labels) != 1:
        raise ConfigError(
            f"a second look is of one label, and these clips have {', '.join(labels)}; name one "
            "with --labels"
        )
    [label] = labels
    digests = clip_digests(clips)
    unseen = weights.seen.unseen(clips, digests)
    if left_out := Counter(clip.dataset for clip in set(clips) - set(unseen)):
        told = ", ".join(f"{count} of {name}" for name, count in sorted(left_out.items()))
        tqdm.write(f"left out, for {weights.name} has seen them: {told}", file=sys.stderr)
    kept = keep_network(weights, run)
    first = {k: _fold_model(run, k, labels) for k in {fold_of(clip) for clip in unseen}}
    windows = load_windows(unseen, label, kept, first, cache)
    heads = fold_heads(windows, label)
    logits = {
        own.clip: (heads[fold].logits(own.embeddings), heads[fold].logits(own.mirrored))
        for own in windows
        if (fold := fold_of(own.clip)) in heads
    }

    def write(folder: Path, head: FusedHead, own: Sequence[Windows]) -> Path:
        fused = fit_fusion(head, own, logits, label)
        fitted = known_digests((each.clip for each in own), digests)
        return write_second_look(folder, label, run / NETWORK, fused, fitted)

    for fold, head in heads.items():
        write(run / "folds" / str(fold), head, _without(windows, fold))
    return write(run, fit_linear(windows, label), windows)


def windows_each(clips: Sequence[Clip], label: str) -> dict[Clip, int]:
    """At how many windows of each clip to look, at most; of every clip at one."""
    in_scene = Counter((clip.dataset, clip.scene) for clip in clips)
    shown = {(clip.dataset, clip.scene) for clip in clips if label in clip.labels}
    return {
        clip: MOST if scene in shown else min(MOST, max(1, SCENE_WINDOWS // in_scene[scene]))
        for clip in clips
        for scene in [(clip.dataset, clip.scene)]
    }


def load_windows(
    clips: Sequence[Clip],
    label: str,
    video: VideoWeights,
    first: Mapping[int, Classifier],
    cache: Path,
) -> list[Windows]:
    """The windows of every readable clip in which something moves for a second.

    `first`: for each fold the first stage's model without it. Unreadable clips are named on the
    terminal and left out; what has been looked at is in the cache, so a run that was cut off
    goes on.
    """
    engine = VideoEngine(video.network)
    most = windows_each(clips, label)
    found = []
    for clip in tqdm(clips, desc="second look", unit="clip", disable=None):
        classifier = first[fold_of(clip)]
        try:
            looked = look_at_clip(clip, engine, video.sha256, cache, most[clip])
            sha256 = classifier.sidecar.engines["litert"].sha256
            embedded = embed_clip(clip, classifier.engine, sha256, cache, whole=False)
        except StreamError as error:
            tqdm.write(f"skipped: {error}", file=sys.stderr)
            continue
        if len(looked.times_s):
            smoothed = smoothed_at(embedded, classifier, label, looked.times_s)
            found.append(
                Windows(clip, looked.times_s, looked.embeddings, looked.mirrored, smoothed)
            )
    return found


def probabilities_of(embedded: Embedded, classifier: Classifier, label: str) -> Floats:
    """The first stage's probability of a label at each view [n]; 0 where nothing moves."""
    given = np.zeros(len(embedded.times_s), np.float32)
    if len(embedded.values):
        found = classifier.head(embedded.values, [None] * len(embedded.values))
        given[embedded.moving] = found[:, classifier.head.labels.index(label)]
    return given


def smoothed_at(
    embedded: Embedded, classifier: Classifier, label: str, times_s: NDArray[np.float64]
) -> Floats:
    """The first stage's smoothed probability of a label at each of `times_s` [n].

    As the daemon has it then; 0 before the first view.
    """
    smoother, given = Smoother(), probabilities_of(embedded, classifier, label)
    values = [
        smoother.smooth(at_s, value)
        for at_s, value in zip(embedded.times_s.tolist(), given.tolist(), strict=True)
    ]
    newest = np.searchsorted(embedded.times_s, times_s + 1e-6)
    return np.array([0.0, *values], np.float32)[newest]


def fold_heads(windows: Sequence[Windows], label: str) -> dict[int, FusedHead]:
    """For each fold the linear head fitted without it; raises ConfigError where one cannot be."""
    folds = sorted({fold_of(own.clip) for own in windows})
    if len(folds) < 2:
        raise ConfigError(
            "a second look needs clips of two folds that its network has not seen, and something "
            "that moves in them for a second"
        )
    return {
        fold: fit_linear(_without(windows, fold), label)
        for fold in tqdm(range(FOLDS), desc="folds", unit="head", disable=None)
    }


def fit_linear(windows: Sequence[Windows], label: str) -> FusedHead:
    """The linear head, not joined yet: label and rest weigh the same.

    A window and its mirrored one count half each.
    """
    from sklearn.decomposition import PCA  # noqa: PLC0415 (training only)
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415

    values = np.concatenate([own.embeddings for own in windows] + [own.mirrored for own in windows])
    shown, weights = np.tile(_shown(windows, label), 2), np.tile(window_weights(windows), 2)
    weights[shown] *= weights[~shown].sum() / weights[shown].sum()
    weights *= WINDOWS * len(windows) / weights.sum()
    mean = np.average(values, axis=0, weights=weights)
    scale = np.sqrt(np.average((values - mean) ** 2, axis=0, weights=weights)) + 1e-3
    standard = (values - mean) / scale
    pca = PCA(min(COMPONENTS, len(values) - 1, values.shape[1]), svd_solver="full").fit(standard)
    kept = pca.explained_variance_ > FLAT * pca.explained_variance_[0]
    spread, axes = np.sqrt(pca.explained_variance_[kept]), pca.components_[kept]
    model = LogisticRegression(C=STRENGTH, max_iter=3000)
    model.fit((standard - pca.mean_) @ axes.T / spread, shown, sample_weight=weights)
    # The components' weights as weights of the embedding's numbers: one product in the daemon.
    weight = (model.coef_[0] / spread) @ axes
    return FusedHead(
        mean=np.asarray(mean, np.float32),
        scale=np.asarray(scale, np.float32),
        weight=np.asarray(weight, np.float32),
        bias=float(model.intercept_[0] - weight @ pca.mean_),
        first=0.0,
        second=1.0,
        intercept=0.0,
    )


def fit_fusion(
    head: FusedHead,
    windows: Sequence[Windows],
    logits: Mapping[Clip, tuple[Floats, Floats]],
    label: str,
) -> FusedHead:
    """`head` joined with the first stage, calibrated on `windows`.

    `logits`: of each clip's windows, as they are and mirrored, by the second stage's head without
    its fold.
    """
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415 (training only)

    both = [
        np.stack([logit(own.smoothed), logits[own.clip][turned]], axis=1)
        for turned in range(2)
        for own in windows
    ]
    shown, weights = np.tile(_shown(windows, label), 2), np.tile(window_weights(windows), 2) / 2
    model = LogisticRegression(C=1e6)
    model.fit(np.concatenate(both), shown, sample_weight=weights)
    first, second = model.coef_[0].tolist()
    return replace(head, first=first, second=second, intercept=float(model.intercept_[0]))


def window_weights(windows: Sequence[Windows]) -> NDArray[np.float64]:
    """What each window of all clips [n] weighs: a clip 1, a scene the root of its clips."""
    in_scene = Counter((own.clip.dataset, own.clip.scene) for own in windows)
    counts = [len(own.times_s) for own in windows]
    shares = [
        in_scene[own.clip.dataset, own.clip.scene] ** -0.5 / count
        for own, count in zip(windows, counts, strict=True)
    ]
    return np.repeat(shares, counts)


def _shown(windows: Iterable[Windows], label: str) -> NDArray[np.bool_]:
    """Whether each window of all clips shows the label; raises ConfigError where all or none do."""
    shown = np.concatenate([own.shown(label) for own in windows])
    if shown.all() or not shown.any():
        raise ConfigError(
            f"label {label}: {'all' if shown.any() else 'none'} of the clips that teach the second "
            "look show it; add clips that its network has not seen, of more scenes"
        )
    return shown


def _without(windows: Iterable[Windows], fold: int) -> list[Windows]:
    return [own for own in windows if fold_of(own.clip) != fold]


def _fold_model(run: Path, fold: int, labels: Sequence[str]) -> Classifier:
    return load_classifier(run / "folds" / str(fold) / f"{weights_name(labels)}.json")
