"""`jikimi train`: from clips to weights that the daemon loads, and to fold models beside them.

What ships is fitted on every clip. Every figure about it comes from models that were fitted
without the scenes they are measured on: `RUN/folds/0…4`, and `RUN/without/SET` without a whole
data set. This module decides who learns from what; `frozen` and `finetune` fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from config.errors import ConfigError
from detector.motion.view import VIEW_RECIPE
from models.data.clips import Clip, read_clips
from models.training.examples import labels_of
from models.training.frozen import train_frozen
from models.training.recipe import HEAD_ONLY, Recipe
from models.training.second_look import train_second_look
from models.weights.sidecar import write_json
from models.weights.video_sidecar import VideoWeights

PACKAGES = ("jikimi", "numpy", "scikit-learn", "tensorflow", "keras", "ai-edge-litert")


def train(
    source: Path,
    out: Path,
    recipe: Recipe,
    cache: Path,
    *,
    cross_validate: bool,
    second_look: VideoWeights | None = None,
    folds: Path | None = None,
) -> Path:
    """Train on the clips of `source`, write the run into `out`; the path of its sidecar.

    `second_look`: a video network that the run gets a second look with; needs `cross_validate`.
    `folds`: as `read_clips` takes it.
    Raises ConfigError where the clips cannot be learnt from, ModelError where the network
    cannot be made or differs once exported.
    """
    clips = chosen_clips(source, recipe.sets, folds)
    labels = labels_of(clips, recipe.labels)
    facts = facts_of(clips, labels, recipe)
    out.mkdir(parents=True, exist_ok=True)
    write_json(out / "training.json", {"source": str(source.absolute()), **facts})
    if recipe.train == HEAD_ONLY:
        fit = train_frozen
    else:
        from models.training.finetune import train_network  # noqa: PLC0415 (needs TensorFlow)

        fit = train_network
    sidecar = fit(clips, labels, recipe, facts, out, cache, cross_validate=cross_validate)
    if second_look:
        train_second_look(clips, labels, second_look, out, cache)
    return sidecar


def train_further(
    source: Path, out: Path, recipe: Recipe, cache: Path, start_from: str, reference: Path | None
) -> Path:
    """Adapt weights to a site's clips; the path of the sidecar written to `out`."""
    from models.training.adapting import adapt  # noqa: PLC0415 (needs SciPy)

    clips = chosen_clips(source, recipe.sets)
    known = read_clips(reference) if reference else []
    labels = sorted({label for clip in clips for label in clip.labels})
    facts = facts_of(clips, labels, recipe)
    out.mkdir(parents=True, exist_ok=True)
    write_json(out / "training.json", {"source": str(source.absolute()), **facts})
    return adapt(clips, known, start_from, recipe, facts, out, cache)


def compare(source: Path, out: Path, recipe: Recipe, cache: Path) -> list[str]:
    """Measure the prototype's method on the clips of `source`; its figures, a line each."""
    from models.training.prototype import train_prototype  # noqa: PLC0415 (needs TensorFlow)

    clips = chosen_clips(source, recipe.sets)
    label = labels_of(clips, recipe.labels)[0]
    figures = train_prototype(clips, label, recipe, out, cache)
    return [
        f"{split.replace('_', ' ')}, {own['n']} {level}s: AUC {own['auc']}, "
        f"accuracy {own['accuracy']}"
        for split, levels in figures.items()
        for level, own in levels.items()
    ]


def chosen_clips(source: Path, sets: Sequence[str], folds: Path | None = None) -> list[Clip]:
    """The clips of `source`, of the named sets only (none named: all); raises ConfigError."""
    clips = read_clips(source, folds)
    there = sorted({clip.dataset for clip in clips})
    if unknown := set(sets) - set(there):
        raise ConfigError(
            f"{source}: holds no set {min(unknown)!r}; it holds {', '.join(map(repr, there))}"
        )
    return [clip for clip in clips if not sets or clip.dataset in sets]


def facts_of(clips: Sequence[Clip], labels: Sequence[str], recipe: Recipe) -> dict[str, Any]:
    """What was trained how, on what and with which versions: for run and sidecar."""
    sets: dict[str, dict[str, int]] = {}
    for name in dict.fromkeys(clip.dataset for clip in clips):
        own = [clip for clip in clips if clip.dataset == name]
        sets[name] = {
            "clips": len(own),
            **{label: sum(label in clip.labels for clip in own) for label in labels},
            "scenes": len({clip.scene for clip in own}),
        }
    return {
        "recipe": {**asdict(recipe), "pretrained": Path(recipe.pretrained).name},
        "view": VIEW_RECIPE["version"],
        "versions": {name: found for name in PACKAGES if (found := _version(name))},
        "sets": sets,
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
