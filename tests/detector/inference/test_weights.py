"""Weights that fit are loaded; anything else is refused with the file's name and a remedy."""

from __future__ import annotations

import importlib.util
import io
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from config.errors import ModelError
from detector.inference.weights import load_classifier, shipped_weights
from detector.motion.view import VIEW_RECIPE


def test_weights_give_the_probability_that_their_arrays_spell_out(make_weights: Any) -> None:
    classifier = load_classifier(
        make_weights(calibration={"violence": {"slope": 2, "intercept": 1}})
    )
    views = np.zeros((11, 96, 96, 3), np.float32)
    views += np.linspace(-0.05, 0.05, 11, dtype=np.float32)[:, None, None, None]
    embeddings = classifier.engine.embed(views)
    assert embeddings.shape == (11, 3)
    np.testing.assert_allclose(embeddings[:, 1], np.abs(np.linspace(-0.05, 0.05, 11)), atol=1e-5)
    logits = 2 * (embeddings.mean(1) * 400 - 4) + 1
    np.testing.assert_allclose(
        classifier.head(embeddings, [None] * 11)[:, 0], 1 / (1 + np.exp(-logits)), rtol=1e-4
    )
    assert classifier.head.labels == ("violence",)
    assert classifier.rules()["violence"].open_threshold == 0.7


def test_a_head_standardises_weighs_and_calibrates_each_label(make_weights: Any) -> None:
    head = {
        "mean": np.array([0.1, 0.2, 0.3]),
        "scale": np.array([0.5, 1, 2]),
        "weight": np.array([[1, -1], [2, 0], [0, 3]]),
        "bias": np.array([0.5, -0.5]),
    }
    rules = {"open_threshold": 0.7, "close_threshold": 0.4, "min_duration_s": 0, "merge_gap_s": 2}
    classifier = load_classifier(
        make_weights(
            head=head,
            labels=["violence", "fire"],
            calibration={
                "fire": {"slope": 3, "intercept": -1},
                "violence": {"slope": 2, "intercept": 0},
            },
            incident={"violence": rules, "fire": rules},
        )
    )
    [found] = classifier.head(np.array([[0.6, 0.2, 2.3]], np.float32), [None])
    # standardised: 1, 0, 1; logits: 1.5 and 1.5
    np.testing.assert_allclose(found, 1 / (1 + np.exp([-3, -3.5])), rtol=1e-5)
    assert (classifier.head.rest(None) == [0, 0]).all()


def test_a_view_scores_the_same_alone_and_in_any_batch(make_weights: Any) -> None:
    engine = load_classifier(make_weights()).engine
    views = np.random.default_rng(1).uniform(-1, 1, (19, 96, 96, 3)).astype(np.float32)
    alone = np.concatenate([engine.embed(view[None]) for view in views])
    for size in (1, 7, 8, 9, 16, 19):
        np.testing.assert_allclose(engine.embed(views[:size]), alone[:size], atol=1e-6)


def refused(path: Path) -> str:
    """The message with which the weights at `path` are refused."""
    with pytest.raises(ModelError) as caught:
        load_classifier(path)
    assert caught.value.exit_code == 4
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_a_missing_sidecar_is_refused(tmp_path: Path) -> None:
    message = refused(tmp_path / "absent.json")
    assert str(tmp_path / "absent.json") in message
    assert "leave `weights` out" in message


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"view": {**VIEW_RECIPE, "version": 99}}, "99"),
        ({"view": {"name": "something-else", "version": 1}}, "something-else"),
        ({"format": 2}, "format"),
        ({"labels": "violence"}, "labels"),
        ({"labels": []}, "labels"),
        ({"labels": ["violence", "fire"]}, "fire"),
        ({"calibration": {}}, "violence"),
        ({"incident": {}}, "violence"),
        ({"engines": {}}, "litert"),
        ({"calibration": {"violence": {"slope": "steep", "intercept": 0}}}, "slope"),
    ],
)
def test_a_sidecar_that_does_not_fit_is_refused(
    make_weights: Any, changed: dict[str, Any], named: str
) -> None:
    path = make_weights(**changed)
    message = refused(path)
    assert str(path) in message
    assert named in message
    assert "export again" in message


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b"null"])
def test_a_file_that_is_no_sidecar_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "damaged.json"
    path.write_bytes(content)
    message = refused(path)
    assert str(path) in message
    assert "export again" in message


@pytest.mark.parametrize("name", ["tiny.tflite", "tiny.npz"])
def test_a_file_that_is_missing_or_another_one_is_refused(make_weights: Any, name: str) -> None:
    path = make_weights()
    changed = path.parent / name
    changed.write_bytes(changed.read_bytes() + b"x")
    assert str(changed) in refused(path)
    changed.unlink()
    message = refused(path)
    assert str(changed) in message
    assert "export again" in message


@pytest.mark.parametrize("model", [b"", b"not a model at all", bytes(4096)])
def test_a_model_that_cannot_run_is_refused(make_weights: Any, model: bytes) -> None:
    path = make_weights(model=model)
    message = refused(path)
    assert "tiny.tflite" in message
    assert "export again" in message


def arrays(**changed: Any) -> dict[str, Any]:
    """The parts of a head that fits, but for what is changed (None: left out)."""
    parts = {
        "mean": np.zeros(3),
        "scale": np.ones(3),
        "weight": np.ones((3, 1)),
        "bias": np.zeros(1),
        **changed,
    }
    return {name: part for name, part in parts.items() if part is not None}


def saved(array: Any) -> bytes:
    """`array` as an .npy file."""
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(b"", id="empty file"),
        pytest.param(b"PK\x03\x04 cut short", id="cut short"),
        pytest.param(b"plain text", id="text"),
        pytest.param(saved(np.ones(3)), id="one array"),
        pytest.param(arrays(bias=None), id="no bias"),
        pytest.param(arrays(mean=np.array(["a", "b", "c"])), id="text arrays"),
        pytest.param(arrays(mean=np.zeros(576), weight=np.ones((576, 1))), id="other size"),
        pytest.param(arrays(weight=np.ones((3, 2)), bias=np.zeros(2)), id="two labels"),
        pytest.param(arrays(weight=np.ones(3)), id="flat weights"),
        pytest.param(arrays(weight=np.full((3, 1), np.nan)), id="not a number"),
        pytest.param(arrays(scale=np.zeros(3)), id="scale of zero"),
    ],
)
def test_a_broken_head_is_refused(make_weights: Any, head: Any) -> None:
    message = refused(make_weights(head=head))
    assert "head" in message
    assert "/weights/tiny." in message
    assert "export again" in message


def test_the_engine_asked_for_is_the_one_that_runs(make_weights: Any) -> None:
    path = make_weights()
    told = json.loads(path.read_text())
    told["engines"]["litert-int8"] = told["engines"]["litert"]
    path.write_text(json.dumps(told))
    assert load_classifier(path).engine.name == "litert"
    assert load_classifier(path, engine="litert-int8").engine.name == "litert-int8"


def test_an_engine_without_weights_is_refused_and_those_there_are_named(make_weights: Any) -> None:
    with pytest.raises(ModelError, match="engine tensorflow, only for: litert; set `engine`"):
        load_classifier(make_weights(), engine="tensorflow")


def test_a_missing_tensorflow_is_named_with_its_remedy(
    make_weights: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_weights()
    told = json.loads(path.read_text())
    told["engines"]["tensorflow"] = told["engines"]["litert"]
    path.write_text(json.dumps(told))
    monkeypatch.setitem(sys.modules, "keras", None)
    with pytest.raises(
        ModelError, match=r"pip install 'jikimi\[tensorflow\]', or set `engine: lit"
    ):
        load_classifier(path, engine="tensorflow")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.skipif(
    importlib.util.find_spec("tensorflow") is None,
    reason="TensorFlow is not installed (make train-env)",
)
def test_a_file_that_tensorflow_cannot_run_is_refused(make_weights: Any) -> None:
    path = make_weights()
    told = json.loads(path.read_text())
    told["engines"]["tensorflow"] = told["engines"]["litert"]
    path.write_text(json.dumps(told))
    with pytest.raises(ModelError, match=r"tiny\.tflite: TensorFlow cannot run this model"):
        load_classifier(path, engine="tensorflow")


@pytest.mark.skipif(not shipped_weights().exists(), reason="no weights are shipped yet")
def test_the_shipped_weights_load_and_tell_one_view_from_another() -> None:
    classifier = load_classifier()
    views = np.random.default_rng(1).uniform(-1, 1, (3, 96, 96, 3)).astype(np.float32)
    found = classifier.head(classifier.engine.embed(views), [None] * 3)
    assert found.shape == (3, len(classifier.sidecar.labels))
    assert len(np.unique(found)) == 3
    for rules in classifier.rules().values():
        assert 0 < rules.close_threshold <= rules.open_threshold < 1
