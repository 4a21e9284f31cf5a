"""Figures against hand-counted values, published tables, and scikit-learn where it is there."""

from __future__ import annotations

import numpy as np
import pytest

from models import statistics
from models.statistics import (
    Values,
    auc_interval,
    average_precision,
    balanced_auc,
    classification,
    false_rate,
    poisson_upper,
    pr_curve,
    ratio_interval,
    reliability,
    roc_auc,
    roc_curve,
    scene_shares,
    thinned,
)


def drawn(count: int = 300, seed: int = 1) -> tuple[Values, np.ndarray, np.ndarray]:
    """Scores with many ties that rank positives a little higher, and scenes."""
    rng = np.random.default_rng(seed)
    positive = rng.random(count) < 0.3
    scores = np.clip(rng.normal(0.4 + 0.2 * positive, 0.2), 0, 1).round(1)
    return scores, positive, np.array([f"scene {i}" for i in rng.integers(0, 17, count)])


def test_ranking_by_hand() -> None:
    positive = np.array([True, True, False, False])
    assert roc_auc(np.array([0.9, 0.8, 0.2, 0.1]), positive) == 1
    assert roc_auc(np.array([0.1, 0.2, 0.8, 0.9]), positive) == 0
    assert roc_auc(np.full(4, 0.5), positive) == 0.5
    assert roc_auc(np.array([0.9, 0.3, 0.5, 0.1]), positive) == 0.75
    # 0.9 is right, then a wrong one, then right: (1 + 2/3) / 2
    assert average_precision(np.array([0.9, 0.3, 0.5, 0.1]), positive) == pytest.approx(5 / 6)


@pytest.mark.slow
def test_curves_and_areas_are_those_of_scikit_learn() -> None:
    sklearn = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    scores, positive, _ = drawn()
    assert roc_auc(scores, positive) == pytest.approx(sklearn.roc_auc_score(positive, scores))
    assert average_precision(scores, positive) == pytest.approx(
        sklearn.average_precision_score(positive, scores)
    )
    false, true, _ = sklearn.roc_curve(positive, scores, drop_intermediate=False)
    assert roc_curve(scores, positive) == pytest.approx(np.stack([false, true], axis=1))
    precision, recall, _ = sklearn.precision_recall_curve(positive, scores)
    assert pr_curve(scores, positive)[::-1] == pytest.approx(np.stack([recall, precision], axis=1))
    figures, _ = classification(scores, positive, np.zeros(len(scores)), "violence")
    called = scores >= 0.5
    assert figures.f1 == pytest.approx(sklearn.f1_score(positive, called))
    assert figures.recall == pytest.approx(sklearn.recall_score(positive, called))
    assert figures.accuracy == pytest.approx(sklearn.accuracy_score(positive, called))
    counted = figures.confusion
    assert [counted.tn, counted.fp, counted.fn, counted.tp] == list(
        sklearn.confusion_matrix(positive, called).ravel()
    )


def test_the_interval_is_that_of_resampled_scenes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "ROUNDS", 60)
    scores, positive, scenes = drawn()
    names, scene = np.unique(scenes, return_inverse=True)
    by_hand = []
    for weights in statistics._draws(len(names), seed=0):
        taken = np.repeat(np.arange(len(scores)), weights[scene].astype(int))
        by_hand.append(roc_auc(scores[taken], positive[taken]))
    expected = np.quantile(np.array(by_hand, float), (0.025, 0.975))
    assert auc_interval(scores, positive, scenes) == pytest.approx(list(expected))


def test_an_interval_of_many_views_is_that_of_all_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(2)
    positive = rng.random(6000) < 0.2
    scores, scenes = rng.random(6000) + 0.2 * positive, rng.integers(0, 40, 6000)
    found = auc_interval(scores, positive, scenes)
    assert found is not None
    monkeypatch.setattr(statistics, "SCORE_LEVELS", len(scores))
    assert found == pytest.approx(auc_interval(scores, positive, scenes), abs=0.001)
    assert found[0] < roc_auc(scores, positive) < found[1]  # type: ignore[operator]


def test_one_scene_gives_a_figure_and_no_interval() -> None:
    scores, positive, _ = drawn()
    figures, reasons = classification(scores, positive, np.zeros(len(scores)), "violence")
    assert figures.auc is not None
    assert figures.auc_interval is None
    assert "one scene" in reasons["auc_interval"]
    assert ratio_interval(np.array([1.0]), np.array([2.0])) is None


@pytest.mark.parametrize(
    ("positive", "known", "why"),
    [
        (False, "specificity", "nothing in it is labelled fall"),
        (True, "recall", "all of it is labelled fall"),
    ],
)
def test_of_one_class_only_what_it_supports_is_told(positive: bool, known: str, why: str) -> None:
    flags = np.full(4, positive)
    scores = np.array([0.1, 0.2, 0.7, 0.9])
    figures, reasons = classification(scores, flags, np.arange(4), "fall")
    assert getattr(figures, known) == 0.5
    unknown = {"auc", "average_precision", "accuracy", "f1", "recall", "specificity"} - {known}
    for name in unknown:
        assert getattr(figures, name) is None
        assert reasons[name] == why
    nothing, reasons = classification(np.zeros(0), np.zeros(0, bool), np.zeros(0), "fall")
    assert nothing.n == 0
    assert reasons["recall"] == "there is nothing of it to judge"


@pytest.mark.parametrize(
    ("events", "bound"),
    # one-sided 95 % bounds of a Poisson mean, from a printed table (half the χ² quantile)
    [(0, 2.9957), (1, 4.7439), (2, 6.2958), (3, 7.7537), (5, 10.5130), (10, 16.9622)],
)
def test_the_poisson_bound_is_the_one_in_tables(events: int, bound: float) -> None:
    assert poisson_upper(events) == pytest.approx(bound, abs=1e-4)


def test_many_events_are_bounded_too() -> None:
    assert poisson_upper(1000) == pytest.approx(1053.6, abs=0.2)


def test_no_false_incident_in_two_hours_is_not_none_ever() -> None:
    rate, _ = false_rate(0, 2.0)
    assert rate.false_incidents_per_hour == 0
    assert rate.upper_95_per_hour == pytest.approx(1.498, abs=1e-3)
    nothing, reasons = false_rate(0, 0.0)
    assert nothing.upper_95_per_hour is None
    assert "no footage" in reasons["upper_95_per_hour"]


def test_reliability_weighs_bins_by_what_they_hold() -> None:
    scores = np.array([0.05, 0.05, 0.05, 1.0])
    told = reliability(scores, np.array([False, False, False, False]))
    assert told.expected_calibration_error == pytest.approx(0.75 * 0.05 + 0.25)
    assert [one.n for one in told.bins] == [3, 0, 0, 0, 0, 0, 0, 0, 0, 1]
    assert told.bins[1].mean_score is None
    assert reliability(np.zeros(0), np.zeros(0, bool)).expected_calibration_error is None


def test_a_thinned_curve_keeps_its_ends() -> None:
    curve = np.stack([np.linspace(0, 1, 5000), np.linspace(1, 0, 5000)], axis=1)
    short = thinned(curve)
    assert len(short) == statistics.CURVE_POINTS
    assert (short[0], short[-1]) == ([0, 1], [1, 0])
    assert thinned(curve[:3]) == [[0, 1], [0.0002, 0.9998], [0.0004, 0.9996]]


def test_a_scene_of_many_clips_ranks_as_one_of_few() -> None:
    scores = np.array([0.5, 0.9, 0.1, 0.1, 0.1])
    positive = np.array([True, False, False, False, False])
    scenes = np.array(["fights", "crowd", "garden", "garden", "garden"])
    assert roc_auc(scores, positive) == pytest.approx(3 / 4)
    assert balanced_auc(scores, positive, scenes) == pytest.approx(1 / 2)
    np.testing.assert_allclose(scene_shares(positive, scenes), [1, 1, 1 / 3, 1 / 3, 1 / 3])
    assert balanced_auc(scores[1:], positive[1:], scenes[1:]) is None
