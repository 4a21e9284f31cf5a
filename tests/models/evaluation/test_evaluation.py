"""`jikimi evaluate` on rendered footage with the shipped weights: what an operator gets."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from pydantic import TypeAdapter

import models.report.plots
from detector.capture.demo.stream import render
from detector.cli import main
from detector.inference.weights import load_classifier, shipped_weights
from footage import SURE_MINUTE_S
from models.evaluation.lighting import lighting_of
from models.evaluation.result import Evaluation
from models.report.report import write_report
from models.training.recipe import FOLDS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

RATE = 8
BRAWL_S = (22.0, 26.0)


def write_video(path: Path, start_s: float, end_s: float, shade: Callable[[Any], Any]) -> None:
    """A stretch of the rendered demo scene, at half size."""
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), RATE, (320, 180))
    for i in range(round((end_s - start_s) * RATE)):
        picture = np.asarray(render("scuffle", SURE_MINUTE_S + start_s + i / RATE), np.uint8)
        writer.write(shade(cv2.resize(picture, (320, 180), interpolation=cv2.INTER_AREA)))
    writer.release()


def grey(picture: Any) -> Any:
    return cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two scenes with a brawl and two calm clips each; one recording with both."""
    folder = tmp_path_factory.mktemp("videos")
    for scene, shade in (("yard", np.asarray), ("night", grey)):
        write_video(folder / f"{scene}/brawl.mp4", *BRAWL_S, shade)
        write_video(folder / f"{scene}/calm1.mp4", 2, 5, shade)
        write_video(folder / f"{scene}/calm2.mp4", 8, 11, shade)
    write_video(folder / "long.mp4", 14, 30, np.asarray)
    (folder / "broken.mp4").write_bytes(b"no video")
    return folder


SCENES = [
    f"{scene}/{name}.mp4,{label},{scene},{data}"
    for scene, data in (("yard", "north"), ("night", "south"))
    for name, label in (("brawl", "violence"), ("calm1", "normal"), ("calm2", "normal"))
]


@pytest.fixture
def evaluate(
    videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., dict[str, Any]]:
    """Evaluates a manifest of these lines; the metrics."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(videos / "cache"))
    monkeypatch.setattr(models.report.plots, "find_spec", lambda _: None)  # a second a report

    def run(
        *lines: str,
        columns: str = "path,label,scene,dataset",
        folds: str = "",
        options: Sequence[str] = (),
    ) -> Any:
        manifest = videos / "manifest.csv"
        manifest.write_text("\n".join([columns, *lines]) + "\n", encoding="utf-8")
        (videos / "folds.csv").write_text("path,fold\n" + folds, encoding="utf-8")
        assert main(["evaluate", str(manifest), "--out", str(tmp_path / "out"), *options]) == 0
        return json.loads((tmp_path / "out/metrics.json").read_text(encoding="utf-8"))

    return run


def test_fights_are_found_and_counted_on_every_level(
    evaluate: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = evaluate(*SCENES, "broken.mp4,normal,dock,north")
    assert found["clip"]["auc"] == 1
    assert found["clip"]["confusion"] == {"tp": 2, "fp": 0, "tn": 4, "fn": 0}
    assert found["event"]["fights"] == found["event"]["found"] == found["event"]["controls"] == 2
    assert found["event"]["false_incidents"] == 0
    assert found["event"]["f1"] == found["event"]["recall"] == 1
    assert 0 < found["event"]["median_delay_s"] < 3
    assert found["event"]["hours"] == pytest.approx(4 * 64 / 3600, abs=0.001)
    assert found["normal"]["hours"] == pytest.approx(12 / 3600, abs=0.0005)
    assert found["normal"]["false_incidents_per_hour"] == 0
    assert found["normal"]["upper_95_per_hour"] == pytest.approx(2.9957 * 300, rel=0.05)
    assert set(found["by_dataset"]) == {"north", "south"}
    assert found["by_dataset"]["south"]["event"]["recall"] == 1
    assert set(found["by_lighting"]) == {"colour", "grey"}
    assert found["by_scene"]["night"]["clip"] == {
        "auc": 1,
        "recall": 1,
        "specificity": 1,
        "n": 3,
        "positives": 1,
    }
    assert found["skipped"] == ["broken.mp4"]
    said = capsys.readouterr()
    assert "broken.mp4: cannot be read as video" in said.err + said.out
    assert re.search(r"violence +1\.000 +1\.000 +1\.000 +2", said.out)
    assert "2 of 2 found, 0 false" in said.out
    assert str(tmp_path / "out/metrics.json") in said.out


def test_the_page_stands_by_itself(
    evaluate: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models.report.plots, "find_spec", find_spec)
    prototype = tmp_path / "prototype.json"
    given = {
        "split_its_way": {"clip": {"auc": 0.987, "n": 9}},
        "split_by_camera": {"clip": {"auc": 0.543, "n": 9}},
    }
    prototype.write_text(json.dumps(given), encoding="utf-8")
    lines = [line.replace(",yard,", ",<i>yard & co</i>,") for line in SCENES]
    found = evaluate(*lines, options=("--prototype", str(prototype)))
    assert found["prototype"] == given
    out = tmp_path / "out"
    text = (out / "report.html").read_text(encoding="utf-8")
    assert "http" not in text
    assert "<script" not in text
    assert not re.search(r'(src|href)="(?!data:)', text)
    assert "&lt;i&gt;yard &amp; co&lt;/i&gt;" in text
    assert "<i>yard" not in text
    assert "0.987" in text
    assert "0.543" in text
    names = {path.stem for path in out.glob("*.png")}
    if names:  # matplotlib is there
        assert {"roc", "precision_recall", "reliability", "clip_scores", "delays"} <= names
        assert text.count("data:image/png;base64,") == len(names)


def test_without_matplotlib_the_rest_is_written(evaluate: Any, tmp_path: Path) -> None:
    evaluate(*SCENES)
    out = tmp_path / "out"
    assert not list(out.glob("*.png"))
    written = (out / "metrics.json").read_bytes()
    evaluation = TypeAdapter(Evaluation).validate_json(written)
    assert "jikimi[plot]" in write_report(evaluation, tmp_path / "again")
    for name in ("metrics.json", "report.html"):
        assert (tmp_path / "again" / name).read_bytes() == (out / name).read_bytes()


def test_only_normal_footage_gives_false_alarms_and_reasons(evaluate: Any) -> None:
    found = evaluate(*(line for line in SCENES if "calm" in line))
    assert found["clip"]["auc"] is None
    assert found["reasons"]["clip.auc"] == "nothing in it is labelled violence"
    assert found["clip"]["specificity"] == 1
    assert found["event"]["f1"] is None
    assert found["reasons"]["event.f1"] == "nothing in it is labelled violence"
    assert found["normal"]["false_incidents"] == 0
    assert found["curves"]["clip"] is None
    for level in ("clip", "frame", "event", "normal"):
        for name, value in found[level].items():
            assert value is not None or f"{level}.{name}" in found["reasons"]


def test_only_fights_give_recall_and_reasons(evaluate: Any) -> None:
    found = evaluate(*(line for line in SCENES if "brawl" in line))
    assert found["clip"]["recall"] == 1
    assert found["reasons"]["clip.specificity"] == "all of it is labelled violence"
    assert found["event"]["fights_left_out"] == 2
    assert "no scene has both" in found["reasons"]["event.recall"]
    assert found["normal"]["false_incidents_per_hour"] is None
    assert "no footage" in found["reasons"]["normal.false_incidents_per_hour"]


def test_an_untrimmed_recording_is_played_as_it_is(evaluate: Any) -> None:
    columns = "path,label,scene,dataset,start_s,end_s"
    spans = ["long.mp4,violence,yard,north,6,14.5", "night/calm1.mp4,normal,night,south,,"]
    found = evaluate(*spans, columns=columns)
    assert found["event"]["recordings"] == found["event"]["found"] == 1
    assert found["event"]["streams"] == 0
    assert 0 < found["event"]["median_delay_s"] < 4
    assert found["event"]["false_incidents"] == 0
    assert found["frame"]["auc"] > 0.9
    assert found["clip"]["n"] == 1
    assert found["normal"]["hours"] == pytest.approx((16 - 8.5 - 1.5 + 3) / 3600, abs=0.0003)


def test_a_label_the_weights_do_not_know_counts_as_normal(evaluate: Any) -> None:
    found = evaluate(SCENES[0], "yard/calm1.mp4,fall,yard,north", *SCENES[4:])
    assert found["labels"] == {"normal": 2, "violence": 1, "fall": 1}
    assert found["clip"]["confusion"]["tn"] == 3
    assert found["normal"]["clips"] == 3
    assert found["event"]["found"] == found["event"]["controls"] == 1
    assert "fall counts as normal" in found["reasons"]["labels"]


def test_fold_models_judge_what_they_have_not_seen(evaluate: Any, tmp_path: Path) -> None:
    """A fold's model that calls everything a fight shows on that fold's scene alone."""
    run = tmp_path / "run"
    for name in (*(f"folds/{fold}" for fold in range(FOLDS)), "without/north"):
        copy_weights(run / name, bias=0.0)
    copy_weights(run / "folds/1", bias=30.0)
    names = [line.split(",")[0] for line in SCENES]
    folds = "".join(f"{name},{int(name.startswith('night'))}\n" for name in names)
    found = evaluate(*SCENES, folds=folds, options=("--fold-models", str(run)))
    assert found["model"]["models"] == 2
    assert found["by_dataset"]["north"]["clip"]["specificity"] == 1
    assert found["by_dataset"]["south"]["clip"]["specificity"] == 0
    assert list(found["across"]) == ["north"]
    assert found["across"]["north"]["clip"]["recall"] == 1
    assert found["across"]["north"]["event"]["found"] == 1


def copy_weights(folder: Path, bias: float, *further: str) -> Path:
    """The shipped weights, their head's bias raised; `further` labels never fire."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in shipped_weights().parent.iterdir():
        if path.name.startswith(("violence.", "second-look")):
            shutil.copy(path, folder)
    head, path = folder / "violence.npz", folder / "violence.json"
    with np.load(head) as arrays:
        parts = {name: np.asarray(array, np.float32) for name, array in arrays.items()}
    parts["bias"] = np.append(parts["bias"] + bias, [-1000.0] * len(further))
    parts["weight"] = np.pad(parts["weight"], ((0, 0), (0, len(further))))
    np.savez(head, **parts)
    sidecar = json.loads(path.read_text(encoding="utf-8"))
    sidecar["head"]["sha256"] = hashlib.sha256(head.read_bytes()).hexdigest()
    sidecar["labels"] += further
    for facts in (sidecar["calibration"], sidecar["incident"]):
        facts.update(dict.fromkeys(further, facts["violence"]))
    path.write_text(json.dumps(sidecar), encoding="utf-8")
    load_classifier(path)
    return path


def test_every_label_has_its_own_figures(evaluate: Any, tmp_path: Path) -> None:
    weights = copy_weights(tmp_path / "weights", 0.0, "fall")
    lines = [SCENES[0], SCENES[1], "yard/calm2.mp4,fall,yard,north"]
    found = evaluate(*lines, options=("--weights", str(weights)))
    assert found["label"] == "violence"
    assert found["clip"]["n"] == 3
    assert found["event"]["fights"] == found["event"]["streams"] == found["event"]["controls"] == 1
    assert found["event"]["found"] == 1
    assert found["normal"]["clips"] == 1
    fall = found["by_label"]["fall"]
    assert (fall["clip"]["positives"], fall["clip"]["recall"]) == (1, 0)
    assert (fall["event"]["fights"], fall["event"]["found"]) == (1, 0)
    assert fall["event"]["false_incidents"] == 0
    assert "labels" not in found["reasons"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["broken.csv"], "none of the clips can be read as video"),
        (["ok.csv", "--fold-models", "nowhere"], "--cross-validate"),
        (["ok.csv", "--prototype", "ok.csv"], "is no JSON file"),
    ],
)
def test_what_cannot_be_done_is_said(
    videos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    said: str,
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(videos / "cache"))
    monkeypatch.chdir(videos)
    head = "path,label,scene\n"
    (videos / "broken.csv").write_text(head + "broken.mp4,normal,dock\n", encoding="utf-8")
    (videos / "ok.csv").write_text(head + "yard/calm1.mp4,normal,yard\n", encoding="utf-8")
    assert main(["evaluate", *arguments, "--out", str(tmp_path)]) == 2
    assert said in capsys.readouterr().err


def test_lighting_is_told_from_the_pictures(videos: Path, tmp_path: Path) -> None:
    assert lighting_of(videos / "yard/calm1.mp4") == "colour"
    assert lighting_of(videos / "night/calm1.mp4") == "grey"
    write_video(tmp_path / "dark.mp4", 2, 4, lambda picture: picture // 3)
    assert lighting_of(tmp_path / "dark.mp4") == "dark"
