"""What a camera sends and what watching it would cost, measured by watching it for seconds.

For `jikimi probe`, before a camera is put to work. What is wrong with one that cannot be
watched stands in the StreamError that `open_stream` raises.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import pairwise

import cv2

from config.errors import StreamError
from config.settings import CaptureSettings
from config.urls import StreamUrl
from detector.capture.idle.gate import CATCH_UP_S
from detector.capture.reordering import NEIGHBOURS
from detector.capture.source import open_stream
from detector.capture.streams import Codec, Picture, Stream
from detector.incidents.smoothing import NEEDED_HZ
from detector.motion.greys import SampleClock
from detector.motion.snapshot import snapshot
from detector.motion.view import GREYS_PER_VIEW, MotionTracker
from detector.types import SAMPLE_RATE_HZ, Box, Grey, Sample

WATCH_S = 3.0

WATCH_AT_MOST_S = 12.0
"""Two key frames tell the interval; cameras commonly offer up to 10 s."""

RATE_S = 2.0
RATE_OFF = 1.5
"""What comes at once at the beginning is left out; B-frames and jitter make less of 2 s."""

CLOCK_OFF = (
    "its time stamps do not run in real time, so pictures are dated by their arrival and it is "
    "never left undecoded; if it has an RTSP stream, use that, and its newest firmware"
)

LONG_GOP_S = 4.0
"""A camera that drops out shows nothing until the next key frame."""

WIDE = 1280
"""Greys are 320 wide; a 640-wide sub-stream costs a quarter to a fifth of a main stream."""


@dataclass(frozen=True, slots=True)
class Observation:
    """One packet: `at_s` of its picture in stream time, `cpu_s` to decode it on one core.

    `arrived_s`: `time.monotonic()` when it was read.
    """

    at_s: float
    size: int
    key: bool
    cpu_s: float
    arrived_s: float = 0.0


@dataclass(frozen=True, slots=True)
class ProbeReport:
    """One camera's stream as measured.

    `gop_frames`, `gop_s`: longest key frame interval seen, None where fewer than two key frames
    came. `bit_rate`: bits a second. `decode_ms`: CPU milliseconds for each second of stream;
    `key_frame_share`: the part of them (0…1) that decoding key frames alone would cost. All five
    are None, or 0 for `decode_ms`, where a source gives pictures instead of packets. `picture`:
    JPEG of where most `moved`, the crop of its motion view drawn as in alarms; of the newest
    picture where nothing did.
    """

    codec: str
    profile: str | None
    width: int
    height: int
    fps: float
    gop_frames: int | None
    gop_s: float | None
    bit_rate: float | None
    b_frames: bool
    decode_ms: float
    key_frame_share: float | None
    advice: tuple[str, ...] = ()
    moved: bool = False
    picture: bytes = field(default=b"", repr=False)

    def __str__(self) -> str:
        """The report for people, one fact a line."""
        profile = f" ({self.profile})" if self.profile else ""
        size = f"{self.width}x{self.height}"
        lines = [f"video      {self.codec}{profile}, {size}, {self.fps:.1f} pictures a second"]
        if self.bit_rate is not None:
            lines.append(f"bit rate   {self.bit_rate / 1e6:.2f} Mbit/s")
            every = (
                f"every {self.gop_frames} pictures ({self.gop_s:.1f} s)" if self.gop_s else "rare"
            )
            b_frames = "with" if self.b_frames else "no"
            lines.append(f"key frames {every}; {b_frames} B-frames")
        if self.key_frame_share is not None:
            lines.append(
                f"decoding   {self.decode_ms:.1f} ms of one core for each second of video; "
                f"{self.decode_ms * self.key_frame_share:.1f} ms for key frames alone"
            )
            lines.append(f"idle       {self.idle()}")
        lines += [f"advice     {line}" for line in self.advice]
        return "\n".join(lines)

    def idle(self) -> str:
        """Whether the activity gate can leave this stream undecoded, in the operator's words."""
        if self.b_frames:
            return "always decoded: with B-frames the packets' sizes do not tell what moves"
        if self.gop_frames is None or self.gop_frames < 2:
            return "always decoded: key frames are too rare, or there is nothing else"
        catch_up_s = self.gop_frames / self.fps * self.decode_ms / 1000
        if catch_up_s > CATCH_UP_S:
            return (
                f"always decoded: waking would take {catch_up_s:.2f} s, more than "
                f"{CATCH_UP_S:g} s; set key frames closer"
            )
        return (
            f"can be left undecoded while nothing moves (waking takes {catch_up_s:.2f} s), if its "
            "bit rate follows the picture (variable, not constant)"
        )


DEFAULTS = CaptureSettings()


def probe(url: StreamUrl, capture: CaptureSettings = DEFAULTS) -> ProbeReport:
    """Watch `url` for 3 s, longer where key frames are further apart, and report.

    Raises UnauthorisedError or StreamError with what exactly is wrong.
    """
    stream = open_stream(url, capture)
    viewer = _Viewer()
    try:
        seen = _watch(stream, viewer)
        newest = viewer.newest
        if len(seen) < 2 or newest is None:
            raise StreamError(
                f"{url}: sends data, but no picture could be decoded; check its codec settings"
            )
        off = url.kind == "network" and _clock_is_off(seen)
        if off:
            seen = [replace(packet, at_s=packet.arrived_s) for packet in seen]
        report = measure(seen, stream.codec, newest.width, newest.height)
        return replace(
            report,
            advice=(*([CLOCK_OFF] if off else []), *advise(report)),
            moved=viewer.moved is not None,
            picture=viewer.jpeg(newest),
        )
    finally:
        stream.close()


def measure(
    seen: Sequence[Observation], codec: Codec | None, width: int, height: int
) -> ProbeReport:
    """The report on at least two packets, in the order received; advice and picture left empty.

    `codec`: None where these are pictures instead of packets.
    """
    times = sorted(packet.at_s for packet in seen)
    b_frames = any(b.at_s < a.at_s for a, b in pairwise(seen))
    if b_frames and len(times) > 2 * NEIGHBOURS:
        times = times[:-NEIGHBOURS]  # of the last ones some have not come yet
    fps = (len(times) - 1) / max(times[-1] - times[0], 1e-3)
    if codec is None:
        return ProbeReport("pictures", None, width, height, fps, None, None, None, False, 0.0, None)
    seconds = len(seen) / fps
    keys = [number for number, packet in enumerate(seen) if packet.key]
    cpu_s = sum(packet.cpu_s for packet in seen)
    return ProbeReport(
        codec=codec.name,
        profile=codec.profile,
        width=width,
        height=height,
        fps=fps,
        gop_frames=max((b - a for a, b in pairwise(keys)), default=None),
        gop_s=max((seen[b].at_s - seen[a].at_s for a, b in pairwise(keys)), default=None),
        bit_rate=8 * sum(packet.size for packet in seen) / seconds,
        b_frames=b_frames,
        decode_ms=1000 * cpu_s / seconds,
        key_frame_share=sum(packet.cpu_s for packet in seen if packet.key) / max(cpu_s, 1e-9),
    )


def advise(report: ProbeReport) -> list[str]:
    """What to set differently in the camera, in the operator's words; empty: nothing."""
    advice = []
    if max(report.width, report.height) > WIDE:
        advice.append(
            f"use the camera's sub-stream (about 640 wide): {report.width}x{report.height} brings "
            "no better detection and costs four to five times as much to decode"
        )
    if report.fps < NEEDED_HZ:
        advice.append(
            f"set at least 10 pictures a second: of {report.fps:.1f} no fight can be seen, and the "
            f"camera would count as unwatched; {NEEDED_HZ:g} are the least"
        )
    elif report.fps < SAMPLE_RATE_HZ:
        advice.append(
            f"set at least 10 pictures a second: {report.fps:.1f} are fewer than the "
            f"{SAMPLE_RATE_HZ:g} a second that detection looks at"
        )
    if report.gop_s is not None and report.gop_s > LONG_GOP_S:
        advice.append(
            f"set a key frame every 1 to 2 seconds: with one every {report.gop_s:.0f} s, the "
            "picture takes that long to come back after a disturbance"
        )
    if report.b_frames:
        advice.append("switch off B-frames: they delay every alarm by some pictures")
    return advice


class _Viewer:
    """Looks at pictures as the daemon would: `newest` of all, `moved` where most has moved.

    Of that motion view it keeps the middle picture: on its newest, what moved may have left.
    """

    def __init__(self) -> None:
        self.newest: Picture | None = None
        self.moved: tuple[Picture, Box] | None = None
        self._most = 0.0
        self._clock = SampleClock()
        self._tracker = MotionTracker()
        self._sampled: deque[tuple[Picture, Grey]] = deque(maxlen=GREYS_PER_VIEW // 2 + 1)

    def look(self, picture: Picture) -> None:
        self.newest = picture
        at_s = picture.arrived_s if picture.pts_s is None else picture.pts_s
        if self._clock.ticks(at_s):
            utc = datetime.now(UTC)
            sample = Sample("probe", utc, picture.arrived_s, at_s, picture.grey())
            view = self._tracker.view_of(sample)
            self._sampled.append((picture, sample.grey))
            middle, grey = self._sampled[0]
            if view and view.moving and (much := cv2.norm(sample.grey, grey)) > self._most:
                self._most = much
                self.moved = middle, view.box

    def jpeg(self, newest: Picture) -> bytes:
        picture, box = self.moved or (newest, None)
        return snapshot(picture.handle, box)


def _watch(stream: Stream, viewer: _Viewer) -> list[Observation]:
    """What `stream` sends, from its first key frame on; its pictures go to `viewer`.

    In the time of arrival, where it has no time stamps: a local camera, a raw .h264.
    """
    seen: list[Observation] = []
    stamped = False
    began_s = time.monotonic()
    while not _enough(seen, time.monotonic() - began_s) and (arrival := stream.receive()):
        before_s = time.thread_time()
        pictures = list(stream.pictures())
        cpu_s = time.thread_time() - before_s
        for picture in pictures:
            viewer.look(picture)
        if arrival.pts_s is not None and not stamped:
            seen.clear()  # a camera's first packets may lack what the others have
            stamped = True
        at_s = arrival.pts_s if stamped else arrival.at_s
        if at_s is not None and (seen or arrival.key is not False):
            key = bool(arrival.key)
            seen.append(Observation(at_s, arrival.size, key, cpu_s, arrival.at_s))
    return seen


def _clock_is_off(seen: Sequence[Observation]) -> bool:
    """Whether stream time ran much slower or faster than real time of late, without a gap."""
    late = [packet for packet in seen if packet.arrived_s >= seen[-1].arrived_s - RATE_S]
    passed_s = late[-1].arrived_s - late[0].arrived_s
    gaps = [b.arrived_s - a.arrived_s for a, b in pairwise(late)]
    if len(late) < 2 or max(gaps) > RATE_S / 2:
        return False
    rate = (late[-1].at_s - late[0].at_s) / passed_s
    return not 1 / RATE_OFF <= rate <= RATE_OFF


def _enough(seen: Sequence[Observation], watched_s: float) -> bool:
    if watched_s < WATCH_S:
        return False
    return sum(packet.key for packet in seen) >= 2 or watched_s >= WATCH_AT_MOST_S
