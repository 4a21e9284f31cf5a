"""Fine-tuning on rendered clips: what is drawn, what learns, and the weights that come out."""

from __future__ import annotations

import csv
import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from config.errors import ConfigError, ModelError
from detector.cli import main
from detector.inference.head import LinearHead
from detector.inference.weights import load_classifier
from models.data.clips import Clip, read_clips
from models.data.views import Thinning, ViewFile, spread, store_views
from models.training.finetune import balanced, drawn, validation_fold
from models.training.recipe import FOLDS, Learning, Recipe, fold_of
from models.weights.fitted import fitted_on

needs_tensorflow = pytest.mark.skipif(
    importlib.util.find_spec("tensorflow") is None,
    reason="TensorFlow is not installed (make train-env)",
)


def view_file(label: str, scene: str, number: int = 0) -> ViewFile:
    clip = Clip(f"{label}{scene}{number}", Path("x"), label, scene, "own", 0)
    return ViewFile(clip, clip.labels, Path("x"), 4)


def test_labels_have_the_same_chance_and_scenes_what_is_asked() -> None:
    files = [view_file("normal", "a", i) for i in range(9)] + [view_file("violence", "a")]
    files.append(view_file("normal", "b"))
    chances = balanced(files, Recipe(learning=Learning(scene_balance=1)))
    assert chances.sum() == pytest.approx(1)
    assert chances[9] == pytest.approx(1 / 2)
    assert chances[10] > 5 * chances[0]
    even = balanced(files, Recipe(learning=Learning(scene_balance=0)))
    assert even[10] == pytest.approx(even[0])


def test_views_on_disk_are_few_evenly_spaced_and_read_again(footage: Any, tmp_path: Path) -> None:
    clips = read_clips(footage(sets=["city"], scenes=1))
    files = store_views(clips, 5, tmp_path / "cache")
    assert [own.count for own in files] == [5, 5]
    kept = sorted((tmp_path / "cache/files").glob("*.npy"))
    assert [np.load(path).dtype for path in kept] == [np.int8] * 2
    written = [path.stat().st_mtime_ns for path in kept]
    assert store_views(clips, 5, tmp_path / "cache") == files
    assert [path.stat().st_mtime_ns for path in kept] == written
    views = files[0].read([0, 4])
    assert views.shape == (2, 96, 96, 3)
    assert 0.1 < np.abs(views).max() <= 1
    assert len(spread(files, 6)) == 6


def test_a_long_recording_is_thinned_in_bounded_memory() -> None:
    thinning = Thinning(10)
    for number in range(1003):
        thinning.add(np.full(1, number / 1003, np.float32))
        assert len(thinning.kept) <= 20
    gaps = np.diff(np.concatenate(thinning.views()).astype(int))
    assert len(gaps) == 9
    assert gaps.max() <= 2 * gaps.min() + 1
    assert gaps.sum() > 115


def test_an_epoch_is_drawn_the_same_again(footage: Any, tmp_path: Path) -> None:
    clips = read_clips(footage(sets=["city"], scenes=2))
    files = store_views(clips, 5, tmp_path / "cache")
    recipe = Recipe(seed=3, learning=Learning(batch=8, drawn_per_clip=4))
    first, again, other = (list(drawn(files, ("violence",), recipe, epoch)) for epoch in (1, 1, 2))
    assert len(first) == len(files) * 4 // 8
    for one, same in zip(first, again, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(one, same, strict=True))
    assert not np.array_equal(first[0][0], other[0][0])
    assert first[0][0].shape == (8, 96, 96, 3)
    assert 0 < np.mean([batch[1].mean() for batch in first]) < 1


def test_what_is_held_out_shows_every_label_and_so_does_the_rest() -> None:
    clips = [
        Clip(f"{label}{scene}", Path("x"), label, f"{scene}", "own", scene)
        for scene in range(FOLDS)
        for label in (("normal", "violence", "fall") if scene in {1, 3} else ("normal", "violence"))
    ]
    assert validation_fold(clips, ("violence", "fall"), 2) == 3
    assert validation_fold(clips, ("violence",), 2) == 2
    with pytest.raises(ConfigError, match="needs more scenes"):
        validation_fold([clip for clip in clips if fold_of(clip) != 3], ("fall",), 0)


@needs_tensorflow
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_layers_from_the_named_one_on_learn_but_for_batch_norms(pretrained: Path) -> None:
    from models.weights.architecture import embedding_network, train_from, with_head

    network = embedding_network(str(pretrained))
    ones = np.ones(576, np.float32)
    head = LinearHead(("a",), 2 * ones, 4 * ones, ones[:, None], ones[:1], ones[:1], ones[:1])
    views = np.random.default_rng(2).uniform(-1, 1, (3, 96, 96, 3)).astype(np.float32)
    embeddings = np.asarray(network(views))
    np.testing.assert_allclose(
        np.asarray(with_head(network, head, 0.1)(views, training=False)),
        ((embeddings - 2) / 4).sum(axis=1, keepdims=True) + 1,
        rtol=1e-3,
    )
    train_from(network, "block_12")
    learning = {variable.path.split("/")[0] for variable in network.trainable_variables}
    assert learning == {
        *(f"block_12_{name}" for name in ("expand", "depthwise", "project")),
        "block_13_expand",
    }
    with pytest.raises(ModelError, match="no layer 'block_40' in the network; it has Conv1, block"):
        train_from(network, "block_40")


@needs_tensorflow
@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.filterwarnings("ignore")
@pytest.mark.long
def test_fine_tuning_leaves_weights_curves_and_a_history(
    footage: Any, pretrained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    run = tmp_path / "run"
    given = ["train", str(footage(sets=["city"])), "--out", str(run), "--train", "block_12"]
    given += ["--pretrained", str(pretrained), "--epochs", "2", "--batch", "8"]
    assert main(given) == 0
    classifier = load_classifier(run / "violence.json")
    assert classifier.head.labels == ("violence",)
    with (run / "history.csv").open() as lines:
        assert [row["epoch"] for row in csv.DictReader(lines)] == ["1", "2"]
    assert not list(run.glob("checkpoints/*"))
    known = fitted_on(classifier.sidecar)
    assert known.head == known.network  # the network learnt from them too
    assert known.network
    start = load_classifier(run / "violence.json").engine
    views = np.random.default_rng(2).uniform(-1, 1, (2, 96, 96, 3)).astype(np.float32)
    from models.weights.architecture import embedding_network

    before = np.asarray(embedding_network(str(pretrained))(views))
    assert np.abs(start.embed(views) - before).max() > 1e-3
