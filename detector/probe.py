"""What a camera sends and what watching it would cost, measured by watching it for seconds.

For `jikimi probe`, before a camera is put to work. What is wrong with one that cannot be
watched stands in the StreamError that `open_stream` raises.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from config.errors import StreamError
from config.settings import CaptureSettings
from config.urls import StreamUrl
from detector.capture.idle.gate import CATCH_UP_S
from detector.capture.network import AvStream
from detector.capture.source import open_stream
from detector.capture.streams import Picture, Stream
from detector.types import SAMPLE_RATE_HZ

WATCH_S = 3.0
WATCH_AT_MOST_S = 12.0
"""Two key frames tell the interval; cameras commonly offer up to 10 s."""
LONG_GOP_S = 4.0
"""A camera that drops out shows nothing until the next key frame."""
WIDE = 1280
"""Greys are 320 wide; a 640-wide sub-stream costs a quarter to a fifth of a main stream."""


@dataclass(frozen=True, slots=True)
class Observation:
    """One packet: `at_s` in stream time, `cpu_s` that decoding it took on one core."""

    at_s: float
    size: int
    key: bool
    reordered: bool
    cpu_s: float


@dataclass(frozen=True, slots=True)
class ProbeReport:
    """One camera's stream as measured.

    `gop_frames`, `gop_s`: longest key frame interval seen, None where fewer than two key frames
    came. `bit_rate`: bits a second. `decode_ms`: CPU milliseconds for each second of stream;
    `key_frame_share`: the part of them (0…1) that decoding key frames alone would cost. All five
    are None, or 0 for `decode_ms`, where a source gives pictures instead of packets.
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
    try:
        seen, picture = _watch(stream)
        if len(seen) < 2 or picture is None:
            raise StreamError(
                f"{url}: sends data, but no picture could be decoded; check its codec settings"
            )
        if isinstance(stream, AvStream):
            codec = stream.video.codec_context
            report = measure(seen, codec.name, codec.profile, codec.width, codec.height)
        else:
            height, width = picture.handle.bgr(max_side=10_000).shape[:2]
            fps = (len(seen) - 1) / (seen[-1].at_s - seen[0].at_s)
            report = ProbeReport(
                "pictures", None, width, height, fps, None, None, None, False, 0.0, None
            )
    finally:
        stream.close()
    return replace(report, advice=tuple(advise(report)))


def measure(
    seen: Sequence[Observation], codec: str, profile: str | None, width: int, height: int
) -> ProbeReport:
    """The report on at least two packets, in the order received; advice left empty."""
    span_s = max(seen[-1].at_s - seen[0].at_s, 1e-3)
    # the last packet's own time is not part of the span
    seconds = span_s * len(seen) / (len(seen) - 1)
    keys = [number for number, packet in enumerate(seen) if packet.key]
    cpu_s = sum(packet.cpu_s for packet in seen)
    return ProbeReport(
        codec=codec,
        profile=profile,
        width=width,
        height=height,
        fps=len(seen) / seconds,
        gop_frames=max((b - a for a, b in pairwise(keys)), default=None),
        gop_s=max((seen[b].at_s - seen[a].at_s for a, b in pairwise(keys)), default=None),
        bit_rate=8 * sum(packet.size for packet in seen) / seconds,
        b_frames=any(packet.reordered for packet in seen),
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
    if report.fps < SAMPLE_RATE_HZ:
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


def _watch(stream: Stream) -> tuple[list[Observation], Picture | None]:
    """What `stream` sends, from its first key frame on, and the last picture of it."""
    seen: list[Observation] = []
    last: Picture | None = None
    began_s = time.monotonic()
    while not _enough(seen, time.monotonic() - began_s) and (arrival := stream.receive()):
        before_s = time.thread_time()
        pictures = list(stream.pictures())
        cpu_s = time.thread_time() - before_s
        last = pictures[-1] if pictures else last
        packet = stream.gop.newest if isinstance(stream, AvStream) else None
        if packet is None:
            seen.append(Observation(arrival.at_s, arrival.size, False, False, cpu_s))
        elif (seen or packet.is_keyframe) and packet.dts is not None:
            at_s = float(packet.dts * packet.time_base)
            reordered = packet.pts is not None and packet.pts != packet.dts
            seen.append(Observation(at_s, packet.size, packet.is_keyframe, reordered, cpu_s))
    return seen, last


def _enough(seen: Sequence[Observation], watched_s: float) -> bool:
    if watched_s < WATCH_S:
        return False
    return sum(packet.key for packet in seen) >= 2 or watched_s >= WATCH_AT_MOST_S
