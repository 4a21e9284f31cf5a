"""Pictures of scores: a video with score and crop drawn in, a plot over time."""

from __future__ import annotations

import tempfile
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from config.errors import JikimiError
from detector.footage.recording import decoded_frames, frame_rate, open_recording
from detector.footage.scoring import FileScore, Moment
from detector.motion.orientation import Orientation, orientation_of

TICKS_PER_S = 90_000

AMBER, RED = (0, 200, 255), (60, 60, 230)
"""BGR: below and inside an incident."""


def need_matplotlib() -> None:
    """Raise JikimiError, naming the command that helps, where no plot can be drawn."""
    if find_spec("matplotlib") is None:
        raise JikimiError("--plot needs matplotlib: pip install 'jikimi[plot]'")


def need_folder_of(out: Path) -> None:
    """Raise JikimiError where no file can be written beside `out`."""
    try:
        with tempfile.TemporaryFile(dir=out.parent):
            pass
    except OSError as error:
        raise JikimiError(
            f"{out}: cannot be written ({error.strerror}); name a file in a folder that is there"
        ) from error


def annotate(
    video: Path, score: FileScore, out: Path, progress: Callable[[float], None] | None = None
) -> None:
    """Write `video` to `out` (H.264) with the newest score, its bar and its crop in each frame.

    `progress` hears how many seconds of it are done. Raises JikimiError where `out` cannot be
    written.
    """
    if out.exists() and out.samefile(video):
        raise JikimiError(f"{out}: is the video itself; name another file to write")
    try:
        _annotate(video, score, out, progress)
    except (av.FFmpegError, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise JikimiError(
            f"{out}: cannot be written ({reason}); name an .mp4 in a folder that is there"
        ) from error


def _annotate(
    video: Path, score: FileScore, out: Path, progress: Callable[[float], None] | None
) -> None:
    times = [moment.at_s for moment in score.moments]
    with open_recording(video) as source, av.open(str(out.absolute()), "w") as target:
        stream = source.streams.video[0]
        encoded = target.add_stream("libx264", rate=frame_rate(stream))
        encoded.pix_fmt = "yuv420p"
        # libx264 wants even sides, and the same ones throughout
        width, height = stream.width & ~1, stream.height & ~1
        orientation: Orientation | None = None
        for frame, at_s in decoded_frames(source):
            if orientation is None:
                orientation = orientation_of(frame)
                encoded.width, encoded.height = orientation.shown_size(width, height)
            fitted = frame.reformat(width, height, format="bgr24")
            picture = orientation.upright(np.array(fitted.to_ndarray(), np.uint8))
            index = bisect_right(times, at_s) - 1
            if index >= 0:
                inside = any(e.start_s <= at_s <= e.end_s for e in score.incidents)
                draw(picture, score.moments[index], inside=inside)
            drawn = av.VideoFrame.from_ndarray(picture, format="bgr24")
            drawn.pts, drawn.time_base = round(at_s * TICKS_PER_S), Fraction(1, TICKS_PER_S)
            target.mux(encoded.encode(drawn))
            if progress:
                progress(at_s)
        target.mux(encoded.encode(None))


def draw(picture: NDArray[np.uint8], moment: Moment, *, inside: bool) -> None:
    """Draw `moment` into `picture` ([h, w, 3] uint8 BGR) in place."""
    height, width = picture.shape[:2]
    colour = RED if inside else AMBER
    if box := moment.box:
        left, top = round(box.left * width), round(box.top * height)
        right, bottom = left + round(box.width * width), top + round(box.height * height)
        cv2.rectangle(picture, (left, top), (right - 1, bottom - 1), colour, 2)
    bar = round(moment.smoothed * (width - 1))
    cv2.rectangle(picture, (0, height - 8), (bar, height - 1), colour, cv2.FILLED)
    text = f"{moment.at_s:5.1f} s   score {moment.smoothed:.2f}" + ("   INCIDENT" if inside else "")
    size = max(0.4, width / 1100)
    for thick, ink in ((3, (0, 0, 0)), (1, (255, 255, 255))):
        cv2.putText(
            picture, text, (8, height - 16), cv2.FONT_HERSHEY_SIMPLEX, size, ink, thick, cv2.LINE_AA
        )


def plot(scores: Sequence[FileScore], thresholds: Mapping[str, float], out: Path) -> None:
    """Write a picture of each file's scores over time.

    Raises JikimiError without matplotlib, and where `out` cannot be written.
    """
    need_matplotlib()
    from matplotlib.figure import Figure  # noqa: PLC0415 - 60 MB that only plots need

    figure = Figure(figsize=(10, 2.6 * len(scores)), layout="constrained")
    for axes, score in zip(
        figure.subplots(len(scores), 1, squeeze=False)[:, 0], scores, strict=True
    ):
        times = [moment.at_s for moment in score.moments]
        axes.plot(times, [m.probability for m in score.moments], color="0.75", label="each view")
        axes.plot(times, [m.smoothed for m in score.moments], color="C0", label="smoothed")
        if fused := [m.fused for m in score.moments if m.fused is not None]:
            axes.plot(times, fused, color="C2", label="with the second look")
        for label, threshold in thresholds.items():
            axes.axhline(threshold, color="C3", linestyle="--", label=f"opens {label}")
        for incident in score.incidents:
            axes.axvspan(incident.start_s, incident.end_s, color="C3", alpha=0.15)
        axes.set(ylim=(0, 1), xlabel="seconds", ylabel="probability", title=Path(score.video).name)
        axes.legend(loc="upper right", fontsize="small")
    try:
        figure.savefig(out, dpi=100)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise JikimiError(
            f"{out}: cannot be written ({reason}); name a .png in a folder that is there"
        ) from error
