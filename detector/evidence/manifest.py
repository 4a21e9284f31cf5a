"""Clips of judged incidents as footage to learn from: files and a `manifest.csv` of them.

A false alarm is normal from beginning to end. Of a real incident only what is between its opening
and its last high score is kept: when before the opening a fight began nobody has said, and a
manifest cannot say "unknown". `scene` is the camera, so that no split has it on both sides.
The manifest's format is that of `models.data.clips`.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
from av.container import InputContainer, OutputContainer

from alerts.storage.files import write_whole
from config.errors import JikimiError
from detector.evidence.files import record_of
from detector.evidence.record import ClipRecord, EvidenceRecord, Kind, read_record

MANIFEST: Final = "manifest.csv"

COLUMNS: Final = ("path", "label", "scene")

NORMAL: Final = "normal"

SHORTEST_S: Final = 1.0
"""Of a part of a clip that shows less of the incident nothing is learnt: a view takes 0.5 s."""


@dataclass(frozen=True, slots=True)
class Judged:
    """The evidence in `folder` shows a real incident, or a false alarm."""

    folder: Path
    is_real: bool


def write_footage(
    judged: Iterable[Judged], out: Path, left_out: Callable[[str], None]
) -> dict[str, int]:
    """Write clips and manifest into the folder `out`; how many clips of each label.

    `left_out` hears of each incident of which there is no clip, and why. Raises JikimiError where
    nothing can be written, or a manifest is there already.
    """
    manifest = out / MANIFEST
    if manifest.exists():
        raise JikimiError(f"{manifest}: is there already; name another folder")
    rows: list[tuple[str, str, str]] = []
    try:
        out.mkdir(parents=True, exist_ok=True, mode=0o700)  # pictures of people
        for one in judged:
            try:
                rows += _rows(one, out)
            except (JikimiError, av.FFmpegError, ValueError) as error:
                left_out(f"{one.folder.name}: {error}")
        if not rows:
            raise JikimiError("no judged incident has a clip that could be written")
        text = io.StringIO(newline="")
        csv.writer(text, lineterminator="\n").writerows([COLUMNS, *rows])
        write_whole(manifest, text.getvalue().encode())
    except OSError as error:
        raise JikimiError(f"{out}: cannot be written ({error.strerror or error})") from error
    counts: dict[str, int] = {}
    for _, label, _ in rows:
        counts[label] = counts.get(label, 0) + 1
    return counts


def _rows(judged: Judged, out: Path) -> list[tuple[str, str, str]]:
    """Write the clips of one incident; a row of the manifest for each."""
    record = read_record(judged.folder)
    known = {file.name: file.sha256 for file in record.files}
    rows = []
    for clip in record.clips:
        path = judged.folder / clip.name
        if record_of(path, Kind.CLIP).sha256 != known.get(clip.name):
            raise JikimiError(f"{clip.name} is not what was recorded (SHA-256 differs)")
        begin_s, end_s = _shown(record, clip) if judged.is_real else (0.0, clip.seconds)
        if end_s - begin_s < SHORTEST_S:
            continue
        name = f"{record.incident}-{clip.name}"
        cut(path, out / name, begin_s, end_s)
        rows.append((name, record.label if judged.is_real else NORMAL, record.camera))
    if not rows:
        raise JikimiError("no clip shows it")
    return rows


def _shown(record: EvidenceRecord, clip: ClipRecord) -> tuple[float, float]:
    """From when to when, seconds into `clip`, the incident is open."""
    if record.closed_at is None:
        return max(0.0, clip.pre_roll_s), clip.seconds
    ended_s = clip.pre_roll_s + (record.closed_at - record.opened_at).total_seconds()
    return max(0.0, clip.pre_roll_s), min(clip.seconds, ended_s)


def cut(source: Path, out: Path, begin_s: float, end_s: float) -> None:
    """Copy what is between `begin_s` and `end_s` of a clip, from the key frame before on.

    Nothing is encoded again. Raises av.FFmpegError or OSError.
    """
    descriptor = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with (
        av.open(str(source)) as whole,
        os.fdopen(descriptor, "wb") as file,
        av.open(file, "w", format="mp4") as part,
    ):
        assert isinstance(whole, InputContainer)
        assert isinstance(part, OutputContainer)
        [video] = whole.streams.video
        copy = part.add_stream_from_template(video, opaque=True)
        tick = video.time_base or Fraction(1, 1000)
        whole.seek(round(begin_s / tick), stream=video)
        first: int | None = None
        for packet in whole.demux(video):
            if packet.dts is None or packet.pts is None:
                continue
            if packet.pts * tick > end_s:
                break
            first = packet.dts if first is None else first
            packet.pts -= first
            packet.dts -= first
            packet.stream = copy
            part.mux(packet)
