"""The linear head: what it tells apart, what weighs, and when it is calibrated."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from detector.inference.head import LinearHead
from models.data.clips import Clip
from models.training.examples import Example
from models.training.head import calibrate, fit_head, out_of_fold_logits, probabilities_of
from models.training.recipe import Recipe, fold_of

pytestmark = pytest.mark.skipif(
    find_spec("sklearn") is None, reason="scikit-learn is not installed (make train-env)"
)

EMPTY = np.zeros((0, 2), np.float32)


def example(
    label: str, at: tuple[float, float], views: int = 4, fold: int = 0, seed: int = 0
) -> Example:
    """Views around a point of the plane."""
    clip = Clip(f"{label}{fold}{seed}", Path("x"), label, f"scene {fold}", "own", fold)
    rng = np.random.default_rng([seed, fold, len(label)])
    values = (np.array(at) + rng.normal(0, 0.3, (views, 2))).astype(np.float32)
    return Example(clip, clip.labels, values, EMPTY, 1.0)


def three_labels() -> list[Example]:
    return [
        example(label, at, fold=fold, seed=seed)
        for fold in range(3)
        for seed in range(4)
        for label, at in (("violence", (3, 0)), ("fall", (0, 3)), ("normal", (0, 0)))
    ]


def test_each_label_has_its_own_probability() -> None:
    head = fit_head(three_labels(), ("violence", "fall"), Recipe(strength=1))
    points = np.array([[3, 0], [0, 3], [0, 0], [3, 3]], np.float32)
    high = probabilities_of(head, points) > 0.5
    assert high.tolist() == [[True, False], [False, True], [False, False], [True, True]]


def test_a_long_clip_weighs_no_more_than_a_short_one() -> None:
    examples = three_labels()
    longer = [
        Example(
            example.clip,
            example.labels,
            np.repeat(example.values, 1 + 9 * (i == 0), axis=0),
            EMPTY,
            1.0,
        )
        for i, example in enumerate(examples)
    ]
    short, long = (fit_head(own, ("violence",), Recipe()) for own in (examples, longer))
    np.testing.assert_allclose(short.mean, long.mean, atol=1e-5)


def test_copies_share_the_weight_of_their_clip() -> None:
    examples = three_labels()
    doubled = [
        Example(example.clip, example.labels, example.values, example.values, 1.0)
        for example in examples
    ]
    alone, copied = (fit_head(own, ("violence",), Recipe()) for own in (examples, doubled))
    np.testing.assert_allclose(alone.weight, copied.weight, rtol=1e-3)


def test_calibration_makes_of_scores_frequencies() -> None:
    examples = [
        example("violence" if seed % 4 == 0 else "normal", (0, 0), fold=fold, seed=seed)
        for fold in range(3)
        for seed in range(40)
    ]
    heads = {
        fold: fit_head(
            [example for example in examples if fold_of(example.clip) != fold],
            ("violence",),
            Recipe(),
        )
        for fold in range(3)
    }
    steep = {fold: shifted(head, 3) for fold, head in heads.items()}
    said = [
        (example, own + 0.5 * ("violence" in example.labels))
        for example, own in out_of_fold_logits(examples, steep)
    ]
    head = calibrate(steep[0], said)
    logits = np.concatenate([own for _, own in said])[:, 0]
    mean = (1 / (1 + np.exp(-(head.slope[0] * logits + head.intercept[0])))).mean()
    assert mean == pytest.approx(0.25, abs=0.03)


def shifted(head: LinearHead, by: float) -> LinearHead:
    parts = (head.labels, head.mean, head.scale, head.weight, head.bias + by)
    return LinearHead(*parts, head.slope, head.intercept)


def test_a_label_ranked_no_better_than_chance_is_not_turned_round() -> None:
    examples = three_labels()
    head = fit_head(examples, ("violence",), Recipe())
    wrong = [
        (example, -own)
        for example, own in out_of_fold_logits(examples, dict.fromkeys(range(3), head))
    ]
    assert calibrate(head, wrong).slope.tolist() == [1]


@pytest.mark.slow
def test_a_label_that_one_fold_alone_shows_is_not_judged_by_heads_that_never_saw_it() -> None:
    examples = [
        example
        for example in three_labels()
        if "fall" not in example.labels or fold_of(example.clip) == 1
    ]
    heads = {
        fold: fit_head(
            [example for example in examples if fold_of(example.clip) != fold],
            ("violence", "fall"),
            Recipe(),
        )
        for fold in range(3)
    }
    assert probabilities_of(heads[1], np.array([[0, 3]], np.float32))[0, 1] < 0.05
    unseen = [
        own for example, own in out_of_fold_logits(examples, heads) if fold_of(example.clip) == 1
    ]
    assert np.isnan(np.concatenate(unseen)[:, 1]).all()
    assert calibrate(heads[0], out_of_fold_logits(examples, heads)).slope[1] == 1
