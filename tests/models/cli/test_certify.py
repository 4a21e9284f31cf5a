"""`jikimi certify` on rendered footage with the shipped weights."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from detector.capture.demo.stream import render
from detector.cli import main
from footage import SURE_MINUTE_S, write_video

pytestmark = pytest.mark.slow

RATE = 10


def film(path: Path, start_s: float, end_s: float) -> None:
    pictures = (
        render("scuffle", SURE_MINUTE_S + at / RATE)
        for at in range(int(start_s * RATE), int(end_s * RATE))
    )
    write_video(path, pictures, RATE)


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("videos")
    film(folder / "brawl.mp4", 14, 26)
    film(folder / "calm.mp4", 0, 8)
    return folder


def test_what_was_found_missed_and_raised_for_nothing(
    videos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written = tmp_path / "events.csv"
    written.write_text("video,start,end,label\nbrawl.mp4,6,12,Fighting\ncalm,2,5,Fighting\n")
    out = tmp_path / "out"
    assert main(["certify", str(videos), str(written), "--out", str(out)]) == 0
    assert "F1 66.7 of 100 (fails: 90 is asked for), 1 of 2 events found" in capsys.readouterr().out
    figures = json.loads((out / "certify.json").read_text())
    assert (figures["found"], figures["missed"], figures["false"]) == (1, 1, 0)
    page = (out / "certify.html").read_text()
    assert "calm.mp4, 0:04: missed" in page
    assert page.count("data:image/jpeg") == 1
    written.write_text("video,start,end,label\n")
    assert main(["certify", str(videos), str(written), "--out", str(out)]) == 0
    assert "no event is annotated; 1 false alarms" in capsys.readouterr().out
    assert "brawl.mp4" in (out / "certify.html").read_text().split("Misses")[1]


@pytest.mark.parametrize(
    ("row", "more", "said"),
    [
        ("other.mp4,1,2,Fighting", [], "other.mp4 is not in"),
        ("brawl.mp4,1,2,Fighting", ["--label", "arson"], "the weights know violence"),
    ],
)
def test_what_cannot_be_held_against_each_other_is_said(
    videos: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    row: str,
    more: list[str],
    said: str,
) -> None:
    written = tmp_path / "events.csv"
    written.write_text(f"video,start,end,label\n{row}\n")
    code = main(["certify", str(videos), str(written), "--out", str(tmp_path / "out"), *more])
    assert code == 2
    assert said in capsys.readouterr().err
