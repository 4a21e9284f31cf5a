"""Clips of judged incidents, as `jikimi train` reads them."""

from __future__ import annotations

import json
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from filming import Evidence, played

from config.errors import JikimiError
from detector.evidence.manifest import Judged, write_footage
from detector.evidence.record import read_record
from detector.footage.recording import recorded_seconds
from models.data.clips import read_clips
from models.training.examples import labels_of
from servers.rtsp import make_clip

OPEN_S = 2.0

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The evidence of an incident on each of three cameras. Not to be written to."""
    kept = Evidence(tmp_path_factory.mktemp("kept") / "evidence", post_roll_s=1)
    video = str(make_clip(tmp_path_factory.mktemp("video") / "yard.mp4", seconds=8))
    films = {name: kept.film(video, name) for name in ("gate", "dock", "yard")}
    for film in films.values():
        film.watch(1.5)
    incidents = {name: film.open() for name, film in films.items()}
    films["yard"].watch(OPEN_S)
    for film in films.values():
        film.close()
    for incident in incidents.values():
        kept.whole(incident)
    kept.stop()
    return {name: kept.of(incident) for name, incident in incidents.items()}


@pytest.fixture
def left_out() -> list[str]:
    return []


def test_what_was_judged_is_read_by_training_and_no_camera_is_on_both_sides(
    folders: dict[str, Path], tmp_path: Path, left_out: list[str]
) -> None:
    judged = [Judged(folders[name], name != "yard") for name in folders]
    out = tmp_path / "to-learn"
    assert write_footage(judged, out, left_out.append) == {"violence": 2, "normal": 1}
    assert left_out == []
    clips = {clip.scene: clip for clip in read_clips(out)}
    assert {name: clip.label for name, clip in clips.items()} == {
        "gate": "violence",
        "dock": "violence",
        "yard": "normal",
    }
    assert labels_of(clips.values()) == ("violence",)
    # Of a fight neither what came before its opening nor what came after its end; a key frame a
    # second has it begin a second early at most.
    shown = read_record(folders["gate"]).clips[0]
    assert shown.pre_roll_s > 0.9
    assert shown.seconds > OPEN_S + 1.5
    assert OPEN_S - 0.3 < recorded_seconds(clips["gate"].path) < OPEN_S + 1.3
    assert recorded_seconds(clips["yard"].path) == pytest.approx(
        read_record(folders["yard"]).clips[0].seconds, abs=0.3
    )
    for clip in clips.values():
        assert played(clip.path)
        assert stat.S_IMODE(clip.path.stat().st_mode) == 0o600
    with pytest.raises(JikimiError, match="is there already"):
        write_footage(judged, out, left_out.append)


def test_what_is_damaged_or_shows_nothing_is_left_out_and_said(
    folders: dict[str, Path], tmp_path: Path, left_out: list[str]
) -> None:
    damaged = tmp_path / folders["gate"].name
    shutil.copytree(folders["gate"], damaged)
    with (damaged / "clip-1.mp4").open("ab") as clip:
        clip.write(b"x")
    short = tmp_path / folders["dock"].name
    shutil.copytree(folders["dock"], short)
    record = json.loads((short / "evidence.json").read_text())
    record["closed_at"] = record["opened_at"]
    (short / "evidence.json").write_text(json.dumps(record))
    judged = [Judged(damaged, True), Judged(short, True), Judged(folders["yard"], False)]
    assert write_footage(judged, tmp_path / "out", left_out.append) == {"normal": 1}
    assert [line.partition(": ")[2] for line in left_out] == [
        "clip-1.mp4 is not what was recorded (SHA-256 differs)",
        "no clip shows it",
    ]
    with pytest.raises(JikimiError, match="no judged incident has a clip"):
        write_footage(judged[:2], tmp_path / "none", left_out.append)


@pytest.mark.long
def test_weights_are_adapted_to_what_was_judged(
    folders: dict[str, Path], tmp_path: Path, left_out: list[str]
) -> None:
    judged = [Judged(folders[name], name != "yard") for name in folders]
    write_footage(judged, tmp_path / "to-learn", left_out.append)
    asked = ["train", tmp_path / "to-learn", "--start-from", "shipped", "--out", tmp_path / "run"]
    ran = subprocess.run(  # noqa: PLW1510 - asserted below
        [sys.executable, "-m", "detector.cli", *map(str, asked)], capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr
    assert list((tmp_path / "run").glob("*.json"))
