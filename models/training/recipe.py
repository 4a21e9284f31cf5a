"""What decides the outcome of a training, but the footage: settings and folds.

Plain values with their defaults, measured in README.md; nothing is done here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from models.data.clips import Clip

FOLDS = 5
"""Folds of a cross-validation; scenes that are given none are drawn into them."""

MAIN_SETS = ("surv_fight", "vioperu")
FIXED_CAMERAS = (*MAIN_SETS, "more_cctv", "more_fixed", "intel_sample_videos", "untrimmed")
"""Sets of fixed cameras at their own speed: what the daemon watches and the shipped weights are
trained on (`--sets`)."""

HEAD_ONLY = "head"
"""`Recipe.train`: the network stays as it is, only the linear head is fitted."""


@dataclass(frozen=True, slots=True)
class Learning:
    """How a network is trained (Keras); the head alone needs none of it.

    `early_stopping`, `plateau`: epochs without a better loss on the validation part after
    which training ends, and after which the learning rate is multiplied by `plateau_factor`.
    `views_per_clip`: how many of a clip's views, evenly spaced, are kept on disk;
    `drawn_per_clip`: how many are drawn of each in an epoch, on average.
    `scene_balance`: as `Recipe`'s, but of the chance to be drawn; labels always are balanced.
    """

    epochs: int = 30
    batch: int = 32
    rate: float = 1e-4
    early_stopping: int = 5
    plateau: int = 2
    plateau_factor: float = 0.5
    views_per_clip: int = 40
    drawn_per_clip: int = 8
    scene_balance: float = 0.25


@dataclass(frozen=True, slots=True)
class Recipe:
    """All settings of a training.

    `train`: `head`, or the name with which the first trained layers begin (`block_11`).
    `pretrained`: `imagenet`, a weights file of Keras' MobileNetV2, or a sidecar.
    `sets`: data sets that train; none named: all.
    `labels`: what is to be told apart; none named: every label of the clips. Others count as
    normal, and teach what is none of these.
    `copies`: augmented copies of each clip's views that the head is fitted on too.
    `strength`: inverse weight of the head's L2 penalty (scikit-learn's C).
    `further_weight`: what a clip of no main set (`main_sets`) weighs beside one of such a set.
    `scene_balance`: a clip weighs its scene's clips to the power of minus this; 1: every
    scene the same.
    `pull`: of `--start-from`: half of it times the squared change of the head's weights stands
    against the clips' losses, one a clip.
    """

    train: str = HEAD_ONLY
    pretrained: str = "imagenet"
    sets: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    copies: int = 0
    strength: float = 0.003
    further_weight: float = 0.5
    scene_balance: float = 0.0
    pull: float = 300.0
    seed: int = 0
    learning: Learning = Learning()


def main_sets(clips: Iterable[Clip]) -> set[str]:
    """Sets that are measured: of those that have folds `MAIN_SETS`, or all where it holds none.

    All others only teach: they hold hardly an event, though the shipped folds deal them too.
    """
    folded = {clip.dataset for clip in clips if clip.fold is not None}
    return folded & set(MAIN_SETS) or folded


def fold_of(clip: Clip) -> int:
    """The clip's fold; where the manifest gives none, drawn from its scene's name."""
    if clip.fold is not None:
        return clip.fold % FOLDS
    return hashlib.sha256(clip.scene.encode()).digest()[0] % FOLDS
