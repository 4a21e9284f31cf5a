"""Manifests and folders: what a user writes, and what he is told when it is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.errors import ConfigError
from models.data.clips import Clip, Event, read_clips


def manifest(folder: Path, *lines: str, columns: str = "path,label,scene") -> Path:
    """A manifest in `folder`."""
    path = folder / "manifest.csv"
    path.write_text("\n".join([columns, *lines]) + "\n", encoding="utf-8")
    return path


def test_a_manifest_names_clips_beside_it(tmp_path: Path) -> None:
    path = manifest(tmp_path, "a/x.mp4, violence ,gate")
    [clip] = read_clips(path)
    assert clip == Clip("a/x.mp4", tmp_path / "a/x.mp4", "violence", "gate", tmp_path.name)
    assert read_clips(tmp_path) == [clip]


def test_spans_make_one_untrimmed_recording(tmp_path: Path) -> None:
    columns = "path,label,scene,dataset,start_s,end_s"
    path = manifest(
        tmp_path,
        "day.mp4,violence,gate,city,10,14.5",
        "day.mp4,fall,gate,city,60,61",
        "quiet.mp4,normal,gate,city,,",
        columns=columns,
    )
    day, quiet = read_clips(path)
    assert day.untrimmed
    assert day.label == "normal"
    assert day.events == (Event("violence", 10, 14.5), Event("fall", 60, 61))
    assert day.labels == {"violence", "fall"}
    assert not quiet.labels


def test_a_folder_a_class_takes_subfolders_for_scenes(tmp_path: Path) -> None:
    for name in ("fight/yard/1.mp4", "fight/2.AVI", "normal/yard/3.mp4", "normal/notes.txt"):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    found = {clip.name: (clip.label, clip.scene) for clip in read_clips(tmp_path)}
    assert found == {
        "fight/yard/1.mp4": ("fight", "yard"),
        "fight/2.AVI": ("fight", "2"),
        "normal/yard/3.mp4": ("normal", "yard"),
    }


def test_folds_beside_the_manifest_are_taken(tmp_path: Path) -> None:
    manifest(tmp_path, "a.mp4,violence,gate", "b.mp4,normal,yard")
    (tmp_path / "folds.csv").write_text("path,fold\na.mp4,3\n", encoding="utf-8")
    assert [clip.fold for clip in read_clips(tmp_path)] == [3, None]


def test_a_scene_on_both_sides_of_a_split_is_refused(tmp_path: Path) -> None:
    manifest(tmp_path, "a.mp4,violence,gate", "b.mp4,normal,gate")
    (tmp_path / "folds.csv").write_text("path,fold\na.mp4,1\nb.mp4,2\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"scene gate of b\.mp4 stands on both sides"):
        read_clips(tmp_path)


@pytest.mark.parametrize(
    ("columns", "line", "said"),
    [
        ("path,label", "a.mp4,violence", "lacks the column scene"),
        ("path,label,scene", "a.mp4,,gate", "line 2: no label is given"),
        ("path,label,scene,start_s,end_s", "a.mp4,violence,g,1,x", "line 2: start_s '1' and"),
        ("path,label,scene,start_s,end_s", "a.mp4,violence,g,5,2", "must end after it starts"),
        ("path,label,scene,start_s,end_s", "a.mp4,violence,g,,2", "are not both seconds"),
        ("path,label,scene", "a.mp4,violence,g\na.mp4,normal,g", "line 3: a.mp4 stands here a sec"),
        ("path,label,scene", "", "names no clip"),
    ],
)
def test_what_is_wrong_with_a_manifest_is_said_with_its_line(
    tmp_path: Path, columns: str, line: str, said: str
) -> None:
    path = manifest(tmp_path, *([line] if line else []), columns=columns)
    with pytest.raises(ConfigError, match=said) as raised:
        read_clips(path)
    assert str(path) in str(raised.value)


def test_files_that_are_none_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gone\.csv: cannot be read"):
        read_clips(tmp_path / "gone.csv")
    (tmp_path / "x.csv").write_bytes(b"path,label,scene\n\xff\xfe,a,b\n")
    with pytest.raises(ConfigError, match="no CSV file in UTF-8"):
        read_clips(tmp_path / "x.csv")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match="neither a manifest"):
        read_clips(tmp_path / "empty")
