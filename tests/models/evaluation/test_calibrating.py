"""What calibration is worth, on plays whose scores are drawn: budgets, halves, robustness."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detector.incidents.calibration import REACH, log_odds
from detector.inference.weights import Classifier, load_classifier, shipped_weights
from models.data.clips import Clip, Event
from models.evaluation.calibrating import (
    demonstration,
    judge_by_scene,
    thresholds_by_scene,
)
from models.evaluation.events import Kind, Play, event_figures, fixed_rules, outcomes
from models.evaluation.measuring import Measured
from models.evaluation.scoring import ScoredClip

pytestmark = pytest.mark.slow

LABEL = "violence"
SECONDS = 120


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return load_classifier(shipped_weights())


def played(
    classifier: Classifier, scene: str, dataset: str, kind: Kind, base: float, rng: Any
) -> Play:
    """Two minutes of scores about `base` (log-odds), drawn anew each 10 s; a fight from 60 s."""
    times = np.arange(SECONDS * 8) / 8
    levels = np.repeat(base + rng.normal(0, 0.5, SECONDS // 10), 80)
    events: tuple[Event, ...] = ()
    if kind is Kind.STREAM:
        levels[480:520] = base + 1.6
        events = (Event(LABEL, 60.0, 65.0),)
    label = LABEL if events else "normal"
    clip = Clip(f"{scene}-{kind}", Path(scene), label, scene, dataset)
    probabilities = (1 / (1 + np.exp(-levels)))[:, None].astype(np.float32)
    return Play(kind, ScoredClip(clip, times, probabilities, classifier), events, SECONDS)


def two_cities(classifier: Classifier) -> Measured:
    """One city scores low, the other high; in each, fights stand out from its own normal days."""
    rng = np.random.default_rng(3)
    opens = log_odds(classifier.rules()[LABEL].open_threshold)
    plays = [
        played(classifier, f"{city}{i}", city, kind, opens + base, rng)
        for city, base in (("calm", -2.0), ("loud", -0.5))
        for i in range(30)
        for kind in (Kind.STREAM, Kind.CONTROL)
    ]
    return Measured(lambda _: classifier, (LABEL,), [p.scored for p in plays], plays, [])


@pytest.fixture(scope="module")
def measured(classifier: Classifier) -> Measured:
    return two_cities(classifier)


def test_each_scene_gets_the_threshold_of_its_own_city_from_others_of_it(
    measured: Measured, classifier: Classifier
) -> None:
    learnt = thresholds_by_scene(measured.plays, classifier.rules())
    shipped = classifier.rules()[LABEL].open_threshold
    calm = {scene: own[LABEL] for scene, own in learnt.items() if scene.startswith("calm")}
    loud = {scene: own[LABEL] for scene, own in learnt.items() if scene.startswith("loud")}
    assert len(calm) == len(loud) == 30
    assert max(calm.values()) < shipped < min(loud.values())
    assert len(set(calm.values())) <= 2  # one a half
    reached = [abs(log_odds(t) - log_odds(shipped)) for t in (*calm.values(), *loud.values())]
    assert max(reached) <= REACH + 1e-6


def test_a_scene_has_no_say_in_its_own_threshold(
    measured: Measured, classifier: Classifier
) -> None:
    before = thresholds_by_scene(measured.plays, classifier.rules())
    louder = [
        played(classifier, "loud0", "loud", p.kind, 3.0, np.random.default_rng(0))
        if p.scored.clip.scene == "loud0"
        else p
        for p in measured.plays
    ]
    after = thresholds_by_scene(louder, classifier.rules())
    assert after["loud0"] == before["loud0"]
    assert any(after[scene] != before[scene] for scene in before if scene != "loud0")


def test_learnt_thresholds_find_more_in_one_city_and_alarm_less_in_the_other(
    measured: Measured,
) -> None:
    fixed = outcomes(measured.plays, [LABEL], fixed_rules)[LABEL]
    learnt = outcomes(measured.plays, [LABEL], judge_by_scene(measured))[LABEL]

    def figures(found: Any, city: str) -> Any:
        own = [o for o in found if o.play.scored.clip.dataset == city]
        return event_figures(own, LABEL, 0)[0]

    assert figures(learnt, "calm").recall > figures(fixed, "calm").recall
    assert figures(learnt, "loud").false_incidents < figures(fixed, "loud").false_incidents


def test_budgets_are_kept_on_scenes_that_nothing_was_learnt_from(measured: Measured) -> None:
    sets, reasons = demonstration(measured, LABEL)
    assert reasons == {}
    for city in ("calm", "loud"):
        budgets = sets[city].budgets
        assert budgets is not None
        for budget in (30, 10):
            figures = budgets[f"{budget}"]
            assert figures.realised_interval is not None
            assert figures.realised_per_hour is not None
            low, high = figures.realised_interval
            assert low < figures.realised_per_hour < high
            # ten an hour are five in the half hour that is learnt from, and three are forgiven
            assert budget / 2 < figures.realised_per_hour < 2 * budget
            moved = log_odds(figures.threshold_with_fights) - log_odds(figures.threshold)
            assert -0.05 < moved < 0.35
        strict, lax = (budgets[b].threshold for b in ("10", "120"))
        assert strict > lax
        week = sets[city].one_a_week
        assert week is not None
        assert week.interval[0] <= week.threshold <= week.interval[1]
        assert week.threshold > strict
    learnt, fixed = sets["calm"].learnt.recall, sets["calm"].fixed.recall
    assert learnt is not None
    assert fixed is not None
    assert learnt > fixed


def test_minutes_of_footage_show_no_budget_and_say_why(classifier: Classifier) -> None:
    rng = np.random.default_rng(0)
    plays = [played(classifier, f"s{i}", "tiny", Kind.NORMAL, -1.0, rng) for i in range(3)]
    measured = Measured(lambda _: classifier, (LABEL,), [p.scored for p in plays], plays, [])
    sets, reasons = demonstration(measured, LABEL)
    assert sets["tiny"].budgets is None
    assert "0.5 h" in reasons["tiny"]
