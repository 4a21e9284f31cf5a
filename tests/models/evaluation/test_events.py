"""Streams in which neither a cut nor a late alarm earns anything, and how incidents count."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from detector.footage.recording import EPOCH
from detector.incidents.second_look import Fusion, SecondLookRules
from detector.incidents.tracker import IncidentRules
from detector.inference.weights import Classifier, load_classifier
from detector.motion.view import MotionTracker
from detector.types import Sample
from engines import MeanEngine
from models.data.clips import Clip, Event
from models.evaluation.events import (
    Kind,
    Outcome,
    Play,
    event_figures,
    fixed_rules,
    normal_figures,
    openings,
    outcomes,
)
from models.evaluation.looks import Looks
from models.evaluation.scoring import ScoredClip
from models.evaluation.streams import JOINS, Footage, Script, StreamBuilder, StreamEmbedder

BOTH = SecondLookRules(
    candidate=0.3,
    alone=0.9,
    incident=IncidentRules(0.8, 0.72, 0.0, 10.0),
    fusion=Fusion(first=1.0, second=1.0, intercept=0.0),
)
RULES = IncidentRules(open_threshold=0.6, close_threshold=0.4, min_duration_s=0, merge_gap_s=3)


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return load_classifier()


def clip(name: str, label: str, scene: str = "yard") -> Clip:
    return Clip(name, Path(name), label, scene, "own")


def footage(name: str, label: str, count: int, seed: int, hz: float = 8.0) -> Footage:
    """A clip of `count` greys, each unlike the others."""
    rng = np.random.default_rng(seed)
    greys = [rng.integers(0, 255, (36, 64), np.uint8) for _ in range(count)]
    return Footage(clip(name, label), greys, np.arange(count) / hz)


def cuts(script: Script) -> list[int]:
    """Where one picture does not follow the one before it in its clip, either way."""
    return [
        i + 1
        for i, ((one, a), (other, b)) in enumerate(pairwise(script.places))
        if one != other or abs(a - b) != 1
    ]


@pytest.mark.parametrize("normals", [1, 2, 3, 5])
@pytest.mark.parametrize("count", [16, 41, 480])
def test_a_stream_and_its_control_have_the_same_cuts_and_length(normals: int, count: int) -> None:
    builder = StreamBuilder([footage(f"n{i}", "normal", count, i) for i in range(normals)])
    for number in range(7):
        fight = footage(f"fight {number}", "violence", 17, 99)
        stream, control = builder.scripts(fight)
        assert len(cuts(stream)) == len(cuts(control)) == JOINS
        assert len(stream.places) == len(control.places)
        assert (control.start_s, control.end_s) == (stream.start_s, stream.end_s)
        assert stream.start_s >= 30
        assert stream.times_s[-1] - stream.end_s >= 30
        first, last = (list(stream.times_s).index(at) for at in (stream.start_s, stream.end_s))
        assert stream.places[first : last + 1] == tuple((f"fight {number}", i) for i in range(17))
        assert {first, last + 1} <= set(cuts(stream)) & set(cuts(control))
        assert not any(name.startswith("fight") for name, _ in control.places)


def test_in_a_single_normal_clip_a_join_is_a_jump() -> None:
    builder = StreamBuilder([footage("only", "normal", 40, 0)])
    _, control = builder.scripts(footage("fight", "violence", 16, 1))
    for cut in cuts(control):
        assert abs(control.places[cut][1] - control.places[cut - 1][1]) >= 20


def test_short_footage_runs_to_and_fro_at_its_own_speed() -> None:
    builder = StreamBuilder([footage("slow", "normal", 12, 0, hz=5)])
    stream, _ = builder.scripts(footage("fight", "violence", 16, 1))
    piece = [index for _, index in stream.places[: cuts(stream)[0]]]
    assert piece[:13] == [*range(12), 10]
    assert np.diff(stream.times_s[: len(piece)]) == pytest.approx(0.2)
    assert stream.times_s[len(piece) - 1] == pytest.approx(15, abs=0.21)


def test_of_long_footage_everything_is_played() -> None:
    builder = StreamBuilder([footage("long", "normal", 480, 0)])
    seen = {
        index
        for number in range(4)
        for script in builder.scripts(footage(f"f{number}", "violence", 16, 1))
        for name, index in script.places
        if name == "long"
    }
    assert len(seen) == 480


def test_every_view_is_the_one_the_daemon_would_see() -> None:
    """Remembered views, against one tracker that is fed the whole stream."""
    still = footage("still", "normal", 9, 0)
    still = Footage(still.clip, [still.greys[0]] * 9, still.times_s)
    gappy = footage("gappy", "normal", 16, 3)
    gappy.times_s[8:] += 2.0
    normals = [footage("a", "normal", 16, 1), still, gappy]
    fight = footage("fight", "violence", 16, 2)
    fight = Footage(fight.clip, [grey[:, :48] for grey in fight.greys], fight.times_s)
    by_name = {own.clip.name: own for own in [*normals, fight]}
    engine = MeanEngine()
    embedder = StreamEmbedder(engine)
    for script in StreamBuilder(normals).scripts(fight):
        tracker = MotionTracker()
        expected = []
        for (name, index), at_s in zip(script.places, script.times_s, strict=True):
            at = EPOCH + timedelta(seconds=float(at_s))
            sample = Sample("x", at, at_s, float(at_s), by_name[name].greys[index])
            if view := tracker.view_of(sample):
                expected.append((at_s, view))
        found = embedder(script, by_name)
        assert found.times_s == pytest.approx([at_s for at_s, _ in expected])
        assert list(found.moving) == [view.moving for _, view in expected]
        assert not found.moving.all()
        pixels = np.stack([view.pixels for _, view in expected if view.moving])
        assert found.values == pytest.approx(engine.embed(pixels))


def test_a_view_is_embedded_once_however_often_it_is_played() -> None:
    embedded = []

    class Counting(MeanEngine):
        def embed(self, views: np.ndarray) -> np.ndarray:
            embedded.append(len(views))
            return super().embed(views)

    normal, fight = footage("a", "normal", 16, 1), footage("fight", "violence", 16, 2)
    embedder = StreamEmbedder(Counting())
    by_name = {"a": normal, "fight": fight}
    scripts = StreamBuilder([normal]).scripts(fight)
    views = sum(len(embedder(script, by_name).times_s) for script in scripts)
    distinct = {own.places[i : i + 5] for own in scripts for i in range(len(own.places) - 4)}
    assert views > 900
    assert sum(embedded) == len(distinct) < 120
    assert max(embedded) <= 64


def play(
    classifier: Classifier,
    kind: Kind,
    highs: list[tuple[float, float]],
    events: tuple[Event, ...] = (),
    scene: str = "yard",
    seconds: float = 60.0,
) -> Outcome:
    """What comes of a minute whose views score 0.9 within `highs` (seconds), else 0.1."""
    times_s = np.arange(0, seconds, 0.125)
    scores = np.full((len(times_s), 1), 0.1, np.float32)
    for start_s, end_s in highs:
        scores[(times_s >= start_s) & (times_s <= end_s)] = 0.9
    label = "violence" if kind in (Kind.STREAM, Kind.CONTROL) else "normal"
    scored = ScoredClip(clip("a", label, scene), times_s, scores, classifier)
    return outcomes(
        [Play(kind, scored, events, seconds)],
        ("violence",),
        lambda _: {"violence": RULES},
    )["violence"][0]


FIGHT = (Event("violence", 30.0, 32.0),)


def test_an_incident_in_the_fight_is_a_hit_with_its_delay(classifier: Classifier) -> None:
    found = play(classifier, Kind.STREAM, [(30.0, 32.0)], FIGHT)
    [fight] = found.fights
    assert fight.delay_s is not None
    assert 0.5 <= fight.delay_s <= 1.5
    assert found.false_s == ()


@pytest.mark.parametrize(("starts_s", "hit"), [(31.5, True), (32.6, True), (34.0, False)])
def test_two_seconds_after_the_fight_it_is_too_late(
    classifier: Classifier, starts_s: float, hit: bool
) -> None:
    found = play(classifier, Kind.STREAM, [(starts_s, starts_s + 3)], FIGHT)
    assert (found.fights[0].delay_s is not None) is hit
    assert bool(found.false_s) is not hit


def test_an_alarm_that_was_already_on_finds_nothing(classifier: Classifier) -> None:
    found = play(classifier, Kind.STREAM, [(20.0, 40.0)], FIGHT)
    assert found.fights[0].delay_s is None
    assert len(found.false_s) == 1


def test_one_fight_is_one_hit(classifier: Classifier) -> None:
    long = (Event("violence", 10.0, 50.0),)
    found = play(classifier, Kind.RECORDING, [(12, 16), (30, 34)], long)
    assert found.fights[0].delay_s == pytest.approx(3, abs=1)
    assert len(found.false_s) == 1
    assert found.outside_s == ()


def test_false_incidents_on_controls_cost_precision(classifier: Classifier) -> None:
    plays = [
        play(classifier, Kind.STREAM, [(30, 33)], FIGHT, "a"),
        play(classifier, Kind.CONTROL, [], (), "a"),
        play(classifier, Kind.STREAM, [], FIGHT, "b"),
        play(classifier, Kind.CONTROL, [(31, 34)], (), "b"),
    ]
    figures = event_figures(plays, "violence", left_out=3)[0]
    assert (figures.fights, figures.found, figures.false_incidents) == (2, 1, 1)
    assert (figures.recall, figures.precision, figures.f1) == (0.5, 0.5, 0.5)
    assert (figures.streams, figures.controls, figures.fights_left_out) == (2, 2, 3)
    assert figures.hours == pytest.approx(4 / 60)
    assert figures.recall_interval == (0, 1)


def test_what_no_stream_could_be_made_of_is_said(classifier: Classifier) -> None:
    figures, reasons = event_figures([], "violence", left_out=2)
    assert figures.f1 is None
    assert "no scene has both violence and normal" in reasons["f1"]
    plays = [play(classifier, Kind.STREAM, [], FIGHT)]
    missed, missed_reasons = event_figures(plays, "violence", 0)
    assert missed.f1 == 0
    assert missed.median_delay_s is None
    assert "no fight was found" in missed_reasons["median_delay_s"]
    assert missed_reasons["precision"] == "no incident was raised"


def test_normal_hours_leave_out_what_happens(classifier: Classifier) -> None:
    plays = [
        play(classifier, Kind.NORMAL, [(10, 14)]),
        play(classifier, Kind.RECORDING, [(31, 34), (50, 54)], FIGHT),
        play(classifier, Kind.CONTROL, [(10, 14)]),
    ]
    figures = normal_figures(plays)[0]
    assert figures.false_incidents == 2
    assert figures.hours == pytest.approx((60 + 60 - 4) / 3600, abs=1e-4)
    assert figures.clips == 2


@pytest.mark.parametrize(
    ("logits", "opened"),
    [({}, []), ({10: 3.0}, [1.25]), ({10: -3.0, 36: 3.0}, [4.5]), ({10: -3.0, 14: 3.0}, [])],
)
def test_incidents_open_by_both_stages(
    classifier: Classifier, logits: dict[int, float], opened: list[float]
) -> None:
    scores = np.full((80, 1), 0.6, np.float32)
    scored = ScoredClip(clip("a", "normal"), np.arange(80) / 8, scores, classifier)
    play = Play(Kind.NORMAL, scored, (), 10.0, Looks("violence", BOTH, logits))
    assert openings(play, fixed_rules(play)) == [("violence", at_s) for at_s in opened]
