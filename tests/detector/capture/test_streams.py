"""Files, devices and addresses: what opens, and what is said where nothing does."""

from __future__ import annotations

import threading
import wave
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import numpy as np
import pytest

from config.errors import StreamError
from config.settings import CaptureSettings
from config.urls import StreamUrl
from detector.capture.errors import StalledError
from detector.capture.source import open_stream
from detector.types import CameraState
from footage import PHONE, show_turned, write_raw, write_video
from servers.faults import SilentServer
from servers.ports import free_port
from servers.rtsp import make_clip

CAPTURE = CaptureSettings(open_timeout_s=0.5, read_timeout_s=0.5)


@pytest.mark.slow
def test_a_file_is_played_in_real_time_and_then_again(watch: Callable, tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "short.mp4", seconds=1)
    watched = watch(str(clip))
    watched.wait(lambda w: w.history.count(CameraState.LIVE) == 2)
    first, last = watched.samples[0], watched.samples[7]
    assert last.pts_s - first.pts_s == pytest.approx(7 / 8, abs=0.05)
    # not faster than a camera would be
    assert last.monotonic_s - first.monotonic_s >= 0.8
    assert [s.value for s in watched.history[:4]] == ["connecting", "live", "offline", "live"]
    assert "the stream ended" in watched.states[2].reason


def test_a_raw_stream_is_played_in_real_time_too(watch: Callable, tmp_path: Path) -> None:
    picture = np.random.default_rng(1).integers(0, 255, (96, 160, 3), np.uint8)
    watched = watch(str(write_raw(tmp_path / "raw.h264", [picture] * 10, 10)))
    watched.wait(lambda w: len(w.samples) >= 7)
    assert watched.history == [CameraState.CONNECTING, CameraState.LIVE]  # and not played twice
    assert {sample.grey.shape for sample in watched.samples} == {(96, 160)}


@pytest.mark.slow
@pytest.mark.parametrize("gop", [5, 250])
def test_a_phones_portrait_video_is_upright(watch: Callable, tmp_path: Path, gop: int) -> None:
    picture = np.zeros((96, 160, 3), np.uint8)
    picture[:32, :32] = 255  # the top right corner once it is upright
    path = write_video(tmp_path / "phone.mp4", [picture] * 50, gop=gop)
    watched = watch(str(show_turned(path, PHONE)))
    watched.wait(lambda w: len(w.samples) >= 10)
    for sample in watched.samples:
        assert sample.grey.shape == (160, 96)
        assert sample.grey[8, -8] > 200
        assert sample.grey[40:].max() < 60
        assert sample.frame.bgr(100)[4, -4].min() > 200


@pytest.mark.parametrize("codec", ["mpeg4", "mjpeg"])
def test_other_codecs_are_read_too(watch: Callable, tmp_path: Path, codec: str) -> None:
    import av

    path = tmp_path / "other.avi"
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height = 320, 240
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for level in range(50):
            picture = np.full((240, 320, 3), level, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        container.mux(stream.encode())
    watched = watch(str(path))
    watched.wait(lambda w: len(w.samples) > 8)
    assert watched.samples[0].grey.shape == (240, 320)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("rtsp://u:secret@127.0.0.1:{free}/x", "connection refused"),
        ("rtsp://u:secret@no-such-host.invalid/x", "host name not found"),
        ("rtsp://u:secret@127.0.0.1:{silent}/x", "no answer within 0.5 s"),
        ("/no/such/file.mp4", "no such file"),
        ("{text}", "holds no video"),
        ("{folder}", "is a folder, not a video"),
        ("{sound}", "holds no video"),
        ("device:///dev/video-none", "no such device"),
    ],
)
def test_what_is_wrong_is_said_without_the_password(url: str, words: str, tmp_path: Path) -> None:
    text = tmp_path / "notes.mp4"
    text.write_text("no film")
    sound = tmp_path / "sound.wav"
    with wave.open(str(sound), "wb") as written:
        written.setparams((1, 2, 8000, 0, "NONE", ""))
        written.writeframes(bytes(16000))
    with SilentServer() as silent:
        address = url.format(
            free=free_port(), silent=silent.port, text=text, sound=sound, folder=tmp_path
        )
        with pytest.raises(StreamError, match=words) as caught:
            open_stream(StreamUrl.parse(address), CAPTURE)
    shown = f"{caught.value!r} {caught.value.__cause__!r} {caught.value.__context__!r}"
    assert "secret" not in shown


class _WebPage(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<html><body>a camera's web page</body></html>")

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.parametrize("scheme", ["http", "https", "rtmp"])
def test_whoever_gives_a_web_page_is_told_where_cameras_send_video(scheme: str) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), _WebPage) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"{scheme}://u:secret@127.0.0.1:{server.server_port}/video"
        with pytest.raises(StreamError, match=r"most cameras .* rtsp://") as caught:
            open_stream(StreamUrl.parse(url), CAPTURE)
        server.shutdown()
    assert "secret" not in str(caught.value)


class FakeCamera:
    """Stands for a USB camera: three pictures, then the cable is pulled."""

    left = 3

    def __init__(self, *_: object) -> None:
        self.released = False

    def isOpened(self) -> bool:  # noqa: N802 - OpenCV's name
        return True

    def set(self, *_: object) -> bool:
        return True

    def read(self) -> tuple[bool, np.ndarray | None]:
        self.left -= 1
        return (self.left >= 0, np.full((480, 640, 3), 90, np.uint8))

    def release(self) -> None:
        self.released = True


def test_a_local_camera_gives_pictures_until_its_cable_is_pulled(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    device = tmp_path / "video0"
    device.touch()
    monkeypatch.setattr(cv2, "VideoCapture", FakeCamera)
    stream = open_stream(StreamUrl(str(device), str(device), "device"), CAPTURE)
    pictures = []
    for _ in range(3):
        assert stream.receive()
        pictures += stream.pictures()
    assert [p.grey().shape for p in pictures] == [(240, 320)] * 3
    assert pictures[0].handle.bgr(max_side=64).shape == (48, 64, 3)
    with pytest.raises(StalledError, match="cable"):
        stream.receive()
    stream.close()


def test_a_rendered_camera_is_a_camera_like_any_other(watch: Callable) -> None:
    watched = watch("pattern://calm")
    watched.wait(lambda w: len(w.samples) > 8)
    assert watched.samples[0].grey.shape == (180, 320)
    assert watched.states[-1].state is CameraState.LIVE


@pytest.mark.slow
def test_a_still_picture_is_a_warning_and_no_more(
    monkeypatch: pytest.MonkeyPatch, watch: Callable, tmp_path: Path
) -> None:
    import av
    from structlog.testing import capture_logs

    monkeypatch.setattr("detector.capture.sampler.STILL_WARNING_S", 0.5)
    path = tmp_path / "still.avi"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuvj420p"
        frame = av.VideoFrame.from_ndarray(np.full((240, 320, 3), 70, np.uint8), format="bgr24")
        for number in range(50):
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with capture_logs() as logs:
        watched = watch(str(path))
        watched.wait(lambda w: len(w.samples) >= 14)
    warned = [line for line in logs if line["event"].startswith("picture does not change")]
    assert len(warned) == 1
    assert warned[0]["camera"] == "gate"
    assert watched.history == [CameraState.CONNECTING, CameraState.LIVE]
