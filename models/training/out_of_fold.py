"""The short figures that training writes beside weights: how well they rank clips unseen.

The whole account is `jikimi evaluate`'s.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from detector.inference.head import Floats
from models.data.clips import NORMAL, Clip
from models.statistics import auc_interval, roc_auc
from models.training.examples import Example


def out_of_fold_figures(
    judged: Sequence[tuple[Example, Floats]], labels: Sequence[str]
) -> dict[str, Any]:
    """AUC over the clips of each data set and label, with its 95 % interval by scenes.

    `judged`: examples with the probabilities [n, labels] that a head fitted without them gives.
    A clip's score is the mean over all its views, 0 where nothing moves. Sets without both
    kinds of clips have no figure; untrimmed recordings are events, not clips.
    """
    scores: dict[Clip, Floats] = {
        example.clip: probabilities.sum(axis=0) * example.moving / max(1, len(probabilities))
        for example, probabilities in judged
        if not example.clip.untrimmed
    }
    found: dict[str, Any] = {}
    for dataset in dict.fromkeys(clip.dataset for clip in scores):
        clips = [clip for clip in scores if clip.dataset == dataset]
        scenes = [clip.scene for clip in clips]
        for column, label in enumerate(labels):
            means = np.array([scores[clip][column] for clip in clips], np.float64)
            shown = np.array([clip.label == label for clip in clips])
            auc = roc_auc(means, shown)
            if auc is None:
                continue
            low, high = auc_interval(means, shown, scenes) or (None, None)
            found[dataset if len(labels) == 1 else f"{dataset}, {label}"] = {
                "auc": round(auc, 4),
                "low": low,
                "high": high,
                "clips": len(clips),
                "scenes": len(set(scenes)),
            }
    return {"out_of_fold_auc": found}


def sentences(sidecar: Path) -> list[str]:
    """The figures of a sidecar, a line each."""
    figures = json.loads(sidecar.read_text(encoding="utf-8"))["figures"]["out_of_fold_auc"]
    return [
        f"{name}: AUC {figure['auc']:.3f} on scenes left out ({figure['clips']} clips)"
        for name, figure in figures.items()
    ] or [f"no set holds clips both of a label and without it ({NORMAL}): nothing to rank"]
