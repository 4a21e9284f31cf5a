"""The scenes of the benchmarks, encoded as a camera would: people moving, and nothing moving.

H.264 without B-frames, 25 pictures a second, a key frame every 2 s. The server plays a clip
endlessly, so each clip leaves out the encoder's beginning, where its rate control has yet to
settle: then nothing but a key frame like any other marks the end of a turn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import partial
from itertools import cycle, islice
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from detector.capture.demo.stream import render

FPS = 25
GOP = 50
LEAD_IN = 4 * GOP
"""Pictures encoded and left out."""

BITS_PER_PIXEL_SECOND = 3
"""2.8 Mbit/s at 720p, as cameras come from the factory (2–4 Mbit/s)."""

NOISE_LEVELS = 2.0
"""Standard deviation of sensor noise, grey levels: indoors, by lamplight."""

UNTRIMMED = Path(__file__).parents[3] / "shared/data/untrimmed/normal"
FOOTAGE = UNTRIMMED / "opencv_vtest.mp4"
"""Pedestrians, always some walking; without it the rendered scene, cheaper to decode, stands in."""

ROOM = UNTRIMMED / "intel_one_by_one.mp4"
"""A room that people walk through one by one; without it the rendered scene, empty."""
ROOM_EMPTY = slice(6, 50)
"""Pictures of it in which nobody is to be seen, between two of its own key frames: at these the
whole picture changes, which is the recording and not the room."""

VARIABLE = {"crf": "23"}
CONSTANT = {"nal-hrd": "cbr"}

Picture = NDArray[np.uint8]


def busy(folder: Path, size: tuple[int, int]) -> Path:
    """20 s of people moving all the time."""
    rate = BITS_PER_PIXEL_SECOND * size[0] * size[1]
    return _encode(folder / f"busy-{size[1]}.mp4", size, 20, _people, {"b": str(rate)})


def idle(folder: Path, size: tuple[int, int]) -> Path:
    """60 s of a still of an empty room, with fresh sensor noise in every picture."""
    return _encode(folder / f"idle-{size[1]}.mp4", size, 60, _still_with_noise, VARIABLE)


def idle_constant(folder: Path, size: tuple[int, int]) -> Path:
    """The same with a constant bit rate, filled up."""
    rate = str(BITS_PER_PIXEL_SECOND * size[0] * size[1])
    rates = dict.fromkeys(("b", "minrate", "maxrate", "bufsize"), rate)
    return _encode(
        folder / f"constant-{size[1]}.mp4", size, 60, _still_with_noise, {**rates, **CONSTANT}
    )


def empty(folder: Path, size: tuple[int, int]) -> Path:
    """60 s of the recording's own empty pictures, forwards and backwards, compressed again.

    Its sizes pulse as those of any stream that was compressed twice: one packet in ten is 10 to
    20 times the others. Played for the whole stretch in each direction, so that the pulses keep
    the beat that the first encoder gave them, and so that there is no cut that a camera has not.
    """
    return _encode(folder / f"empty-{size[1]}.mp4", size, 60, _there_and_back, VARIABLE)


def _encode(
    path: Path,
    size: tuple[int, int],
    seconds: int,
    pictures: Callable[[tuple[int, int]], Iterator[Picture]],
    options: dict[str, str],
) -> Path:
    if path.exists():
        return path
    width, height = size
    x264 = {"preset": "veryfast", "bf": "0", "g": str(GOP), **options}
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options=x264)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.time_base = Fraction(1, FPS)
        # Else a thread a slice, and GStreamer puts parameter sets between the slices of a key
        # frame, which makes two packets of it.
        stream.codec_context.thread_type, stream.codec_context.thread_count = "FRAME", 2
        kept = False

        def mux(frame: av.VideoFrame | None) -> None:
            nonlocal kept
            for packet in stream.encode(frame):
                kept = kept or (
                    packet.is_keyframe and packet.pts * packet.time_base * FPS >= LEAD_IN
                )
                if kept:
                    container.mux(packet)

        for index, picture in enumerate(islice(pictures(size), LEAD_IN + seconds * FPS)):
            frame = av.VideoFrame.from_ndarray(picture, format="bgr24").reformat(format="yuv420p")
            frame.pts, frame.time_base = index, Fraction(1, FPS)
            mux(frame)
        mux(None)
    return path


def _people(size: tuple[int, int]) -> Iterator[Picture]:
    yield from map(partial(_noisy, _noise(size)), _recording(size))


def _still_with_noise(size: tuple[int, int]) -> Iterator[Picture]:
    still, noise = _empty_room(size)[0], _noise(size)
    while True:
        yield _noisy(noise, still)


def _there_and_back(size: tuple[int, int]) -> Iterator[Picture]:
    pictures = _empty_room(size)
    yield from cycle(pictures + pictures[-2:0:-1])


def _noise(size: tuple[int, int]) -> Callable[[], Picture]:
    """Sensor noise of which no two pictures are alike: rows and columns rolled at random."""
    sensor = np.random.default_rng(0)
    base = sensor.normal(0, NOISE_LEVELS, (size[1], size[0], 1)).astype(np.int16)

    def fresh() -> Picture:
        rolled = np.roll(base, sensor.integers(0, size[1], 2), (0, 1))
        return -rolled if sensor.random() < 0.5 else rolled

    return fresh


def _noisy(noise: Callable[[], Picture], picture: Picture) -> Picture:
    return np.clip(picture + noise(), 0, 255).astype(np.uint8)


def _empty_room(size: tuple[int, int]) -> list[Picture]:
    if not ROOM.exists():
        return [_scaled(av.VideoFrame.from_ndarray(render("calm", 0.0), format="bgr24"), size)]
    with av.open(str(ROOM), metadata_errors="ignore") as container:
        frames = islice(container.decode(video=0), ROOM_EMPTY.start, ROOM_EMPTY.stop)
        return [_scaled(frame, size) for frame in frames]


def _recording(size: tuple[int, int]) -> Iterator[Picture]:
    if not FOOTAGE.exists():
        index = 0
        while True:
            yield _scaled(
                av.VideoFrame.from_ndarray(render("calm", index / FPS), format="bgr24"), size
            )
            index += 1
    with av.open(str(FOOTAGE), metadata_errors="ignore") as container:
        yield from (_scaled(frame, size) for frame in container.decode(video=0))


def _scaled(frame: av.VideoFrame, size: tuple[int, int]) -> Picture:
    return frame.reformat(*size, "bgr24").to_ndarray()
