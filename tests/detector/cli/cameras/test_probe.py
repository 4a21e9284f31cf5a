"""`jikimi probe` at a terminal and in a script: its words, its picture, its exit codes."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from detector.cli import main
from servers.ports import free_port
from servers.rtsp import RtspServer, make_clip


def amber(picture: Path) -> int:
    """Pixels of `picture` in the colour of an alarm's box."""
    seen = cv2.imread(str(picture)).astype(int)
    return int((np.abs(seen - (0, 200, 255)).max(axis=2) < 60).sum())


@pytest.mark.slow
def test_a_picture_shows_what_the_camera_sees_with_its_motion_crop(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    moving = make_clip(tmp_path / "moving.mp4", seconds=6)
    still = make_clip(tmp_path / "still.mp4", seconds=0, rest_s=6)
    with RtspServer({"moving": moving, "still": still}) as server:
        for name in ("moving", "still"):
            out = tmp_path / f"{name}.jpg"
            assert main(["probe", server.url(name), "--picture", str(out)]) == 0
            assert cv2.imread(str(out)).shape == (360, 640, 3)
    told = [line for line in capsys.readouterr().out.splitlines() if line.startswith("picture")]
    assert "the box is round what moves" in told[0]
    assert "nothing moved" in told[1]
    assert amber(tmp_path / "moving.jpg") > 400
    assert amber(tmp_path / "still.jpg") == 0


@pytest.mark.parametrize(
    ("name", "words"), [("seen.png", "ends in .jpg"), ("nowhere/seen.jpg", "create it first")]
)
def test_a_picture_that_cannot_be_written_is_told_before_watching(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, words: str
) -> None:
    url = f"rtsp://127.0.0.1:{free_port()}/gate"
    assert main(["probe", url, "--picture", str(tmp_path / name)]) == 64
    assert words in capsys.readouterr().err


@pytest.mark.slow
def test_a_picture_that_cannot_be_written_after_all_is_told_with_the_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "folder.jpg").mkdir()
    assert main(["probe", "pattern://calm", "--picture", str(tmp_path / "folder.jpg")]) == 1
    out, err = capsys.readouterr()
    assert out.startswith("video")
    assert "folder.jpg: cannot be written" in err


@pytest.mark.slow
def test_a_terminal_is_told_what_is_going_on_and_standard_output_stays_the_report() -> None:
    url = f"rtsp://viewer:hunter2-at-the-gate@127.0.0.1:{free_port()}/gate"
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "detector.cli", "probe", url]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=theirs, check=False)
    os.close(theirs)
    told = os.read(ours, 10_000).decode()
    os.close(ours)
    assert told.startswith("Looking at rtsp://***@127.0.0.1")
    assert "connection refused" in told
    assert "hunter2" not in told
    assert (done.returncode, done.stdout) == (3, b"")


def test_a_script_is_told_what_is_wrong_and_nothing_else(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["probe", f"rtsp://127.0.0.1:{free_port()}/gate"]) == 3
    out, err = capsys.readouterr()
    assert (out, len(err.splitlines())) == ("", 1)
    assert "connection refused" in err


def test_a_wrong_scheme_is_told_with_what_to_write(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["probe", "rtsp:/127.0.0.1/gate"]) == 2
    assert "write rtsp://" in capsys.readouterr().err
