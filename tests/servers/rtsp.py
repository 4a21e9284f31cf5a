"""A real RTSP server with endless streams, as its own process, and clips for it.

GStreamer's RTSP server serves them where Debian's `gir1.2-gst-rtsp-server-1.0` and
`python3-gi` are installed; elsewhere aio-rtsp-toolkit does, which can do less.
"""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO, Self
from urllib.parse import quote

import av
import numpy as np
import pytest

from servers.ports import free_port

SYSTEM_PYTHON = "/usr/bin/python3"
HERE = Path(__file__).parent
INSTALL = (
    "apt install gir1.2-gst-rtsp-server-1.0 python3-gi "
    "gstreamer1.0-plugins-base gstreamer1.0-plugins-good"
)
HEADER = struct.Struct("<qqI?")
_PROBE = (
    "import gi; gi.require_version('GstRtspServer', '1.0'); gi.require_version('Gst', '1.0');"
    "from gi.repository import Gst, GstRtspServer; Gst.init(None);"
    "assert Gst.ElementFactory.find('rtph264pay') and Gst.ElementFactory.find('appsrc')"
)


@dataclass(frozen=True)
class Feed:
    """A stream of files (H.264, H.265 or JPEG) played one after the other, then from the first.

    The files may differ in size: the picture's size then changes in mid-stream.
    `silent_after`: pictures after which the server stays connected but sends nothing. `shared`:
    all clients see the same at once, as of a camera; else each sees it from its beginning.
    """

    files: tuple[Path, ...]
    silent_after: int | None = None
    shared: bool = False


@cache
def gst_available() -> bool:
    """Whether the system's Python can serve RTSP; `JIKIMI_TEST_RTSP=aio` pretends it cannot."""
    if os.environ.get("JIKIMI_TEST_RTSP") == "aio":
        return False
    try:
        done = subprocess.run([SYSTEM_PYTHON, "-c", _PROBE], capture_output=True, check=False)
    except OSError:
        return False
    return done.returncode == 0


def needs_rtsp_server() -> None:
    """Skip a test that needs all that GStreamer's server can do."""
    if not gst_available():
        pytest.skip(f"the RTSP server at hand can do too little: {INSTALL}")


class RtspServer:
    """The server, from `__enter__` to `__exit__`; may be killed and started again in between.

    `streams`: the file or `Feed` of each path. With `user`, clients log in (digest). Where only
    aio-rtsp-toolkit is at hand, a test that needs a log-in or more than one plain file is skipped.
    """

    def __init__(
        self,
        streams: Mapping[str, Path | Feed],
        user: str | None = None,
        password: str | None = None,
        port: int = 0,
    ) -> None:
        self.port = port or free_port()
        self.user = user
        self.password = password
        self._feeds = {
            name: feed if isinstance(feed, Feed) else Feed((feed,))
            for name, feed in streams.items()
        }
        self._gst = gst_available()
        plain = all(feed == Feed(feed.files[:1]) for feed in self._feeds.values())
        if not self._gst and (user or not plain):
            pytest.skip(f"the RTSP server at hand can only play plain files: {INSTALL}")
        self._stack = ExitStack()
        self._command: list[str] = []
        self._plan = ""
        self._process: subprocess.Popen[str] | None = None

    def url(self, name: str, password: str | None = None) -> str:
        """The URL of a stream, percent-encoded, with its own or another password."""
        login = ""
        if self.user:
            secret = self.password if password is None else password
            login = f"{quote(self.user, safe='')}:{quote(secret or '', safe='')}@"
        path = name if self._gst else f"{name}.mp4/play_count_0"  # 0: endlessly
        return f"rtsp://{login}127.0.0.1:{self.port}/{path}"

    def __enter__(self) -> Self:
        folder = Path(self._stack.enter_context(TemporaryDirectory(prefix="rtsp-")))
        if self._gst:
            self._command = [SYSTEM_PYTHON, str(HERE / "gst_rtsp.py")]
            self._plan = self._gst_plan(folder)
        else:
            self._command = [sys.executable, str(HERE / "aio_rtsp.py"), str(folder), str(self.port)]
            for name, feed in self._feeds.items():
                shutil.copy(feed.files[0], folder / f"{name}.mp4")
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self._stack.close()

    def start(self) -> None:
        """Start the process, on the same port as before; returns when it listens."""
        assert self._process is None
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(self._plan)
        self._process.stdin.close()
        if not self._process.stdout.readline().startswith("ready"):
            self.kill()
            raise RuntimeError("the RTSP server did not start; see standard error")

    @property
    def pid(self) -> int:
        """The process: for whoever measures what serving costs."""
        assert self._process
        return self._process.pid

    def kill(self) -> None:
        """Kill -9 the process, as a power cut would; harmless when repeated."""
        if self._process:
            self._process.kill()
            self._process.wait()
            assert self._process.stdout
            self._process.stdout.close()
            self._process = None

    def _gst_plan(self, folder: Path) -> str:
        prepared: dict[tuple[Path, ...], Path] = {}
        for feed in self._feeds.values():
            if feed.files not in prepared:
                prepared[feed.files] = _prepare(feed.files, folder / f"{len(prepared)}.units")
        streams = {
            name: {
                "file": str(prepared[feed.files]),
                "silent_after": feed.silent_after,
                "shared": feed.shared,
                **_described(feed.files[0]),
            }
            for name, feed in self._feeds.items()
        }
        return json.dumps(
            {"port": self.port, "user": self.user, "password": self.password, "streams": streams}
        )


def _described(file: Path) -> dict[str, object]:
    with av.open(str(file), metadata_errors="ignore") as container:
        context = container.streams.video[0].codec_context
        return {"codec": context.name, "size": (context.width, context.height)}


def _prepare(files: tuple[Path, ...], target: Path) -> Path:
    """Write the access units of `files`, one file after the other, for the server to replay."""
    start_ns = 0
    with target.open("wb") as out:
        out.write(bytes(8))
        for file in files:
            start_ns += _write_units(file, start_ns, out)
        out.seek(0)
        out.write(struct.pack("<q", start_ns))
    return target


def _write_units(file: Path, start_ns: int, out: BinaryIO) -> int:
    with av.open(str(file), metadata_errors="ignore") as container:
        video = container.streams.video[0]
        codec = video.codec_context.name
        assert codec in ("h264", "hevc", "mjpeg"), f"{file} is {codec}"
        packets = [packet for packet in container.demux(video) if packet.size]
        if codec != "mjpeg":
            to_annexb = av.BitStreamFilterContext(f"{codec}_mp4toannexb", video)
            packets = [p for packet in packets for p in to_annexb.filter(packet)]
        tick_ns = float(video.time_base * 1_000_000_000)
    first = packets[0].dts
    step = packets[1].dts - first
    for packet in packets:
        data = bytes(packet)
        pts, dts = (start_ns + round((t - first) * tick_ns) for t in (packet.pts, packet.dts))
        out.write(HEADER.pack(pts, dts, len(data), packet.is_keyframe) + data)
    return round((packets[-1].dts - first + step) * tick_ns)


def make_clip(
    path: Path,
    *,
    size: tuple[int, int] = (640, 360),
    seconds: float = 4.0,
    fps: int = 25,
    gop: int = 25,
    seed: int = 0,
    rest_s: float = 0.0,
    b_frames: int = 0,
    codec: str = "libx264",
) -> Path:
    """Write a clip of a drifting texture with a bright square that wanders over it, by `codec`.

    Before that, for `rest_s` seconds, nothing moves but a camera's noise. A key frame every `gop`
    pictures, and no B-frames unless asked for, like a camera.
    """
    width, height = size
    noise = np.random.default_rng(seed)
    scene = np.kron(noise.integers(40, 160, (height // 8 + 8, width // 8 + 8)), np.ones((8, 8)))
    scene = scene.astype(np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=fps)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        shape = {"bf": str(b_frames), "g": str(gop)}
        stream.options = {"preset": "veryfast", "threads": "1", **shape}
        if codec == "libx265":
            quiet = f"log-level=none:pools=1:frame-threads=1:keyint={gop}:bframes={b_frames}"
            stream.options = {"preset": "ultrafast", "x265-params": quiet}
        elif codec == "mjpeg":
            stream.pix_fmt = "yuvj420p"
            stream.options = {"huffman": "default"}  # RTP has no room for other tables (RFC 2435)
        side = height // 4
        for _ in range(round(rest_s * fps)):
            grain = noise.normal(0, 1, (height, width))
            still = np.clip(scene[:height, :width] + grain, 0, 255).astype(np.uint8)
            frame = av.VideoFrame.from_ndarray(still, format="gray8").reformat(format="yuv420p")
            container.mux(stream.encode(frame))
        for index in range(round(seconds * fps)):
            shift = index % 32
            grey = scene[shift : shift + height, :width].copy()
            left = (index * 5) % (width - side)
            grey[height // 3 : height // 3 + side, left : left + side] = 235
            frame = av.VideoFrame.from_ndarray(grey, format="gray8").reformat(format="yuv420p")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path
