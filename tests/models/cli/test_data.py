"""`jikimi data` as people and scripts meet it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def place(number: int) -> Iterator[Any]:
    """A second of a still place."""
    blocks = np.random.default_rng(number).integers(20, 230, (12, 16, 3)).astype(np.uint8)
    for _ in range(10):
        yield cv2.resize(blocks, (160, 120), interpolation=cv2.INTER_CUBIC)


@pytest.fixture
def town(tmp_path: Path, make_video: Callable[..., Path]) -> Path:
    """Three clips of three scenes; a.mp4 and b.mp4 show one place."""
    for name, number in (("a", 1), ("b", 1), ("c", 2)):
        make_video(place(number), 10, name=f"{name}.mp4")
    manifest = tmp_path / "manifest.csv"
    manifest.write_text(
        "path,label,scene\na.mp4,normal,gate\nb.mp4,violence,yard\nc.mp4,normal,hall\n"
    )
    return manifest


def folds(town: Path, **given: int) -> Path:
    """A folds.csv that lies elsewhere."""
    path = town.parent / "other" / "folds.csv"
    path.parent.mkdir(exist_ok=True)
    path.write_text("path,fold\n" + "".join(f"{name}.mp4,{n}\n" for name, n in given.items()))
    return path


def test_the_public_sets_are_listed_with_where_to_get_them(run: Run) -> None:
    code, out, _ = run("data", "list")
    assert code == 0
    for name in ("rlvs", "rwf2000", "ucf-crime", "sphar", "airtlab", "vioperu", "surv-fight"):
        assert f"\n{name}: " in f"\n{out}"
    assert out.count("https://") >= 7
    assert max(map(len, out.splitlines())) <= 100


def test_a_manifest_is_written_and_its_limits_are_told(run: Run, tmp_path: Path) -> None:
    (tmp_path / "fight").mkdir()
    (tmp_path / "fight/fi001.mp4").touch()
    code, out, err = run("data", "manifest", "surv-fight", tmp_path)
    assert code == 0
    assert out == f"{tmp_path / 'manifest.csv'}: 1 violence; 1 scene(s)\n"
    assert "data check" in err
    assert run("data", "manifest", "surv-fight", tmp_path)[0] == 2
    code, _, err = run("data", "manifest", "surv", tmp_path)
    assert code == 64
    assert "surv-fight" in err


def test_a_split_that_parts_one_place_exits_2_and_names_both_clips(run: Run, town: Path) -> None:
    found = town.parent / "found.json"
    given = folds(town, a=0, b=1, c=1)
    code, out, _ = run("data", "check", town, "--folds", given, "--json", found)
    assert code == 2
    assert "LEAK: the same footage or place" in out
    assert "with different labels" in out
    assert "a.mp4 at 0.0 s, scene gate, fold 0" in out
    assert "  gate yard\n" in out
    assert "NOT valid" in out
    report = json.loads(found.read_text())
    assert report["leaks"] is True
    assert report["scenes_that_belong_together"] == [["gate", "yard"]]
    [pair] = report["near_duplicates"]
    assert [clip["path"] for clip in pair["clips"]] == ["a.mp4", "b.mp4"]


def test_a_clean_split_exits_0(run: Run, town: Path) -> None:
    code, out, _ = run("data", "check", town.parent, "--folds", folds(town, a=0, b=0, c=1))
    assert code == 0
    assert "note: the same footage or place" in out
    assert "2 folds: no leak found among 3 clips" in out


def test_scenes_on_both_sides_are_all_named(run: Run, town: Path) -> None:
    text = town.read_text().replace("yard", "gate")
    town.write_text(text + "d.mp4,normal,hall\n")
    (town.parent / "folds.csv").write_text("path,fold\na.mp4,0\nb.mp4,1\nc.mp4,1\n")
    code, out, _ = run("data", "check", town)
    assert code == 2
    assert "LEAK: scene gate stands on both sides of the split: fold 0 (a.mp4), fold 1" in out
    assert "LEAK: scene hall stands on both sides of the split: fold 1 (c.mp4), no fold" in out
    assert "unreadable: d.mp4" in out


def test_an_unreadable_clip_alone_exits_3(run: Run, town: Path) -> None:
    town.write_text("path,label,scene\nc.mp4,normal,hall\nd.mp4,normal,attic\n")
    code, out, _ = run("data", "check", town)
    assert code == 3
    assert "unreadable: d.mp4" in out
    assert "no leak found among 1 clips" in out
