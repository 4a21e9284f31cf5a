"""Whether figures measured on a split would mean anything: the leak check.

A classifier that has seen a camera recognises the camera; one that is shown how a clip was
recorded may need no more. So: scenes on both sides of a split, the same footage or place under
two scenes' names, and how well resolution, frame rate and duration alone tell the labels.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.data.clips import NORMAL, Clip, split_scenes
from models.data.near_duplicates import BITS, Alike, Fingerprint, alike, fingerprints
from models.statistics import roc_auc

FORMAT = {"resolution": (0, 1), "frame_rate": (2,), "duration": (3,)}
"""Which columns of `_format` each of the three is."""

BANDWIDTH = 0.5
"""Of the kernel that calls two recordings' formats alike, in standard deviations."""

TELLING_AUC = 0.65
"""From here on the format is said to tell the labels; by chance it is below 0.60."""

MIN_SCENES = 10
"""Of either kind; with 7 scenes of one, one random draw in twenty is above 0.72."""

FOLDS = 5
DEALS = 20
"""How often the scenes are dealt into folds anew; one deal moves the AUC by a few hundredths."""

MOST_CLIPS = 4000
"""Clips, drawn at random, that the format is judged by: a table of 64 MB."""

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Duplicate:
    """Two clips of different scenes that show the same footage or place.

    `leaks`: whether they stand on both sides of the split; without folds every split by scene
    may part them.
    """

    pair: Alike
    leaks: bool

    @property
    def labels_differ(self) -> bool:
        """Whether something happens in one that does not in the other, by their labels."""
        return self.pair.first.labels != self.pair.second.labels


@dataclass(frozen=True, slots=True)
class SetFacts:
    """One data set: how many clips of each label, and how its scenes mix them.

    `one_label_scenes`: how many scenes hold nothing but that label. `format_auc`: area under
    the ROC curve of normal or not from the format alone, by its parts and `all`; None where
    `reason` says why.
    """

    dataset: str
    clips: int
    labels: dict[str, int]
    scenes: int
    one_label_scenes: dict[str, int]
    format_auc: dict[str, float] | None
    reason: str | None

    @property
    def telling(self) -> bool:
        """Whether the format gives the labels away."""
        return self.format_auc is not None and self.format_auc["all"] >= TELLING_AUC

    @property
    def meaning(self) -> str:
        """What the format's figure means, in a sentence."""
        if self.format_auc is None:
            return f"whether the format tells the labels cannot be said: {self.reason}"
        figure = f"AUC {self.format_auc['all']:.2f}"
        if not self.telling:
            return f"resolution, frame rate and duration tell little of the labels ({figure})"
        most = max(FORMAT, key=lambda name: (self.format_auc or {})[name]).replace("_", " ")
        return (
            f"resolution, frame rate and duration alone tell the labels ({figure}, most of all "
            f"{most}): part of any figure on this set may be how the clips were recorded. "
            "Jikimi brings every clip to one size and rate; a method that does not is flattered"
        )


@dataclass(frozen=True, slots=True)
class LeakReport:
    """All that the check found; `as_json` is the same as plain values."""

    clips: int
    folds: int
    split: dict[str, list[Clip]]
    duplicates: list[Duplicate]
    unreadable: list[tuple[Clip, str]]
    sets: list[SetFacts]

    @property
    def leaks(self) -> bool:
        """Whether something makes the split invalid."""
        return bool(self.split) or any(duplicate.leaks for duplicate in self.duplicates)

    @property
    def belong_together(self) -> list[list[str]]:
        """Scenes that are one by their footage, in groups, each to be given one name."""
        groups: list[set[str]] = []
        for duplicate in self.duplicates:
            joined = {duplicate.pair.first.scene, duplicate.pair.second.scene}
            apart = [group for group in groups if not group & joined]
            groups = [*apart, joined.union(*(group for group in groups if group & joined))]
        return sorted(sorted(group) for group in groups)

    def as_json(self) -> dict[str, Any]:
        """Plain values, as `jikimi data check --json` writes them."""
        return {
            "clips": self.clips,
            "folds": self.folds,
            "leaks": self.leaks,
            "scenes_on_both_sides": {
                scene: [{"path": clip.name, "fold": clip.fold} for clip in clips]
                for scene, clips in self.split.items()
            },
            "near_duplicates": [_duplicate_json(duplicate) for duplicate in self.duplicates],
            "scenes_that_belong_together": self.belong_together,
            "unreadable": [{"path": clip.name, "error": why} for clip, why in self.unreadable],
            "sets": [
                {
                    "dataset": facts.dataset,
                    "clips": facts.clips,
                    "labels": facts.labels,
                    "scenes": facts.scenes,
                    "one_label_scenes": facts.one_label_scenes,
                    "format_auc": facts.format_auc,
                    "reason": facts.reason,
                    "meaning": facts.meaning,
                }
                for facts in self.sets
            ],
        }


def check(clips: Sequence[Clip], cache: Path) -> LeakReport:
    """Check clips read by `models.data.clips.read_unchecked`; decodes each once, then caches."""
    prints, unreadable = fingerprints(clips, cache)
    folds = {clip.fold for clip in clips} - {None}
    duplicates = [
        Duplicate(pair, leaks=pair.first.fold != pair.second.fold or not folds)
        for pair in sorted(alike(prints), key=lambda pair: pair.bits)
    ]
    named = sorted({clip.dataset for clip in clips})
    return LeakReport(
        clips=len(clips),
        folds=len(folds),
        split=split_scenes(clips),
        duplicates=duplicates,
        unreadable=unreadable,
        sets=[
            _facts(
                name,
                [clip for clip in clips if clip.dataset == name],
                [found for found in prints if found.clip.dataset == name],
            )
            for name in named
        ],
    )


def _facts(dataset: str, clips: Sequence[Clip], prints: Sequence[Fingerprint]) -> SetFacts:
    labels: Counter[str] = Counter()
    of_scene: dict[str, set[str]] = {}
    for clip in clips:
        # an untrimmed recording is normal before and after what happens in it
        shown = clip.labels | ({NORMAL} if clip.label == NORMAL else set())
        labels.update(clip.labels or {NORMAL})
        of_scene.setdefault(clip.scene, set()).update(shown)
    one_label = Counter(next(iter(shown)) for shown in of_scene.values() if len(shown) == 1)
    format_auc, reason = _format_auc(prints)
    return SetFacts(
        dataset=dataset,
        clips=len(clips),
        labels=dict(sorted(labels.items())),
        scenes=len(of_scene),
        one_label_scenes=dict(sorted(one_label.items())),
        format_auc=format_auc,
        reason=reason,
    )


def _format_auc(prints: Sequence[Fingerprint]) -> tuple[dict[str, float] | None, str | None]:
    """AUC of the format and of its parts; or why there is none."""
    rng = np.random.default_rng(0)
    drawn = rng.permutation(len(prints))[:MOST_CLIPS]
    happens = np.array([bool(prints[i].clip.labels) for i in drawn], np.bool_)
    names = [prints[i].clip.scene for i in drawn]
    for is_it, what in ((happens, "in which something happens"), (~happens, "of normal days")):
        if len({name for name, yes in zip(names, is_it, strict=True) if yes}) < MIN_SCENES:
            return None, f"fewer than {MIN_SCENES} scenes hold clips {what}"
    values = _format([prints[i] for i in drawn])
    _, scene = np.unique(names, return_inverse=True)
    deals = np.array([rng.permutation(scene.max() + 1) % FOLDS for _ in range(DEALS)])[:, scene]
    parts = {"all": (0, 1, 2, 3), **FORMAT}
    aucs = {name: _grouped_auc(values[:, c], happens, deals) for name, c in parts.items()}
    return {name: round(auc, 3) for name, auc in aucs.items()}, None


def _format(prints: Sequence[Fingerprint]) -> Floats:
    """Width, height, frame rate and duration [n, 4], each in standard deviations."""
    raw = [[one.width, one.height, one.fps + 1, one.duration_s + 0.1] for one in prints]
    values = np.log2(np.array(raw, np.float32))
    spread = values.std(axis=0)
    return np.asarray(values / np.where(spread > 0.01, spread, np.inf), np.float32)


def _grouped_auc(values: Floats, happens: NDArray[np.bool_], deals: NDArray[np.intp]) -> float:
    """AUC of how much likelier a format is where something happens; `deals` [times, n] folds.

    Two kernel densities' ratio, from the clips of the other folds. Only clips of one fold are
    ranked against each other: between folds, whoever was left out lacks in the density of its
    own kind, which alone drives the AUC of formats that tell nothing to nearly 0.
    """
    squares = np.zeros((len(values), len(values)), np.float32)
    for column in values.T:
        squares += (column[:, None] - column[None, :]) ** 2
    weights = np.exp(-squares / (2 * BANDWIDTH**2))
    right, pairs = 0.0, 0
    for folds in deals:
        for fold in range(FOLDS):
            held = folds == fold
            ones, zeros = ~held & happens, ~held & ~happens
            between = int((held & happens).sum()) * int((held & ~happens).sum())
            if not (between and ones.any() and zeros.any()):
                continue
            likelier = weights[held][:, ones].mean(axis=1) + 1e-9
            score = np.log(likelier / (weights[held][:, zeros].mean(axis=1) + 1e-9))
            auc = roc_auc(score.astype(np.float64).round(6), happens[held])
            right, pairs = right + between * (auc or 0.0), pairs + between
    return right / pairs if pairs else 0.5


def _duplicate_json(duplicate: Duplicate) -> dict[str, Any]:
    pair = duplicate.pair
    return {
        "clips": [
            {
                "path": clip.name,
                "scene": clip.scene,
                "dataset": clip.dataset,
                "fold": clip.fold,
                "labels": sorted(clip.labels) or [NORMAL],
                "at_s": at_s,
            }
            for clip, at_s in ((pair.first, pair.first_s), (pair.second, pair.second_s))
        ],
        "bits": pair.bits,
        "of_bits": BITS,
        "mirrored": pair.mirrored,
        "labels_differ": duplicate.labels_differ,
        "leaks": duplicate.leaks,
    }
