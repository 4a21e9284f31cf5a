"""`jikimi export`: a run's weights for every engine, each measured against the float ones.

Parity is taken on real clips, for noise or an untrained network would show none of what
matters: the largest difference of an embedding, and the AUC of the run's own heads, those of
the folds where there are any, so that what a fit knows by heart hides no loss.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from config.errors import ConfigError, ModelError
from detector.inference.engine import Engine, Floats, LiteRTEngine, TensorFlowEngine
from detector.inference.fastest import milliseconds_a_view
from detector.inference.head import Head, LinearHead
from detector.inference.weights import Classifier, load_classifier
from models.data.clips import Clip
from models.data.views import ViewFile, spread, store_views
from models.evaluation.scoring import sidecar_in
from models.statistics import roc_auc
from models.training.recipe import FOLDS, fold_of
from models.training.training import chosen_clips
from models.weights.second_look import NAME, export_second_look, read_second_look
from models.weights.sidecar import write_sidecar

ALLOWED_LOSS = 0.005
"""Of AUC, on all clips together and on each set that has folds; more is refused."""

REPRESENTATIVE_VIEWS = 500
"""From all scenes alike, to set the ranges of whole numbers; more do not help."""

VIEWS_PER_CLIP = 64

Score = Callable[[Clip, Floats], NDArray[np.float64]]
"""A clip's mean probability of each label [labels] from its embeddings."""


def export(run: Path, out: Path, cache: Path, *, int8: bool) -> Path:
    """Write the weights of `run` for LiteRT and TensorFlow into `out`; the sidecar's path.

    `int8`: for LiteRT with whole numbers inside too. Raises ConfigError where `run` is none,
    ModelError where an export is not as good as what was trained.
    """
    source = sidecar_in(run)
    if source is None:
        raise ConfigError(f"{run}: holds no weights; name the folder that `jikimi train` wrote to")
    trained = load_classifier(source)
    clips = _clips_of(run)
    view_files = store_views(clips, VIEWS_PER_CLIP, cache)
    score = _score_of(run, trained)
    out.mkdir(parents=True, exist_ok=True)
    engines = {}
    for engine, entry in trained.sidecar.engines.items():
        engines[engine] = out / Path(entry.file).name
        shutil.copyfile(source.parent / entry.file, engines[engine])
    loaded: dict[str, Engine] = {"litert": trained.engine}
    if "tensorflow" in engines:
        loaded["tensorflow"] = TensorFlowEngine(engines["tensorflow"])
    if int8:
        engines["litert-int8"] = _quantised(trained, engines, out / source.stem, view_files)
        loaded["litert-int8"] = LiteRTEngine(engines["litert-int8"], name="litert-int8")
    told = compared(loaded, view_files, trained.head.labels, score)
    for engine, figures in told.items():
        if figures["auc_lost"] > ALLOWED_LOSS:
            raise ModelError(
                f"{engine}: AUC {figures['auc_lost']:.4f} lower than litert's "
                f"({figures['auc']}), more than the {ALLOWED_LOSS} allowed; "
                "export without it, or train on more clips"
            )
    head = trained.head
    assert isinstance(head, LinearHead)
    known = trained.sidecar
    facts = {"training": known.training, "figures": {**known.figures, "export": told}}
    if (run / NAME).is_file():
        facts["second_look"] = export_second_look(read_second_look(run / NAME), out)
    return write_sidecar(out, known.name, engines, head, facts, trained.rules())


def compared(
    engines: Mapping[str, Engine],
    view_files: Sequence[ViewFile],
    labels: Sequence[str],
    score: Score,
) -> dict[str, dict[str, Any]]:
    """What each engine makes of the stored views, beside what `litert` does."""
    worst = dict.fromkeys(engines, 0.0)
    scores: dict[str, list[NDArray[np.float64]]] = {engine: [] for engine in engines}
    for stored in tqdm(view_files, desc="comparing", unit="file", disable=None):
        views = stored.read(np.arange(stored.count))
        expected = engines["litert"].embed(views)
        for name, engine in engines.items():
            found = expected if name == "litert" else engine.embed(views)
            worst[name] = max(worst[name], float(np.abs(found - expected).max()))
            scores[name].append(score(stored.clip, found))
    aucs = {name: _aucs(np.array(own), view_files, labels) for name, own in scores.items()}
    taken_ms = dict(zip(engines, milliseconds_a_view(list(engines.values())), strict=True))
    return {
        name: {
            "largest_difference": round(worst[name], 5),
            "auc": {group: round(auc, 4) for group, auc in own.items()},
            "auc_lost": round(max((aucs["litert"][g] - own[g] for g in own), default=0.0), 4),
            "milliseconds_a_view": round(taken_ms[name], 2),
        }
        for name, own in aucs.items()
    }


def lines(sidecar: Path) -> list[str]:
    """The comparison as an exported sidecar tells it, a line an engine."""
    told = json.loads(sidecar.read_text(encoding="utf-8"))["figures"]["export"]
    return [
        f"{engine}: AUC {', '.join(f'{auc} ({group})' for group, auc in own['auc'].items()) or '–'}"
        f"; at most {own['auc_lost']} lost; embeddings differ by up to "
        f"{own['largest_difference']}; {own['milliseconds_a_view']} ms a view"
        for engine, own in told.items()
    ]


def _aucs(
    scores: NDArray[np.float64], view_files: Sequence[ViewFile], labels: Sequence[str]
) -> dict[str, float]:
    """AUC of each label on all clips together and on each set that has folds."""
    groups = {"all": np.ones(len(view_files), np.bool_)}
    for name in dict.fromkeys(s.clip.dataset for s in view_files if s.clip.fold is not None):
        groups[name] = np.array([stored.clip.dataset == name for stored in view_files])
    found = {}
    for column, label in enumerate(labels):
        shown = np.array([label in stored.labels for stored in view_files])
        for name, own in groups.items():
            auc = roc_auc(scores[own, column], shown[own])
            if auc is not None:
                found[name if len(labels) == 1 else f"{name}, {label}"] = auc
    return found


def _quantised(
    trained: Classifier, engines: Mapping[str, Path], stem: Path, view_files: Sequence[ViewFile]
) -> Path:
    if "tensorflow" not in engines:
        raise ModelError(
            f"{trained.sidecar.name}: holds no Keras network, which litert-int8 is made of; train "
            "from imagenet or a MobileNetV2 weights file"
        )
    import keras  # noqa: PLC0415 (four seconds, and only this needs it)

    from models.weights.convert import to_int8  # noqa: PLC0415 (loads TensorFlow)

    network = keras.models.load_model(engines["tensorflow"], compile=False)
    file = stem.with_name(f"{stem.name}-int8.tflite")
    tqdm.write("converting the network to int8", file=sys.stderr)
    file.write_bytes(to_int8(network, spread(view_files, REPRESENTATIVE_VIEWS)))
    return file


def _score_of(run: Path, trained: Classifier) -> Score:
    """Scores by the fold models that share the network, else by the run's own head."""
    heads: list[Head] = []
    for fold in range(FOLDS):
        if sidecar := sidecar_in(run / "folds" / str(fold)):
            model = load_classifier(sidecar)
            if model.sidecar.engines["litert"].sha256 == trained.sidecar.engines["litert"].sha256:
                heads.append(model.head)

    def score(clip: Clip, embeddings: Floats) -> NDArray[np.float64]:
        head = heads[fold_of(clip)] if len(heads) == FOLDS else trained.head
        return np.asarray(head(embeddings, [None] * len(embeddings)).mean(axis=0), np.float64)

    return score


def _clips_of(run: Path) -> list[Clip]:
    """The clips that the run was trained on; raises ConfigError where they are gone."""
    try:
        told = json.loads((run / "training.json").read_text(encoding="utf-8"))
        source, sets = Path(told["source"]), told["recipe"]["sets"]
    except (OSError, ValueError, KeyError) as error:
        raise ConfigError(f"{run}/training.json: cannot be read ({error})") from error
    return chosen_clips(source, sets)
