"""`probe`: what a camera sends and costs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from config.errors import StreamError, UnauthorisedError
from config.settings import CaptureSettings
from config.urls import StreamUrl
from detector.capture.streams import Codec
from detector.probe import Observation, advise, measure, probe
from footage import write_raw
from servers.camera_clocks import ClockRelay
from servers.rtsp import RtspServer, make_clip

CAPTURE = CaptureSettings(open_timeout_s=3, read_timeout_s=1)


def packets(fps: float, gop: int, count: int, size: int = 1000) -> list[Observation]:
    return [Observation(n / fps, size, n % gop == 0, 0.001) for n in range(count)]


@pytest.mark.slow
def test_a_camera_is_described_as_it_is(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", size=(320, 240), fps=20, gop=40, seconds=6)
    with RtspServer({"gate": clip}) as server:
        report = probe(StreamUrl.parse(server.url("gate")), CAPTURE)
    assert (report.codec, report.width, report.height) == ("h264", 320, 240)
    assert report.profile == "High"
    assert report.fps == pytest.approx(20, abs=0.5)
    assert report.gop_frames == 40
    assert report.gop_s == pytest.approx(2.0, abs=0.05)
    assert report.bit_rate == pytest.approx(8 * clip.stat().st_size / 6, rel=0.3)
    assert not report.b_frames
    assert report.decode_ms > 0
    assert report.key_frame_share is not None
    assert 0 < report.key_frame_share < 1
    assert "320x240, 20.0 pictures a second" in str(report)


def test_what_is_wrong_is_told_exactly(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", seconds=1)
    with RtspServer({"gate": clip}, "admin", "right") as server:
        with pytest.raises(UnauthorisedError, match="user name or password refused"):
            probe(StreamUrl.parse(server.url("gate", "wrong")), CAPTURE)
        with pytest.raises(StreamError, match="no such stream"):
            probe(StreamUrl.parse(server.url("yard")), CAPTURE)


@pytest.mark.slow
def test_a_raw_stream_is_described_too(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (96, 160, 3), np.uint8)
    report = probe(StreamUrl.parse(str(write_raw(tmp_path / "raw.h264", [noise] * 60, 20))))
    assert (report.codec, report.width, report.height) == ("h264", 160, 96)
    assert report.fps == pytest.approx(20, abs=2)


def test_figures_follow_from_the_packets() -> None:
    report = measure(packets(fps=25, gop=50, count=126), Codec("h264", "Main"), 640, 360)
    assert report.fps == pytest.approx(25)
    assert (report.gop_frames, report.gop_s) == (50, 2.0)
    assert report.bit_rate == pytest.approx(8 * 1000 * 25)
    assert report.decode_ms == pytest.approx(25)
    assert report.key_frame_share == pytest.approx(3 / 126)
    assert advise(report) == []


def test_it_says_whether_the_camera_can_sleep() -> None:
    def idle(seen: list[Observation]) -> str:
        return measure(seen, Codec("h264", "Main"), 640, 360).idle()

    assert "can be left undecoded" in idle(packets(fps=25, gop=50, count=126))
    assert "waking would take 0.25 s" in idle(packets(fps=25, gop=250, count=501))
    assert "too rare" in idle(packets(fps=25, gop=1, count=126))
    assert "too rare" in idle(packets(fps=25, gop=500, count=126))
    shown = packets(fps=25, gop=50, count=126)
    sent = [shown[0], *(shown[n + step] for n in range(1, 124, 3) for step in (2, 0, 1))]
    assert "B-frames" in idle(sent)


def test_advice_names_what_to_set() -> None:
    good = measure(packets(fps=25, gop=50, count=126), Codec("h264", "Main"), 640, 360)
    assert "sub-stream" in " ".join(advise(replace(good, width=1920, height=1080)))
    assert "10 pictures a second" in " ".join(advise(replace(good, fps=5.0)))
    assert "key frame every" in " ".join(advise(replace(good, gop_s=10.0)))
    assert "B-frames" in " ".join(advise(replace(good, b_frames=True)))


@pytest.mark.slow
@pytest.mark.parametrize("rate", [0.0, 0.25, 4.0])
def test_a_clock_that_runs_wrong_is_named_and_not_measured_by(tmp_path: Path, rate: float) -> None:
    clip = make_clip(tmp_path / "clip.mp4", seconds=4)
    with (
        RtspServer({"gate": clip}) as server,
        ClockRelay(server.port, lambda s: rate * s) as relay,
    ):
        url = server.url("gate").replace(str(server.port), str(relay.port))
        report = probe(StreamUrl.parse(url))
    assert report.fps == pytest.approx(25, abs=4)
    assert "time stamps do not run in real time" in report.advice[0]


def test_too_few_pictures_to_see_a_fight_are_named_as_such() -> None:
    seen = [Observation(n / 2, 100, key=True, cpu_s=0.0) for n in range(8)]
    report = measure(seen, Codec("h264", None), 640, 360)
    assert any("of 2.0 no fight can be seen" in line for line in advise(report))
