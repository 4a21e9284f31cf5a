"""The manifest, the folds, and what becomes of clips that cannot be read."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from config.errors import ConfigError, StreamError
from models.dataset import Clip, each_stream, read_clips, views_of

DATA = Path(__file__).parents[2] / ".." / "shared" / "data"
needs_data = pytest.mark.skipif(
    not (DATA / "manifest.csv").is_file(), reason="the footage in ../shared/data is not here"
)


def write_video(path: Path, *, frames: int = 25, moving: bool = True) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("h264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
        for i in range(frames):
            picture = np.full((180, 320), 60, np.uint8)
            x = 20 + (6 * i if moving else 0)
            picture[60:120, x : x + 40] = 220
            frame = av.VideoFrame.from_ndarray(picture, format="gray8").reformat(format="yuv420p")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def clip(path: str, label: str = "normal", scene: str = "yard", fold: int | None = 0) -> Clip:
    return Clip(path, label, scene, "own", fold)


def write_tables(folder: Path, folds: str) -> Path:
    (folder / "manifest.csv").write_text(
        "path,label,scene,dataset\n"
        "a.mp4,violence,yard,own\n"
        "b.mp4,normal,yard,own\n"
        "c.mp4,theft,shop,more\n"
    )
    (folder / "folds.csv").write_text("path,fold\n" + folds)
    return folder


def test_manifest_and_folds_are_joined(tmp_path: Path) -> None:
    clips = read_clips(write_tables(tmp_path, "a.mp4,3\nb.mp4,3\n"))
    assert [(c.path, c.violent, c.fold) for c in clips] == [
        ("a.mp4", True, 3),
        ("b.mp4", False, 3),
        ("c.mp4", False, None),
    ]


@pytest.mark.parametrize("folds", ["a.mp4,3\nb.mp4,1\n", "a.mp4,3\n"])
def test_a_scene_on_both_sides_of_a_split_is_refused(tmp_path: Path, folds: str) -> None:
    with pytest.raises(ConfigError, match=r"scene yard of b\.mp4"):
        read_clips(write_tables(tmp_path, folds))


def test_a_missing_manifest_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"folds\.csv: cannot be read"):
        read_clips(tmp_path)


@needs_data
def test_shared_folds_leak_no_scene() -> None:
    clips = read_clips(DATA)
    scored = [c for c in clips if c.fold is not None]
    assert {c.dataset for c in scored} == {"surv_fight", "vioperu"}
    assert {c.fold for c in scored} == set(range(5))


def test_views_come_back_from_the_cache_unchanged(tmp_path: Path) -> None:
    write_video(tmp_path / "data/a.mp4")
    first = views_of([clip("a.mp4")], tmp_path / "data", tmp_path / "cache")
    [kept] = (tmp_path / "cache/views").iterdir()
    written = kept.stat().st_mtime_ns
    again = views_of([clip("a.mp4")], tmp_path / "data", tmp_path / "cache")
    assert kept.stat().st_mtime_ns == written
    assert len(first.times_s) == 4
    assert first.moving.all()
    assert np.array_equal(first.pixels, again.pixels)
    assert np.array_equal(first.times_s, again.times_s)


def test_a_changed_file_is_not_taken_from_the_cache(tmp_path: Path) -> None:
    write_video(tmp_path / "data/a.mp4")
    moving = views_of([clip("a.mp4")], tmp_path / "data", tmp_path / "cache")
    write_video(tmp_path / "data/a.mp4", moving=False)
    still = views_of([clip("a.mp4")], tmp_path / "data", tmp_path / "cache")
    assert moving.moving.any()
    assert not still.moving.any()


def test_clips_played_as_one_stream_share_one_time(tmp_path: Path) -> None:
    write_video(tmp_path / "data/still.mp4", moving=False)
    write_video(tmp_path / "data/walk.mp4")
    parts = [clip("still.mp4"), clip("walk.mp4"), clip("still.mp4")]
    views = views_of(parts, tmp_path / "data", tmp_path / "cache")
    assert views.part.tolist() == [0] * 4 + [1] * 8 + [2] * 8
    assert np.allclose(np.diff(views.times_s), 0.125, atol=0.05)
    assert not views.moving[:4].any()
    assert views.moving[6:14].all()  # the walk, which starts where the still stood, and the jump
    assert not views.moving[-4:].any()


def test_unreadable_clips_are_named_and_skipped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_video(tmp_path / "good.mp4")
    (tmp_path / "bad.mp4").write_bytes(b"not a video at all")
    wanted = [[clip("bad.mp4")], [clip("missing.mp4")], [clip("good.mp4")]]
    found = list(each_stream(wanted, tmp_path, tmp_path / "cache", "clips"))
    assert [parts[0].path for parts, _ in found] == ["good.mp4"]
    said = "".join(capsys.readouterr())
    assert "bad.mp4" in said
    assert "missing.mp4" in said


def test_an_unreadable_clip_by_itself_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StreamError, match="missing"):
        views_of([clip("missing.mp4")], tmp_path, tmp_path / "cache")
