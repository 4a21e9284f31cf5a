"""`jikimi export`: every engine under one sidecar, and what ranks worse is refused."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from config.errors import ModelError
from detector.cli import main
from detector.inference.weights import load_classifier
from engines import MeanEngine
from models import export as exporting
from models.data.clips import Clip, read_clips
from models.data.views import spread, store_views
from models.export import compared
from models.weights.network import check_parity, some_clips

needs_training = pytest.mark.skipif(
    importlib.util.find_spec("tensorflow") is None,
    reason="TensorFlow is not installed (make train-env)",
)


class Off:
    """A mean that is wrong by some factor, or of something else."""

    name = "off"

    def __init__(self, factor: float) -> None:
        self._factor = factor

    def embed(self, views: Any) -> Any:
        return self._factor * MeanEngine().embed(views)


def test_engines_are_compared_on_real_views(footage: Any, tmp_path: Path) -> None:
    clips = read_clips(footage(sets=["city"], scenes=3))
    files = store_views(clips, 8, tmp_path / "cache")

    def score(clip: Clip, embeddings: Any) -> Any:
        return embeddings.mean(axis=0).astype(np.float64)

    told = compared(
        {"litert": MeanEngine(), "same": MeanEngine(), "wrong": Off(-1.0)},
        files,
        ("violence",),
        score,
    )
    assert told["same"]["largest_difference"] == 0
    assert told["same"]["auc_lost"] == 0
    assert told["litert"]["auc"] == {"all": 1.0, "city": 1.0}
    assert told["wrong"]["auc"] == {"all": 0.0, "city": 0.0}
    assert told["wrong"]["auc_lost"] == 1
    assert told["wrong"]["largest_difference"] > 0.02


def test_parity_needs_views_that_move_and_a_network_that_tells_them_apart(
    footage: Any, tmp_path: Path
) -> None:
    clips = some_clips(read_clips(footage(sets=["city"], scenes=3)))
    views = spread(store_views(clips, 8, tmp_path / "cache"), 16)
    engine = Off(10.0)
    expected = engine.embed(views)
    assert check_parity(engine, views, expected) == 0
    with pytest.raises(ModelError, match="off and Keras differ by"):
        check_parity(engine, views, expected + 0.01)
    with pytest.raises(ModelError, match="untrained"):
        check_parity(engine, views, np.ones_like(expected))


def test_what_is_no_run_is_named(tmp_path: Path, capsys: Any) -> None:
    assert main(["export", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    assert "name the folder that `jikimi train` wrote to" in capsys.readouterr().err


@needs_training
@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.filterwarnings("ignore")
@pytest.mark.long
def test_one_sidecar_serves_every_engine(
    footage: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any, pretrained: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    run, out = tmp_path / "run", tmp_path / "out"
    given = ["train", str(footage(sets=["city"])), "--out", str(run)]
    assert main([*given, "--pretrained", str(pretrained)]) == 0
    assert main(["export", str(run), "--out", str(out), "--int8"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[-1] == str(out / "violence.json")
    views = np.random.default_rng(1).uniform(-1, 1, (11, 96, 96, 3)).astype(np.float32)
    found = {
        engine: load_classifier(out / "violence.json", engine=engine)
        for engine in ("litert", "litert-int8", "tensorflow")
    }
    embeddings = {engine: own.engine.embed(views) for engine, own in found.items()}
    assert {own.engine.name for own in found.values()} == set(found)
    np.testing.assert_allclose(embeddings["tensorflow"], embeddings["litert"], atol=1e-3)
    assert 0 < np.abs(embeddings["litert-int8"] - embeddings["litert"]).mean() < 0.1
    small, large = ((out / f"violence{end}.tflite").stat().st_size for end in ("-int8", ""))
    assert small < large / 2
    told = json.loads((out / "violence.json").read_text())["figures"]["export"]
    assert told["litert"]["auc_lost"] == 0
    assert set(told["litert-int8"]["auc"]) == {"all", "city"}

    monkeypatch.setattr(exporting, "ALLOWED_LOSS", -0.001)
    assert main(["export", str(run), "--out", str(tmp_path / "worse")]) == 4
    assert "lower than litert's" in capsys.readouterr().err
    assert not (tmp_path / "worse/violence.json").exists()
