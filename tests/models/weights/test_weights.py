"""The shipped weights: whole, honest about their figures, and able to tell a fight."""

from __future__ import annotations

import csv
import hashlib
import json
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from config.settings import DetectionSettings
from detector.footage.scoring import score_file
from detector.inference.weights import load_classifier, shipped_weights
from detector.motion.view import VIEW_RECIPE
from models.data.clips import read_clips
from models.data.digests import clip_digests
from models.weights.fitted import fitted_on

DATA = Path(__file__).parents[3] / ".." / "shared" / "data"
PROMISED_AUC = {"surv_fight": 0.90, "vioperu": 0.83}
CLIPS_TRIED = 6


@pytest.fixture(scope="module")
def sidecar() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(shipped_weights().read_text(encoding="utf-8"))
    return found


def test_files_are_those_the_sidecar_was_written_for(sidecar: dict[str, Any]) -> None:
    for part in (*sidecar["engines"].values(), sidecar["head"]):
        content = (shipped_weights().parent / part["file"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == part["sha256"]


def test_views_are_those_this_code_cuts(sidecar: dict[str, Any]) -> None:
    assert sidecar["view"] == VIEW_RECIPE


def test_every_label_has_calibration_and_rules(sidecar: dict[str, Any]) -> None:
    assert sidecar["labels"] == ["violence"]
    for label in sidecar["labels"]:
        assert sidecar["calibration"][label]["slope"] > 0
        rules = sidecar["incident"][label]
        assert 0 < rules["close_threshold"] < rules["open_threshold"] < 1


def test_out_of_fold_figures_keep_the_promise(sidecar: dict[str, Any]) -> None:
    figures = sidecar["figures"]["out_of_fold_auc"]
    for name, promised in PROMISED_AUC.items():
        assert figures[name]["auc"] >= promised
        assert figures[name]["low"] < figures[name]["auc"] < figures[name]["high"]


def test_model_card_states_the_figures_of_the_sidecar(sidecar: dict[str, Any]) -> None:
    card = (shipped_weights().parents[1] / "MODEL_CARD.md").read_text(encoding="utf-8")
    for name in PROMISED_AUC:
        figure = sidecar["figures"]["out_of_fold_auc"][name]
        stated = f"{figure['auc']:.3f} ({figure['low']:.2f}–{figure['high']:.2f})"
        assert stated in card


def test_training_names_its_sets(sidecar: dict[str, Any]) -> None:
    sets = sidecar["training"]["sets"]
    assert {"surv_fight", "vioperu"} <= set(sets)
    assert all(entry["scenes"] <= entry["clips"] for entry in sets.values())


def test_clips_it_learnt_from_are_known_by_content(sidecar: dict[str, Any]) -> None:
    known = fitted_on(load_classifier().sidecar)
    assert len(known.head) == sum(s["clips"] for s in sidecar["training"]["sets"].values())
    assert not known.network  # ImageNet's, as it came


@pytest.mark.skipif(
    not (DATA / "manifest.csv").is_file(), reason="the footage in ../shared/data is not here"
)
def test_of_the_shared_footage_it_knows_what_it_learnt_from(sidecar: dict[str, Any]) -> None:
    known = fitted_on(load_classifier().sidecar).clips
    for clip, digest in clip_digests(read_clips(DATA)[::7]).items():
        assert (digest in known) == (clip.dataset in sidecar["training"]["sets"])


@pytest.mark.parametrize("batch", [1, 3, 8, 11])
def test_an_embedding_does_not_depend_on_its_batch(batch: int) -> None:
    classifier = load_classifier()
    views = np.random.default_rng(1).uniform(-1, 1, (11, 96, 96, 3)).astype(np.float32)
    alone = np.concatenate([classifier.engine.embed(view[None]) for view in views])
    together = classifier.engine.embed(views[:batch])
    assert together.shape == (batch, 576)
    np.testing.assert_allclose(together, alone[:batch], atol=1e-3)


@pytest.mark.slow
@pytest.mark.skipif(
    not (DATA / "manifest.csv").is_file(), reason="the footage in ../shared/data is not here"
)
@pytest.mark.parametrize("name", ["surv_fight", "vioperu"])
def test_fights_score_above_normal_days(name: str) -> None:
    """A smoke test on clips it learnt from: the figures come from the fold models."""
    classifier = load_classifier()
    means = {}
    for label in ("violence", "normal"):
        with (DATA / "manifest.csv").open(newline="") as lines:
            rows = [
                row
                for row in csv.DictReader(lines)
                if (row["dataset"], row["label"]) == (name, label)
            ]
        scores = []
        for row in islice(rows, 0, None, max(1, len(rows) // CLIPS_TRIED)):
            found = score_file(
                DATA / row["path"], classifier, DetectionSettings(), lambda _done_s: None
            )
            scores.append(np.mean([moment.probability for moment in found.moments]))
        means[label] = float(np.mean(scores))
    assert means["violence"] > means["normal"] + 0.2
