"""Figures that must not flatter: ranking, its interval, and incidents on streams."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from detector.incidents import IncidentRules
from models.dataset import Clip
from models.evaluation import (
    ScoredStream,
    alarms_of,
    auc_of,
    event_streams,
    openings,
    probabilities_of,
)
from models.features import Features
from models.head import LinearHead, Platt

RULES = IncidentRules(open_threshold=0.6, close_threshold=0.4, min_duration_s=0.5, merge_gap_s=10)


def clip(name: str, label: str, scene: str = "yard", fold: int | None = 0) -> Clip:
    return Clip(name, label, scene, "own", fold)


def stream(*parts: tuple[Clip, float, float]) -> ScoredStream:
    """Parts as (clip, seconds, probability), eight views a second."""
    counts = [round(seconds * 8) for _, seconds, _ in parts]
    values = np.repeat([value for *_, value in parts], counts).astype(np.float32)
    features = Features(
        parts=tuple(part for part, *_ in parts),
        times_s=np.arange(len(values)) / 8,
        part=np.repeat(np.arange(len(parts)), counts),
        moving=np.ones(len(values), np.bool_),
        embeddings=np.zeros((len(values), 576), np.float32),
    )
    return ScoredStream(features, values)


def test_still_views_count_as_no_fight() -> None:
    features = Features(
        (clip("a", "violence"),),
        np.arange(3) / 8,
        np.zeros(3, np.int64),
        np.array([True, False, True]),
        np.array([[1.0], [-1.0]], np.float32),
    )
    one = np.ones(1, np.float32)
    head = LinearHead(mean=one * 0, scale=one, weight=one[:, None] * 2, bias=one * 0)
    found = probabilities_of(features, head, Platt(slope=1.0, intercept=0.0))
    assert found == pytest.approx([1 / (1 + np.exp(-2)), 0, 1 / (1 + np.exp(2))])


def test_auc_counts_pairs_ranked_right_and_ties_half() -> None:
    scored = [
        stream((clip("f1", "violence", "a"), 2, 0.9)),
        stream((clip("f2", "violence", "b"), 2, 0.4)),
        stream((clip("n1", "normal", "c"), 2, 0.4)),
        stream((clip("n2", "normal", "d"), 2, 0.1)),
    ]
    found = auc_of(scored)
    assert found.auc == pytest.approx(3.5 / 4)
    assert found.low <= found.auc <= found.high
    assert (found.clips, found.scenes) == (4, 4)


def test_interval_resamples_scenes_not_clips() -> None:
    rng = np.random.default_rng(3)

    def scored(scenes: int) -> list[ScoredStream]:
        found = []
        for scene in range(scenes):
            luck = rng.normal(0, 0.15)  # what all clips of a scene share
            for label, level in (("violence", 0.55), ("normal", 0.45)):
                found += [
                    stream((clip(f"{i}", label, f"{scene}"), 1, float(np.clip(level + luck, 0, 1))))
                    for i in range(240 // scenes)
                ]
        return found

    few, many = auc_of(scored(6)), auc_of(scored(120))
    assert few.high - few.low > 2 * (many.high - many.low)


def test_every_clip_with_a_fold_stands_between_others_of_its_scene() -> None:
    n1, n2, n3 = (clip(name, "normal") for name in ("n1", "n2", "n3"))
    fight, lone = clip("f", "violence"), clip("l", "violence", "shop")
    extra = clip("x", "normal", "street", None)
    found = event_streams([n1, n2, n3, fight, lone, extra])
    assert found == [(n2, n1, n3), (n1, n2, n3), (n1, n3, n2), (n1, fight, n3), (lone,)]


def test_incident_within_the_fight_is_found_and_nothing_else_alarms() -> None:
    fight = stream(
        (clip("n1", "normal"), 5, 0.1),
        (clip("f", "violence"), 4, 0.9),
        (clip("n2", "normal"), 5, 0.1),
    )
    found = alarms_of([fight], RULES)
    assert (found.fights, found.fights_found, found.alarms) == (1, 1, 0)
    assert found.hours == pytest.approx(10 / 3600, rel=0.1)
    [opened] = openings(fight, RULES)
    assert 5.5 < opened < 8


def test_incident_before_the_fight_is_a_false_alarm_not_a_find() -> None:
    early = stream((clip("n", "normal"), 5, 0.9), (clip("f", "violence"), 4, 0.1))
    found = alarms_of([early], RULES)
    assert (found.fights_found, found.alarms) == (0, 1)


def test_alarms_on_normal_streams_are_counted_by_stream_and_by_incident() -> None:
    calm = stream((clip("n1", "normal"), 20, 0.1))
    busy = stream(
        (clip("n1", "normal"), 4, 0.9),
        (clip("n2", "normal"), 20, 0.1),
        (clip("n3", "normal"), 4, 0.9),
    )
    found = alarms_of([calm, busy], RULES)
    assert (found.normals, found.normals_alarmed, found.alarms) == (2, 1, 2)


def test_a_higher_threshold_never_alarms_more() -> None:
    rng = np.random.default_rng(5)
    streams = [
        stream(*((clip(f"{i}{j}", "normal"), 2, float(rng.random())) for j in range(6)))
        for i in range(20)
    ]
    counts = [
        alarms_of(streams, IncidentRules(level, level * 0.7, 0.5, 10)).normals_alarmed
        for level in (0.3, 0.5, 0.7, 0.9)
    ]
    assert all(later <= sooner for sooner, later in pairwise(counts))
