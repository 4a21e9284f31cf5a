"""`--start-from`: a site's own clips move the head a little, and what it knew stays known."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detector.cli import main
from detector.inference.head import LinearHead
from detector.inference.weights import load_classifier
from models.data.clips import Clip, read_clips
from models.data.digests import clip_digests
from models.training.adapting import pulled
from models.training.examples import Example
from models.training.head import probabilities_of
from models.training.recipe import Recipe
from models.weights.fitted import fitted_on

pytestmark = pytest.mark.skipif(
    find_spec("scipy") is None, reason="SciPy is not installed (make train-env)"
)

ONE = np.ones(1, np.float32)


def head(*labels: str) -> LinearHead:
    """It knows that the first number means the first label."""
    count = len(labels)
    weight = np.zeros((2, count), np.float32)
    weight[0, 0] = 2
    zeros, ones = np.zeros(2, np.float32), np.ones(count, np.float32)
    return LinearHead(labels, zeros, zeros + 1, weight, -2 * ones, ones, 0 * ones)


def examples(count: int, at: tuple[float, float], label: str) -> list[Example]:
    values = np.array([at], np.float32)
    return [
        Example(
            clip := Clip(f"{i}", Path("x"), label, f"{i}", "own"),
            clip.labels,
            values,
            values[:0],
            1.0,
        )
        for i in range(count)
    ]


def says(of: LinearHead, at: tuple[float, float]) -> list[float]:
    found: list[float] = probabilities_of(of, np.array([at], np.float32))[0].tolist()
    return found


def test_few_clips_move_it_little_and_many_go_their_way() -> None:
    first = head("violence")
    hug = (2.0, 3.0)
    assert says(first, hug)[0] > 0.85
    few, many = (
        pulled(first, ["violence"], examples(count, hug, "normal"), Recipe()) for count in (3, 3000)
    )
    assert says(few, hug)[0] > 0.8
    assert says(many, hug)[0] < 0.2
    fight = (3.0, 0.0)
    assert says(few, fight)[0] == pytest.approx(says(first, fight)[0], abs=0.02)


def test_nothing_learnt_is_nothing_changed() -> None:
    first = head("violence")
    assert pulled(first, ["violence"], [], Recipe()) == first


def test_a_new_label_is_learnt_from_a_few_dozen_clips() -> None:
    own = [*examples(40, (0.0, 3.0), "fall"), *examples(40, (0.0, 0.0), "normal")]
    found = pulled(head("violence", "fall"), ["violence"], own, Recipe())
    assert says(found, (0.0, 3.0))[1] > 0.5 > says(found, (0.0, 0.0))[1]


@pytest.mark.slow
@pytest.mark.long
def test_the_shipped_weights_are_adapted_and_measured_on_both(
    footage: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    data = footage(acts=("violence", "normal", "fall"), sets=["yard"], scenes=3)
    rest = footage("rest", sets=["yard", "city"], scenes=3)
    given = ["train", str(data), "--out", str(tmp_path / "run"), "--start-from", "shipped"]
    assert main([*given, "--reference", str(rest)]) == 0
    out = capsys.readouterr().out
    sidecar = tmp_path / "run/classifier.json"
    assert out.splitlines()[-1] == str(sidecar)
    for line in ("site, scenes left out, before: violence AUC", "reference, after: violence AUC"):
        assert line in out
    classifier, shipped = load_classifier(sidecar), load_classifier()
    assert classifier.head.labels == ("violence", "fall")
    assert classifier.rules()["violence"] == shipped.rules()["violence"]
    views = np.random.default_rng(1).uniform(-1, 1, (5, 96, 96, 3)).astype(np.float32)
    before, after = (
        own.head(own.engine.embed(views), [None] * 5)[:, 0] for own in (shipped, classifier)
    )
    assert 0 < np.abs(before - after).max() < 0.3
    own = set(clip_digests(read_clips(data)).values())
    assert fitted_on(classifier.sidecar).head == fitted_on(shipped.sidecar).head | own
    figures = json.loads(sidecar.read_text())["figures"]["adapted"]
    assert figures["reference"]["after"]["violence"]["clips"] == 12


@pytest.mark.slow
def test_one_scene_s_figures_are_said_to_flatter(
    footage: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    data = footage(acts=("normal",), sets=["yard"], scenes=1)
    given = ["train", str(data), "--out", str(tmp_path / "run"), "--start-from", "shipped"]
    assert main(given) == 0
    assert (
        "on what it learnt from (one scene only), after: violence AUC –" in capsys.readouterr().out
    )
