"""Trains, measures and exports the classifier: `python -m models.training --data … --out …`.

The shipped head is fitted on every clip. Every figure beside it comes from five heads that
were each fitted without the scenes they are measured on.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tqdm import tqdm

from config.errors import JikimiError
from detector.incidents import IncidentRules
from detector.motion import VIEW_RECIPE
from models.architecture import CUT_LAYER, embedding_network
from models.dataset import Clip, cache_dir, read_clips, views_of
from models.evaluation import (
    ScoredStream,
    alarms_of,
    auc_of,
    event_streams,
    probabilities_of,
)
from models.export import check_parity, to_litert, write_weights
from models.features import Features, features_of
from models.head import FURTHER_WEIGHT, STRENGTH, LinearHead, Platt, fit_head, fit_platt

FOLDS = 5
MAIN_SETS = ("surv_fight", "vioperu")
FIXED_CAMERAS = (*MAIN_SETS, "more_cctv", "more_fixed", "intel_sample_videos", "untrimmed")
"""Sets of fixed cameras at their own speed: what the daemon watches, and is trained on."""

OPEN_THRESHOLDS = (0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8)
"""Tried and reported, so that an operator can see what moving the threshold would cost."""

OPEN_THRESHOLD = 0.6


def rules_at(open_threshold: float) -> IncidentRules:
    """The rules of an open threshold.

    Closing at 0.7 of it outlasts a fight's pauses. No minimum duration: the smoother already
    looks back 1.5 s, and holding longer lay on the same curve as a higher threshold.
    """
    return IncidentRules(open_threshold, round(0.7 * open_threshold, 3), 0.0, 10.0)


@dataclass(frozen=True, slots=True)
class FoldModels:
    """The heads that were fitted without each fold, and the calibration they share."""

    heads: tuple[LinearHead, ...]
    platt: Platt

    def score(self, stream: Features) -> ScoredStream:
        """Probabilities of a stream by the head that has not seen its scene."""
        head = self.heads[fold_of(stream.parts[0])]
        return ScoredStream(stream, probabilities_of(stream, head, self.platt))


def fold_of(clip: Clip) -> int:
    """The clip's fold; for the further sets drawn from its scene's name."""
    if clip.fold is not None:
        return clip.fold
    return hashlib.sha256(clip.scene.encode()).digest()[0] % FOLDS


def fit_folds(clips: Sequence[Features]) -> FoldModels:
    """Heads without each fold, and Platt scaling on what they say of the clips left out."""
    heads = tuple(
        fit_head([clip for clip in clips if fold_of(clip.clip) != fold])
        for fold in tqdm(range(FOLDS), desc="folds", unit="head")
    )
    logits = [heads[fold_of(clip.clip)].logits(clip.embeddings) for clip in clips]
    return FoldModels(heads, fit_platt(logits, [clip.clip.violent for clip in clips]))


def figures_of(
    folds: FoldModels, clips: Sequence[Features], streams: Sequence[Features]
) -> dict[str, Any]:
    """Everything the model card states, out-of-fold, by set."""
    scored = [folds.score(clip) for clip in clips]
    pooled = {name: asdict(auc_of(_of(scored, name))) for name in MAIN_SETS}
    across = {}
    for name, other in (MAIN_SETS, MAIN_SETS[::-1]):
        head = fit_head([clip for clip in clips if clip.clip.dataset != other])
        unseen = [clip for clip in clips if clip.clip.dataset == other]
        across[f"{name} → {other}"] = asdict(
            auc_of([ScoredStream(c, probabilities_of(c, head, folds.platt)) for c in unseen])
        )
    played = [folds.score(stream) for stream in streams]
    groups = {name: _of(played, name) for name in MAIN_SETS}
    groups["further sets"] = [s for s in scored if s.features.clip.dataset not in MAIN_SETS]
    incidents = {
        f"open at {threshold}": {
            name: asdict(alarms_of(group, rules_at(threshold))) for name, group in groups.items()
        }
        for threshold in tqdm(OPEN_THRESHOLDS, desc="rules", unit="threshold")
    }
    return {"out_of_fold_auc": pooled, "across_cities_auc": across, "incidents": incidents}


def _of(scored: Sequence[ScoredStream], dataset: str) -> list[ScoredStream]:
    return [stream for stream in scored if stream.features.parts[0].dataset == dataset]


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m models.training", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with manifest.csv")
    parser.add_argument("--out", type=Path, required=True, help="folder for the weights")
    parser.add_argument(
        "--pretrained", default="imagenet", help="MobileNetV2 weights file (.h5), or imagenet"
    )
    parser.add_argument("--cache", type=Path, default=cache_dir(), help="views and features")
    given = parser.parse_args(arguments)
    try:
        sidecar = train(given.data, given.pretrained, given.out, given.cache)
    except JikimiError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    sys.stdout.write(f"{sidecar}\n")
    return 0


def train(data: Path, pretrained: str, out: Path, cache: Path) -> Path:
    """Train on the clips in `data`, measure, and write the weights to `out`."""
    clips = [clip for clip in read_clips(data) if clip.dataset in FIXED_CAMERAS]
    alone = features_of([[clip] for clip in clips], data, pretrained, cache, "clips")
    streams = features_of(event_streams(clips), data, pretrained, cache, "streams")
    folds = fit_folds(alone)
    figures = figures_of(folds, alone, streams)
    head = fit_head(alone)
    network = embedding_network(pretrained)
    model = to_litert(network)
    views = views_of(alone[0].parts, data, cache).pixels
    check_parity(model, views, alone[0].embeddings)
    facts = {
        "training": {
            "code": f"jikimi {version('jikimi')}, view recipe {VIEW_RECIPE['version']}",
            "backbone": f"MobileNetV2 α=1 to {CUT_LAYER}, mean-pooled, frozen",
            "pretrained": Path(pretrained).name,
            "strength": STRENGTH,
            "weight of a further clip": FURTHER_WEIGHT,
            "seed": 0,
            "sets": {
                name: {
                    "clips": len(own),
                    "violent": sum(clip.violent for clip in own),
                    "scenes": len({clip.scene for clip in own}),
                }
                for name in FIXED_CAMERAS
                if (own := [c.clip for c in alone if c.clip.dataset == name])
            },
        },
        "figures": figures,
    }
    return write_weights(out, model, head, folds.platt, rules_at(OPEN_THRESHOLD), facts)


if __name__ == "__main__":
    sys.exit(main())
