"""The documented training command on a handful of rendered clips, end to end."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import cv2
import numpy as np
import pytest

from detector.inference.weights import load_classifier
from models.dataset import Clip
from models.training import FOLDS, fold_of, main

pytestmark = pytest.mark.filterwarnings("ignore")  # TensorFlow's own


def test_every_clip_of_a_scene_falls_into_one_fold() -> None:
    one = {fold_of(Clip(f"{i}", "normal", "street", "more_cctv", None)) for i in range(9)}
    many = {fold_of(Clip("a", "normal", f"street {i}", "more_cctv", None)) for i in range(40)}
    assert len(one) == 1
    assert many == set(range(FOLDS))
    assert fold_of(Clip("a", "normal", "yard", "vioperu", 3)) == 3


def write_clip(path: Path, speed: float, seed: int) -> None:
    """Two blocks that pass each other (slow) or beat about (fast)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 25, (320, 180))
    rng = np.random.default_rng(seed)
    for i in range(50):
        picture = np.full((180, 320, 3), 70, np.uint8)
        shake = rng.integers(-12, 13, 4) * speed
        x, y = round(60 + 2 * i + shake[0]), round(60 + shake[1])
        cv2.rectangle(picture, (x, y), (x + 20, y + 55), (200, 200, 200), -1)
        cv2.rectangle(
            picture,
            (x + 25, y + round(shake[2])),
            (x + 45, y + 55 + round(shake[3])),
            (30, 30, 30),
            -1,
        )
        writer.write(picture)
    writer.release()


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.skipif(
    importlib.util.find_spec("tensorflow") is None,
    reason="TensorFlow is not installed (make train-env)",
)
def test_training_writes_weights_that_the_daemon_loads(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import keras

    pretrained = tmp_path / "start.weights.h5"
    keras.utils.set_random_seed(1)
    network = keras.applications.MobileNetV2((96, 96, 3), include_top=False, weights=None)
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0  # else every view has one embedding, and parity proves nothing
    network(np.random.default_rng(1).uniform(-1, 1, (16, 96, 96, 3)), training=True)
    network.save_weights(pretrained)
    manifest, folds = ["path,label,scene,dataset"], ["path,fold"]
    for name in ("surv_fight", "vioperu"):
        for scene in range(FOLDS):
            for label, speed in (("violence", 1.0), ("normal", 0.0)):
                path = f"{name}/{label}{scene}.mp4"
                write_clip(tmp_path / "data" / path, speed, scene)
                manifest.append(f"{path},{label},{name}_{scene},{name}")
                folds.append(f"{path},{scene}")
    manifest.append("more_cctv/gone.mp4,normal,gone,more_cctv")
    (tmp_path / "data/manifest.csv").write_text("\n".join(manifest))
    (tmp_path / "data/folds.csv").write_text("\n".join(folds))
    arguments = ["--data", str(tmp_path / "data"), "--pretrained", str(pretrained)]
    arguments += ["--out", str(tmp_path / "out"), "--cache", str(tmp_path / "cache")]
    assert main(arguments) == 0
    said = capsys.readouterr()
    assert said.out.strip() == str(tmp_path / "out/violence.json")
    assert "gone.mp4" in said.err + said.out
    classifier = load_classifier(tmp_path / "out/violence.json")
    assert classifier.head.labels == ("violence",)
    assert classifier.sidecar.training["sets"]["vioperu"]["scenes"] == FOLDS


def test_a_missing_data_folder_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["--data", str(tmp_path), "--out", str(tmp_path / "out")])
    assert code == 2
    assert "folds.csv: cannot be read" in capsys.readouterr().err
