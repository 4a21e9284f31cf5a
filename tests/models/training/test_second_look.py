"""`jikimi train --second-look` on rendered clips: who learns from what, and what comes out."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from config.errors import ConfigError
from detector.cli import main
from detector.inference.second_look.head import FusedHead, logit, probability
from detector.inference.second_look.weights import load_second_look
from models.data.clips import Clip, Event, read_clips
from models.data.digests import clip_digests
from models.training.recipe import FOLDS
from models.training.second_look import Windows, fit_fusion, fit_linear, fold_heads, window_weights
from models.weights.second_look import exported_second_look, read_second_look
from models.weights.video_sidecar import Seen, read_video_sidecar, write_video_sidecar

pytestmark = pytest.mark.skipif(
    find_spec("sklearn") is None, reason="scikit-learn is not installed (make train-env)"
)

Train = Callable[..., tuple[int, str]]


@pytest.fixture
def train(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Train:
    """Run `jikimi train` with fold models on a source: exit code, and all that it said."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def command(source: Path, *arguments: str) -> tuple[int, str]:
        out = str(tmp_path / "run")
        code = main(["train", str(source), "--out", out, "--pretrained", "shipped", *arguments])
        return code, "".join(capsys.readouterr())

    return command


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_what_the_network_has_seen_teaches_no_second_look_whatever_it_is_called(
    train: Train, footage: Any, video_network: Path, tmp_path: Path
) -> None:
    data = footage()
    video = shutil.copytree(video_network.parent, tmp_path / "video") / "small.json"
    renamed = next(clip for clip in read_clips(data) if clip.name == "city/violence3.mp4")
    weights = read_video_sidecar(video)
    seen = Seen(weights.seen.sets, frozenset(clip_digests([renamed]).values()))
    write_video_sidecar(video, replace(weights, seen=seen))

    code, said = train(data, "--cross-validate", "--second-look", str(video))
    assert code == 0, said
    assert "left out, for small has seen them: 1 of city, 10 of town" in said
    digests = clip_digests(read_clips(data))
    run = tmp_path / "run"
    for folder, left_out in [(run, None), *((run / f"folds/{k}", k) for k in range(FOLDS))]:
        look = read_second_look(folder / "second-look.json")
        taught = {
            digest
            for clip, digest in digests.items()
            if clip.dataset == "city" and clip.fold != left_out and clip != renamed
        }
        assert look.fitted == taught
        assert look.weights.seen == seen
        assert look.weights.network == run / "video.tflite"
        assert look.head.second > 0
    assert len(list(run.glob("**/video.tflite"))) == 1

    # what is exported is what the daemon loads, and says the same of itself
    assert main(["export", str(run), "--out", str(tmp_path / "out")]) == 0
    exported = tmp_path / "out/violence.json"
    loaded, told = load_second_look(exported), exported_second_look(exported)
    look = read_second_look(run / "second-look.json")
    assert loaded is not None
    assert told is not None
    windows = np.random.default_rng(2).normal(size=(3, 16)).astype(np.float32)
    np.testing.assert_array_equal(loaded.head.logits(windows), look.head.logits(windows))
    assert (told.fitted, told.weights.seen, told.candidate) == (look.fitted, seen, look.candidate)
    assert told.incident == look.incident == loaded.rules.incident
    assert told.weights.licence_file.read_text(encoding="utf-8") == "MIT"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([], 64, "--second-look goes with --cross-validate"),
        (["--cross-validate"], 2, "video.json: cannot be read"),
    ],
)
def test_what_a_second_look_needs_is_said_at_once(
    train: Train, tmp_path: Path, arguments: list[str], code: int, said: str
) -> None:
    found, text = train(tmp_path, "--second-look", str(tmp_path / "video.json"), *arguments)
    assert found == code
    assert said in text


def windows(
    name: str, label: str, fold: int, value: float, smoothed: float = 0.5, count: int = 2
) -> Windows:
    """A clip whose windows all have the embedding [value, 1]."""
    clip = Clip(name, Path(name), label, f"scene {fold}", "city", fold)
    embeddings = np.tile(np.array([value, 1], np.float32), (count, 1))
    times = np.arange(count, dtype=np.float64)
    return Windows(clip, times, embeddings, embeddings, np.full(count, smoothed, np.float32))


def two_classes() -> list[Windows]:
    return [
        windows(f"{label}{fold}{i}", label, fold, 2 * (label == "violence") + 0.1 * i)
        for fold in range(FOLDS)
        for label in ("violence", "normal")
        for i in range(3)
    ]


def test_a_fold_is_judged_by_a_head_that_has_not_seen_it() -> None:
    clips = two_classes()
    odd = [replace(own, embeddings=own.embeddings + 9 * (own.clip.fold == 3)) for own in clips]
    before, after = fold_heads(clips, "violence"), fold_heads(odd, "violence")
    np.testing.assert_array_equal(before[3].weight, after[3].weight)
    assert not np.array_equal(before[2].weight, after[2].weight)


def test_mirrored_windows_teach_too_and_every_second_one_is_judged_mirrored() -> None:
    clips = two_classes()
    turned = [replace(own, mirrored=own.mirrored + np.float32([0, 2])) for own in clips]
    head = fit_linear(turned, "violence")
    assert not np.allclose(head.mean, fit_linear(clips, "violence").mean)
    own = turned[0]
    np.testing.assert_array_equal(own.in_turn(), [own.embeddings[0], own.mirrored[1]])


def test_both_stages_count_in_the_fused_probability_as_far_as_they_tell() -> None:
    rng = np.random.default_rng(2)
    clips, logits = [], {}
    for i in range(600):
        fights = bool(i % 2)
        own = windows(f"{i}", "violence" if fights else "normal", i % 5, 0.0, count=1)
        first = float(probability(2 * fights - 1 + rng.normal(0, 1)))
        own = replace(own, smoothed=np.array([first], np.float32))
        second = np.array([2 * fights - 1 + rng.normal(0, 2)], np.float32)
        logits[own.clip] = (second, second)
        clips.append(own)
    bare = FusedHead(np.zeros(2, "f4"), np.ones(2, "f4"), np.zeros(2, "f4"), 0, 0, 1, 0)
    head = fit_fusion(bare, clips, logits, "violence")
    # of normal classes: difference of means over the variance
    assert head.first == pytest.approx(2, abs=0.4)
    assert head.second == pytest.approx(0.5, abs=0.15)
    assert head.intercept == pytest.approx(0, abs=0.25)
    assert head.fused(0.5, 0.0) == pytest.approx(0.5, abs=0.06)
    assert np.isfinite(logit([0, 1])).all()


def test_clips_weigh_the_same_however_long_and_a_scene_the_root_of_its_clips() -> None:
    clips = [windows("a", "normal", 0, 0, count=8), windows("b", "normal", 0, 0, count=2)]
    clips.append(windows("c", "normal", 1, 0, count=4))
    np.testing.assert_allclose(
        np.add.reduceat(window_weights(clips), [0, 8, 10]), [0.5**0.5, 0.5**0.5, 1]
    )


def test_a_recording_is_normal_outside_its_events() -> None:
    clip = Clip("r", Path("r"), "normal", "s", "city", 0, (Event("violence", 1.0, 2.0),))
    own = replace(windows("r", "normal", 0, 0, count=4), clip=clip)
    assert own.shown("violence").tolist() == [False, True, True, False]


def test_clips_that_cannot_teach_are_named() -> None:
    with pytest.raises(ConfigError, match="none of the clips that teach the second look show it"):
        fit_linear([own for own in two_classes() if own.clip.label == "normal"], "violence")
    with pytest.raises(ConfigError, match="needs clips of two folds"):
        fold_heads([own for own in two_classes() if own.clip.fold == 0], "violence")


@pytest.mark.slow
def test_another_network_than_the_sidecar_tells_is_refused(
    train: Train, video_network: Path, tmp_path: Path
) -> None:
    video = shutil.copytree(video_network.parent, tmp_path / "video") / "small.json"
    told = json.loads(video.read_text())
    (video.parent / "small.tflite").write_bytes(b"another")
    code, said = train(tmp_path, "--cross-validate", "--second-look", str(video))
    assert code == 4
    assert "small.tflite: is not the network that" in said
    video.write_text(json.dumps(told | {"seen": None}))
    code, said = train(tmp_path, "--cross-validate", "--second-look", str(video))
    assert code == 2
    assert "is no sidecar of a video network (seen:" in said
