"""`jikimi train` on rendered clips, end to end; on the shipped network it needs no TensorFlow."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from config.settings import DetectionSettings
from detector.cli import main
from detector.footage.scoring import FileScore, score_file
from detector.inference.weights import load_classifier
from models.training.recipe import FOLDS
from servers.daemon import DaemonProcess, wait_until

pytestmark = pytest.mark.skipif(
    find_spec("sklearn") is None, reason="scikit-learn is not installed (make train-env)"
)

Train = Callable[..., tuple[int, str, str]]


@pytest.fixture
def train(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Train:
    """Run `jikimi train` on a source: exit code, standard output, standard error."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def command(source: Path, *arguments: str, out: str = "run") -> tuple[int, str, str]:
        given = ["train", str(source), "--out", str(tmp_path / out), "--pretrained", "shipped"]
        return main([*given, *arguments]), *capsys.readouterr()

    return command


def scored(video: Path, sidecar: Path) -> FileScore:
    return score_file(video, load_classifier(sidecar), DetectionSettings(), lambda _at_s: None)


def arrays(path: Path) -> dict[str, Any]:
    with np.load(path) as found:
        return dict(found)


@pytest.mark.slow
def test_what_is_trained_the_daemon_loads_and_tells_apart(
    train: Train, footage: Any, tmp_path: Path
) -> None:
    data = footage()
    with (data / "manifest.csv").open("a") as manifest:
        manifest.write("gone.mp4,normal,gone,city\n")
    code, out, err = train(data)
    assert code == 0
    assert "gone.mp4" in out + err
    sidecar = tmp_path / "run/violence.json"
    assert out.splitlines()[-1] == str(sidecar)
    means = {
        act: np.mean([moment.probability for moment in scored(data / act, sidecar).moments])
        for act in ("city/violence1.mp4", "city/normal1.mp4")
    }
    assert means["city/violence1.mp4"] > means["city/normal1.mp4"] + 0.2
    told = json.loads((tmp_path / "run/training.json").read_text())
    assert told["recipe"]["strength"] == 0.003
    assert told["sets"]["town"] == {"clips": 10, "violence": 5, "scenes": 5}
    figures = json.loads(sidecar.read_text())["figures"]["out_of_fold_auc"]
    assert figures["city"]["auc"] > 0.9
    assert figures["city"]["scenes"] == 5


@pytest.mark.slow
def test_cross_validation_leaves_models_that_have_not_seen_a_fold_or_a_set(
    train: Train, footage: Any, tmp_path: Path
) -> None:
    assert train(footage(), "--cross-validate")[0] == 0
    run = tmp_path / "run"
    found = {path.relative_to(run).as_posix() for path in run.glob("*/*/violence.json")}
    folds = {f"folds/{fold}/violence.json" for fold in range(FOLDS)}
    assert found == folds | {"without/city/violence.json", "without/town/violence.json"}
    whole = load_classifier(run / "violence.json").sidecar
    weights = [arrays(run / "violence.npz")["weight"]]
    for name in sorted(found):
        classifier = load_classifier(run / name)
        assert classifier.sidecar.engines["litert"].sha256 == whole.engines["litert"].sha256
        weights.append(arrays((run / name).with_suffix(".npz"))["weight"])
    assert len({own.tobytes() for own in weights}) == len(weights)
    assert len(list(run.glob("**/*.tflite"))) == 1


@pytest.mark.slow
def test_the_same_seed_gives_the_same_weights(train: Train, footage: Any, tmp_path: Path) -> None:
    data = footage(sets=["city"], scenes=3)
    for out, seed in (("a", "3"), ("b", "3"), ("c", "4")):
        assert train(data, "--copies", "1", "--seed", seed, out=out)[0] == 0
    first, again, other = (arrays(tmp_path / out / "violence.npz") for out in "abc")
    assert all(np.array_equal(first[key], again[key]) for key in first)
    assert not np.array_equal(first["weight"], other["weight"])


@pytest.mark.slow
def test_three_labels_are_scored_and_raise_their_own_incidents(
    train: Train, footage: Any, tmp_path: Path
) -> None:
    data = footage(acts=("violence", "normal", "fall"))
    assert train(data, "--strength", "1")[0] == 0
    sidecar = tmp_path / "run/classifier.json"
    assert load_classifier(sidecar).head.labels == ("violence", "fall")
    opened = {
        act: {own.label for own in scored(data / f"city/{act}1.mp4", sidecar).incidents}
        for act in ("violence", "fall", "normal")
    }
    assert opened == {"violence": {"violence"}, "fall": {"fall"}, "normal": set()}


@pytest.mark.slow
def test_the_daemon_raises_incidents_of_each_label(
    train: Train, footage: Any, draw: Any, tmp_path: Path
) -> None:
    data = footage(acts=("violence", "normal", "fall"))
    assert train(data, "--strength", "1")[0] == 0
    cameras = {act: tmp_path / f"{act}.mp4" for act in ("violence", "fall", "normal")}
    for act, path in cameras.items():
        draw(path, act, 100, seconds=8)
    listed = "".join(f"  {act}: {path}\n" for act, path in cameras.items())
    config = f"weights: {tmp_path / 'run/classifier.json'}\ncameras:\n{listed}"
    with DaemonProcess(tmp_path / "jikimi", config) as daemon:
        for act in ("violence", "fall"):
            wait_until(
                lambda act=act: daemon.metric("jikimi_incidents_total", camera=act, label=act),
                f"an incident of {act}",
            )
        for camera, label in (("fall", "violence"), ("normal", "fall"), ("normal", "violence")):
            assert not daemon.metric("jikimi_incidents_total", camera=camera, label=label)


def test_labels_left_out_are_normal(train: Train, footage: Any, tmp_path: Path) -> None:
    data = footage(acts=("violence", "normal", "fall"), sets=["city"], scenes=2)
    assert train(data, "--labels", "violence")[0] == 0
    assert load_classifier(tmp_path / "run/violence.json").head.labels == ("violence",)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["--sets", "moon"], "holds no set 'moon'"), (["--labels", "theft"], "label theft")],
)
def test_what_is_not_there_is_named(
    train: Train, footage: Any, arguments: list[str], said: str
) -> None:
    code, _, err = train(footage(sets=["city"], scenes=2), *arguments)
    assert code == 2
    assert said in err


@pytest.mark.parametrize(
    "arguments",
    [["--reference", "x"], ["--start-from", "shipped", "--cross-validate"]],
)
def test_what_does_not_go_together_is_wrong_usage(
    train: Train, tmp_path: Path, arguments: list[str]
) -> None:
    code, _, err = train(tmp_path, *arguments)
    assert code == 64
    assert "--start-from" in err


def test_a_missing_source_is_named(train: Train, tmp_path: Path) -> None:
    code, _, err = train(tmp_path / "absent.csv")
    assert code == 2
    assert "absent.csv: cannot be read" in err
