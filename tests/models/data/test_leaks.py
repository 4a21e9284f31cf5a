"""The leak check: real small videos, and what it says of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import models.data.near_duplicates
from footage import PHONE, Picture, show_turned, write_video
from models.data.clips import Clip, Event
from models.data.leaks import LeakReport, SetFacts, _facts, check
from models.data.near_duplicates import Fingerprint, alike, fingerprint

SHARED = Path(__file__).parents[4] / "shared/data/vioperu/violence"


def street(place: int, walk: int = 0, seconds: float = 3, fps: float = 12.5) -> Iterator[Picture]:
    """A still textured place, [240, 320, 3], through which somebody walks, on one of two ways."""
    rng = np.random.default_rng(place)
    blocks = rng.integers(30, 220, (15, 20, 3)).astype(np.uint8)
    scene = cv2.resize(blocks, (320, 240), interpolation=cv2.INTER_CUBIC)
    for i in range(round(seconds * fps)):
        picture = scene.copy()
        x, y = 20 + 6 * i % 260, 60 + 90 * walk
        picture[y : y + 60, x : x + 20] = (20, 40, 200)
        yield picture


def write(path: Path, pictures: Iterator[Picture], fps: float = 12.5, quality: int = 20) -> Path:
    """Pictures as H.264 at `path`."""
    return write_video(path, pictures, fps, quality=quality)


def clip(path: Path, scene: str, label: str = "normal", fold: int | None = None) -> Clip:
    """A clip of one data set."""
    return Clip(path.name, path, label, scene, "town", fold)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A clip of one place."""
    return write(tmp_path / "place.mp4", street(1))


def checked(tmp_path: Path, *clips: Clip) -> LeakReport:
    """The report on `clips`, with a cache of its own."""
    return check(clips, tmp_path / "cache")


def scaled(pictures: Iterator[Picture]) -> Iterator[Picture]:
    for picture in pictures:
        yield cv2.resize(picture, (176, 144), interpolation=cv2.INTER_AREA)


def mirrored(pictures: Iterator[Picture]) -> Iterator[Picture]:
    for picture in pictures:
        yield np.ascontiguousarray(picture[:, ::-1])


def later(pictures: Iterator[Picture]) -> Iterator[Picture]:
    for number, picture in enumerate(pictures):
        if number >= 9:
            yield picture


def between_bars(pictures: Iterator[Picture]) -> Iterator[Picture]:
    for picture in pictures:
        yield cv2.copyMakeBorder(picture, 0, 0, 120, 120, cv2.BORDER_CONSTANT)


@pytest.mark.parametrize(
    ("change", "turned"),
    [(scaled, False), (mirrored, True), (later, False), (between_bars, False)],
)
def test_a_copy_under_another_scenes_name_is_found(
    tmp_path: Path, place: Path, change: Any, turned: bool
) -> None:
    copy = write(tmp_path / "copy.mp4", change(street(1)), fps=10, quality=36)
    elsewhere = write(tmp_path / "elsewhere.mp4", street(2))
    report = checked(tmp_path, clip(place, "a"), clip(copy, "b"), clip(elsewhere, "c"))
    [found] = report.duplicates
    assert {found.pair.first.scene, found.pair.second.scene} == {"a", "b"}
    assert found.pair.mirrored is turned
    assert report.leaks
    assert report.belong_together == [["a", "b"]]


def test_a_copy_that_is_stored_lying_down_is_found(tmp_path: Path, place: Path) -> None:
    lying = (np.ascontiguousarray(np.rot90(picture)) for picture in street(1))
    phone = show_turned(write(tmp_path / "phone.mp4", lying), PHONE)
    report = checked(tmp_path, clip(place, "a", fold=0), clip(phone, "b", fold=1))
    [found] = report.duplicates
    assert not found.pair.mirrored


def test_one_cameras_still_street_is_no_leak_within_its_scene(tmp_path: Path, place: Path) -> None:
    walk = write(tmp_path / "walk.mp4", street(1, walk=1))
    assert not checked(tmp_path, clip(place, "a"), clip(walk, "a", "violence")).duplicates
    [found] = checked(tmp_path, clip(place, "a"), clip(walk, "b", "violence")).duplicates
    assert found.labels_differ


@pytest.mark.parametrize(
    ("folds", "leaks"), [((0, 0), False), ((0, 1), True), ((0, None), True), ((None, None), True)]
)
def test_a_copy_leaks_where_the_split_parts_it(
    tmp_path: Path, place: Path, folds: tuple[int | None, int | None], leaks: bool
) -> None:
    copy = write(tmp_path / "copy.mp4", street(1), quality=30)
    report = checked(tmp_path, clip(place, "a", fold=folds[0]), clip(copy, "b", fold=folds[1]))
    assert len(report.duplicates) == 1
    assert report.leaks is leaks


def test_clips_that_only_train_may_be_alike(tmp_path: Path, place: Path) -> None:
    copy = write(tmp_path / "copy.mp4", street(1), quality=30)
    tested = write(tmp_path / "tested.mp4", street(2))
    report = checked(tmp_path, clip(place, "a"), clip(copy, "b"), clip(tested, "c", fold=0))
    assert report.belong_together == [["a", "b"]]
    assert not report.leaks


def test_black_and_plain_frames_are_like_nothing(tmp_path: Path) -> None:
    def black(grey: int) -> Iterator[Picture]:
        for _ in range(10):
            yield np.full((120, 160, 3), grey, np.uint8)

    clips = [clip(write(tmp_path / f"{n}.mp4", black(n)), str(n)) for n in (0, 16, 120)]
    assert not checked(tmp_path, *clips).duplicates


def test_every_scene_on_both_sides_is_named(tmp_path: Path, place: Path) -> None:
    clips = [clip(place, scene, fold=fold) for scene in ("a", "b", "c") for fold in (0, 1)]
    clips.append(clip(place, "d", fold=1))
    report = checked(tmp_path, *clips)
    assert sorted(report.split) == ["a", "b", "c"]
    assert [c.fold for c in report.split["b"]] == [0, 1]
    assert report.leaks


def test_unreadable_clips_are_named_and_the_rest_is_checked(tmp_path: Path, place: Path) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video at all")
    gone = tmp_path / "gone.mp4"
    report = checked(tmp_path, clip(broken, "a"), clip(place, "b"), clip(gone, "c"))
    assert [c.name for c, _ in report.unreadable] == ["broken.mp4", "gone.mp4"]
    assert all(c.name in why for c, why in report.unreadable)
    assert not report.leaks


def test_a_clip_is_decoded_once(
    tmp_path: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = fingerprint(clip(place, "a"), tmp_path / "cache")
    monkeypatch.delattr(models.data.near_duplicates, "opened_video")
    again = fingerprint(clip(place, "a"), tmp_path / "cache")
    assert (again.hashes == first.hashes).all()
    assert (again.width, again.height) == (320, 240)
    assert again.fps == pytest.approx(12.5, abs=0.1)
    assert again.duration_s == pytest.approx(3, abs=0.1)


def test_a_long_recording_keeps_few_frames_spread_over_it(tmp_path: Path) -> None:
    long = write(tmp_path / "long.mp4", street(3, seconds=90, fps=4), fps=4)
    found = fingerprint(clip(long, "a"), tmp_path / "cache")
    assert len(found.times_s) == len(found.hashes) == 16
    assert found.times_s[0] == 0
    assert found.times_s[-1] == pytest.approx(89.75)
    assert np.diff(found.times_s).max() < 10


def recorded(number: int, label: str, width: int, fps: float, duration_s: float) -> Fingerprint:
    """A clip of a scene of its own, recorded so."""
    nothing = np.zeros((0, 8), np.uint64)
    made = Clip(f"{number}.mp4", Path(), label, f"s{number}", "town")
    return Fingerprint(made, width, 240, fps, duration_s, np.zeros(0), nothing, nothing)


def facts(prints: list[Fingerprint]) -> SetFacts:
    return _facts("town", [found.clip for found in prints], prints)


def test_a_format_that_tells_the_labels_is_told() -> None:
    prints = [recorded(n, ("normal", "violence")[n % 2], 320, 25, 5 - n % 2) for n in range(40)]
    found = facts(prints)
    assert found.format_auc is not None
    assert found.format_auc["all"] == found.format_auc["duration"] == 1
    assert found.format_auc["resolution"] == found.format_auc["frame_rate"] == 0.5
    assert found.telling
    assert "most of all duration" in found.meaning


def test_a_format_that_tells_nothing_is_at_chance() -> None:
    """Also where few formats are shared by all, which drives scores of clips left out to 0."""
    rng = np.random.default_rng(4)
    prints = [
        recorded(n, ("normal", "violence")[n % 2], int(rng.choice([320, 640])), 25, 5)
        for n in range(80)
    ]
    found = facts(prints)
    assert found.format_auc is not None
    assert found.format_auc["all"] == pytest.approx(0.5, abs=0.12)
    assert not found.telling
    assert "tell little" in found.meaning


def test_too_few_scenes_give_no_figure_but_the_reason() -> None:
    found = facts([recorded(n, "normal", 320, 25, 5) for n in range(20)])
    assert found.format_auc is None
    assert found.reason == "fewer than 10 scenes hold clips in which something happens"


def test_labels_and_scenes_of_one_label_are_counted() -> None:
    def of(scene: str, label: str, *events: Event) -> Clip:
        return Clip("x", Path(), label, scene, "town", None, events)

    clips = [
        of("mixed", "normal"),
        of("mixed", "violence"),
        of("quiet", "normal"),
        of("brawls", "violence"),
        of("day", "normal", Event("fall", 1, 2)),
    ]
    found = _facts("town", clips, [])
    assert found.labels == {"fall": 1, "normal": 2, "violence": 2}
    assert found.scenes == 4
    assert found.one_label_scenes == {"normal": 1, "violence": 1}


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the footage in ../shared/data")
def test_clips_cut_one_after_the_other_from_a_recording_are_found(tmp_path: Path) -> None:
    clips = [clip(SHARED / f"train_{name}.mp4", name) for name in ("f4tala", "f5tala", "f104and")]
    [found] = alike([fingerprint(one, tmp_path) for one in clips])
    assert (found.first.scene, found.second.scene) == ("f4tala", "f5tala")
    assert found.first_s > 4.9
    assert found.second_s == 0
