"""`jikimi evaluate` on clips that the weights were fitted on says so, and on others does not."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import models.report.plots
from detector.inference.weights import load_classifier
from models.weights.fitted import FittedOn, fitted_on

pytestmark = pytest.mark.skipif(
    find_spec("sklearn") is None, reason="scikit-learn is not installed (make train-env)"
)

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def trained(
    footage: Any, draw: Any, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Path, Path]:
    """A data set, and a run that was trained on it with fold models."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(models.report.plots, "find_spec", lambda _: None)  # a second a report
    data: Path = footage()
    for number, clip in enumerate(sorted(data.glob("*/normal*.mp4"))):
        draw(clip, "normal", 0, seconds=2 + number / 25)  # drawn alike, they would be one clip
    out = tmp_path / "run"
    code, _, err = run("train", data, "--out", out, "--pretrained", "shipped", "--cross-validate")
    assert code == 0, err
    return data, out


@pytest.mark.slow
def test_clips_that_were_learnt_from_are_told_whatever_they_are_called(
    trained: tuple[Path, Path], run: Run, draw: Any, tmp_path: Path
) -> None:
    data, trained_run = trained
    sidecar = trained_run / "violence.json"
    other = tmp_path / "other"
    draw(other / "violence/new.mp4", "violence", 777)
    draw(other / "normal/new.mp4", "normal", 0, seconds=4)
    code, out, err = run("evaluate", other, "--out", tmp_path / "a", "--weights", sidecar)
    assert code == 0
    assert "fitted on" not in out + err
    assert json.loads((tmp_path / "a/metrics.json").read_text())["learnt_clips"] == []
    assert "Warning" not in (tmp_path / "a/report.html").read_text()

    shutil.copy(data / "city/violence1.mp4", other / "violence/renamed.mp4")
    code, out, err = run("evaluate", other, "--out", tmp_path / "b", "--weights", sidecar)
    assert code == 0
    told = "fitted on 1 of these 3 clips (violence/renamed.mp4)"
    assert f"jikimi: warning: the weights were {told}" in err
    assert f"WARNING: the weights were {told}" in out
    assert "--fold-models" in err
    found = json.loads((tmp_path / "b/metrics.json").read_text())
    assert found["learnt_clips"] == ["violence/renamed.mp4"]
    assert f"Warning: the weights were {told}" in (tmp_path / "b/report.html").read_text()


@pytest.mark.slow
@pytest.mark.long
def test_fold_models_have_not_learnt_from_what_they_judge(
    trained: tuple[Path, Path], run: Run, tmp_path: Path
) -> None:
    data, trained_run = trained
    code, out, err = run("evaluate", data, "--out", tmp_path / "a", "--fold-models", trained_run)
    assert code == 0
    assert "fitted on" not in out + err
    # the same file in two scenes of different folds is a leak, and is told
    shutil.copy(data / "city/violence0.mp4", data / "city/violence1.mp4")
    code, _, err = run("evaluate", data, "--out", tmp_path / "b", "--fold-models", trained_run)
    assert code == 0
    assert "fitted on 1 of these 20 clips (city/violence1.mp4)" in err


def test_a_network_that_was_fine_tuned_is_remembered_under_a_later_head() -> None:
    sidecar = load_classifier().sidecar
    known = FittedOn(head=frozenset({"b", "a"}), network=frozenset({"c"}))
    written = json.loads(json.dumps(known.as_json()))
    again = fitted_on(sidecar.model_copy(update={"training": written}))
    assert again == known
    assert again.clips == {"a", "b", "c"}
    assert not fitted_on(sidecar.model_copy(update={"training": {}})).clips
