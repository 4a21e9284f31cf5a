"""Folds: no place in two of them, every label in each."""

from __future__ import annotations

import csv
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

from models.data.clips import Clip, read_unchecked
from models.data.digests import DIGITS, clip_digests
from models.data.folds import deal, folds_file, write_folds
from models.training.recipe import MAIN_SETS


def clips_of(scenes: int) -> list[Clip]:
    """Four clips a scene, one of them a fight."""
    return [
        Clip(f"{scene}-{i}.mp4", Path("nowhere"), "violence" if i == 0 else "normal", scene, "town")
        for scene in (f"s{number}" for number in range(scenes))
        for i in range(4)
    ]


def test_scenes_that_belong_together_share_a_fold() -> None:
    together = [["s1", "s7"], ["s2", "s8", "s14"]]
    dealt = deal(clips_of(20), together, 5)
    assert len(dealt) == 80
    for scenes in [*together, *([f"s{number}"] for number in range(20))]:
        assert len({fold for clip, fold in dealt.items() if clip.scene in scenes}) == 1


def test_every_fold_has_its_share_of_each_label() -> None:
    dealt = deal(clips_of(20), [], 5)
    shares = Counter((clip.label, fold) for clip, fold in dealt.items())
    assert {shares["violence", fold] for fold in range(5)} == {4}
    assert {shares["normal", fold] for fold in range(5)} == {12}


def test_the_deal_does_not_hang_on_the_order_of_clips() -> None:
    clips = clips_of(13)
    assert deal(clips, [], 5) == deal(clips[::-1], [], 5)


def test_what_is_written_is_read_as_folds_and_names_files_by_content(
    footage: Any, tmp_path: Path
) -> None:
    folder = footage(sets=["city"], scenes=3)
    (folder / "folds.csv").unlink()
    dealt = deal(read_unchecked(folder), [], 3)
    write_folds(tmp_path / "folds.csv", dealt)
    again = read_unchecked(folder, tmp_path / "folds.csv")
    assert {clip.name: clip.fold for clip in again} == {c.name: fold for c, fold in dealt.items()}
    with (tmp_path / "folds.csv").open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    digests = {clip.name: digest for clip, digest in clip_digests(dealt).items()}
    assert {row["path"]: row["sha256"] for row in rows} == digests


def test_a_clip_keeps_its_fold_under_another_name_and_another_file_does_not_take_it(
    footage: Any, draw: Any, tmp_path: Path
) -> None:
    folder = footage(acts=["violence"], sets=["city"], scenes=3)
    (folder / "folds.csv").unlink()
    clips = read_unchecked(folder)
    folds = tmp_path / "folds.csv"
    write_folds(folds, dict(zip(clips, (4, 2, 3), strict=True)))
    manifest = folder / "manifest.csv"
    manifest.write_text(manifest.read_text().replace("violence0.mp4", "renamed.mp4"))
    (folder / "city/violence0.mp4").rename(folder / "city/renamed.mp4")
    shutil.copy(folder / "city/violence1.mp4", folder / "city/violence2.mp4")
    draw(folder / "city/violence1.mp4", "violence", 999)  # known by name alone: encoded again
    found = {clip.name: clip.fold for clip in read_unchecked(folder, folds)}
    assert found == {"city/renamed.mp4": 4, "city/violence1.mp4": 2, "city/violence2.mp4": 2}


def test_a_file_of_two_scenes_has_the_fold_of_its_name(footage: Any, tmp_path: Path) -> None:
    folder = footage(acts=["violence"], sets=["city"], scenes=2)
    shutil.copy(folder / "city/violence0.mp4", folder / "city/violence1.mp4")
    folds = tmp_path / "folds.csv"
    write_folds(folds, dict(zip(read_unchecked(folder), (1, 4), strict=True)))
    assert [clip.fold for clip in read_unchecked(folder, folds)] == [1, 4]


def test_the_shipped_folds_part_the_main_sets_and_name_all_by_content() -> None:
    shipped = folds_file("shipped")
    assert shipped is not None
    with shipped.open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    for dataset in MAIN_SETS:
        assert {row["fold"] for row in rows if row["path"].startswith(dataset)} == set("01234")
    assert all(len(row["sha256"]) == DIGITS for row in rows)
    assert folds_file("") is None
