"""The prototype's method on drawn pictures: measured both ways, and nothing shipped of it."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from detector.cli import main

pytestmark = [
    pytest.mark.filterwarnings("ignore"),  # TensorFlow's own
    pytest.mark.slow,
    pytest.mark.long,
    pytest.mark.skipif(
        importlib.util.find_spec("tensorflow") is None,
        reason="TensorFlow is not installed (make train-env)",
    ),
]


@pytest.mark.timeout(300)
def test_both_splits_are_measured_on_the_same_pictures(
    footage: Any, pretrained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    run = tmp_path / "run"
    given = ["train", str(footage(sets=["city"])), "--input", "rgb-frame", "--out", str(run)]
    assert main([*given, "--pretrained", str(pretrained), "--epochs", "3"]) == 0
    told = json.loads((run / "prototype.json").read_text())
    assert set(told) == {"split_its_way", "split_by_camera"}
    by_camera = told["split_by_camera"]
    assert by_camera["clip"]["n"] == 10
    assert by_camera["frame"]["n"] == 10 * 9  # every sixth of 50 pictures
    assert 0 < told["split_its_way"]["frame"]["n"] < by_camera["frame"]["n"]
    assert 0 <= by_camera["clip"]["auc"] <= 1
    said = capsys.readouterr().out
    assert f"split by camera, 10 clips: AUC {by_camera['clip']['auc']}" in said
    assert (run / "split_its_way/history.csv").is_file()
    assert not list(run.glob("**/*.tflite"))
