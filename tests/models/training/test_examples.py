"""Which training examples a clip makes, and how much each clip weighs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from config.errors import ConfigError
from models.data.clips import Clip, Event
from models.data.embeddings import Embedded
from models.training.examples import example_weights, examples_of, labels_of
from models.training.recipe import FOLDS, Recipe, fold_of


def clip(
    name: str, label: str = "normal", scene: str = "yard", fold: int | None = None, *events: Event
) -> Clip:
    return Clip(name, Path(name), label, scene, "own", fold, events)


def embedded(of: Clip, moving: list[bool]) -> Embedded:
    """A view a second; its embedding is its second."""
    flags = np.array(moving)
    values = np.flatnonzero(flags)[:, None].astype(np.float32)
    return Embedded(of, np.arange(len(flags), dtype=np.float64), flags, values)


def test_every_clip_of_a_scene_falls_into_one_fold() -> None:
    one = {fold_of(clip(f"{i}", scene="street")) for i in range(9)}
    many = {fold_of(clip("a", scene=f"street {i}")) for i in range(40)}
    assert len(one) == 1
    assert many == set(range(FOLDS))
    assert fold_of(clip("a", fold=3)) == 3


def test_a_trimmed_clip_is_one_example_of_its_moving_views() -> None:
    [example] = examples_of(embedded(clip("a", "fall"), [True, False, True, True]), [], 99)
    assert example.labels == {"fall"}
    assert example.values[:, 0].tolist() == [0, 2, 3]
    assert example.moving == pytest.approx(3 / 4)


def test_an_untrimmed_recording_is_normal_outside_its_events() -> None:
    day = clip("day", "normal", "yard", None, Event("violence", 2, 4), Event("fall", 7, 7.5))
    found = {
        tuple(example.labels): example.values[:, 0].tolist()
        for example in examples_of(embedded(day, [True] * 9), [], 99)
    }
    assert found == {(): [0, 1, 5, 6, 8], ("violence",): [2, 3, 4], ("fall",): [7]}


def test_a_long_clip_is_thinned_evenly_and_its_copies_alike() -> None:
    long = embedded(clip("a"), [True] * 101)
    [example] = examples_of(long, [long.values + 1000, long.values + 2000], 5)
    assert example.values[:, 0].tolist() == [0, 25, 50, 75, 100]
    assert example.copies[:, 0].tolist() == [
        *(1000, 1025, 1050, 1075, 1100),
        *(2000, 2025, 2050, 2075, 2100),
    ]


def test_a_still_clip_is_an_example_without_views() -> None:
    [example] = examples_of(embedded(clip("a", "fall"), [False] * 3), [], 9)
    assert (len(example.values), example.moving) == (0, 0)


def test_clips_without_a_fold_weigh_less_only_beside_others() -> None:
    recipe = Recipe()
    further = [clip("a"), clip("b")]
    assert example_weights(further, recipe).tolist() == [1, 1]
    assert example_weights([*further, clip("c", fold=1)], recipe).tolist() == [0.5, 0.5, 1]


def test_scenes_can_be_balanced() -> None:
    clips = [clip("a", scene="x"), clip("b", scene="x"), clip("c", scene="y")]
    assert example_weights(clips, Recipe(scene_balance=1)).tolist() == [0.5, 0.5, 1]


def test_labels_are_the_footage_s_or_those_wanted() -> None:
    clips = [clip(f"{i}", label, f"{i}") for i, label in enumerate(["theft", "violence"] * 2)]
    clips.append(clip("n"))
    assert labels_of(clips) == ("violence", "theft")
    assert labels_of(clips, ["theft"]) == ("theft",)


@pytest.mark.parametrize(
    ("clips", "wanted", "said"),
    [
        ([clip("a")], [], "every clip is normal"),
        ([clip("a", "fall"), clip("b", "fall"), clip("c")], [], "shown by yard only"),
        ([clip("a", "fall"), clip("c")], ["theft"], "theft: shown by no scene"),
        ([clip("a", "fall", "x"), clip("b", "fall", "y")], [], "every clip shows it"),
    ],
)
def test_what_cannot_be_learnt_is_said(clips: list[Clip], wanted: list[str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        labels_of(clips, wanted)


def test_a_set_that_only_teaches_weighs_less_though_it_has_folds() -> None:
    recipe = Recipe(further_weight=0.5)
    dealt = [replace(clip(name, fold=1), dataset=name) for name in ("vioperu", "more_cctv")]
    assert example_weights(dealt, recipe).tolist() == [1, 0.5]
    assert example_weights(dealt[1:], recipe).tolist() == [1]
