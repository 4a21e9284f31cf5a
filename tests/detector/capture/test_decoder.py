"""Packets into pictures: all of them, in order, and the loop filter only where it is needed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from detector.capture.decoder import UNFILTERED_GOP, Decoder
from servers.rtsp import make_clip

GOP, PICTURES = 25, 100


@pytest.fixture(scope="module", params=["0", "2"], ids=["no B-frames", "B-frames"])
def clip(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clips") / "clip.mp4"
    return make_clip(path, size=(320, 192), seconds=4, gop=GOP, b_frames=int(request.param))


def decoded(clip: Path, gop_at: Callable[[int], int]) -> list[tuple[int | None, np.ndarray]]:
    """Time stamp and greys of each picture; `gop_at`: what is known at the n-th key frame."""
    found: list[tuple[int | None, np.ndarray]] = []
    keys = 0
    with av.open(str(clip)) as container:
        stream = container.streams.video[0]
        decoder = Decoder(stream)
        for packet in container.demux(stream):
            keys += packet.is_keyframe
            frames = decoder.decode(packet, gop_at(keys))
            found += [(f.pts, f.reformat(format="gray8").to_ndarray()) for f in frames]
    assert decoder.errors == 0
    return found


def differences(clip: Path, gop_at: Callable[[int], int]) -> list[float]:
    """By picture, mean difference from what libavcodec decodes when it is left alone."""
    with av.open(str(clip)) as container:
        plain = [f.reformat(format="gray8").to_ndarray() for f in container.decode(video=0)]
    pairs = zip(decoded(clip, gop_at), plain, strict=True)
    return [float(np.abs(ours.astype(int) - whole).mean()) for (_, ours), whole in pairs]


def test_every_picture_comes_out_once_and_in_order_while_the_filter_comes_and_goes(
    clip: Path,
) -> None:
    stamps = [pts for pts, _ in decoded(clip, lambda keys: GOP if keys % 2 else 0)]
    assert len(stamps) == PICTURES
    assert stamps == sorted(set(stamps))


@pytest.mark.parametrize("gop", [0, UNFILTERED_GOP + 1], ids=["unknown", "long"])
def test_where_key_frames_are_far_apart_pictures_are_exact(clip: Path, gop: int) -> None:
    assert max(differences(clip, lambda _: gop)) == 0


def test_where_they_are_close_pictures_drift_by_little_until_the_next_key_frame(
    clip: Path,
) -> None:
    drift = differences(clip, lambda keys: GOP if keys > 1 else 0)
    assert max(drift[:GOP]) == 0
    assert drift[2 * GOP] == 0
    assert 0 < max(drift[GOP:]) < 3


@pytest.mark.parametrize("codec", ["DIV3", "HFYU", "MJPG"])
def test_what_only_an_old_container_says_of_the_picture_is_heard(
    tmp_path: Path, codec: str
) -> None:
    path = tmp_path / "old.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), 25, (128, 96))
    for i in range(10):
        writer.write(np.full((96, 128, 3), 40 + i, np.uint8))
    writer.release()
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        decoder = Decoder(stream)
        pictures = [f for packet in container.demux(stream) for f in decoder.decode(packet, 0)]
    assert [(f.width, f.height) for f in pictures] == [(128, 96)] * 10


def test_without_a_gpu_hardware_decoding_falls_back(clip: Path) -> None:
    with av.open(str(clip)) as container:
        stream = container.streams.video[0]
        decoder = Decoder(stream, hardware=True)
        pictures = [f for packet in container.demux(stream) for f in decoder.decode(packet, 0)]
    assert len(pictures) == PICTURES
    assert decoder.errors == 0


def test_a_damaged_packet_is_counted_and_the_rest_decoded(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", size=(320, 192), seconds=2, gop=GOP)
    with av.open(str(clip)) as container:
        stream = container.streams.video[0]
        decoder, pictures = Decoder(stream), 0
        for packet in container.demux(stream):
            if packet.pts and 5 <= packet.pts * packet.time_base * 25 < 8:
                broken = av.Packet(b"\0\0\0\5" + bytes(range(40)))
                broken.time_base, broken.pts, broken.dts = packet.time_base, packet.pts, packet.dts
                pictures += len(decoder.decode(broken, GOP))
            else:
                pictures += len(decoder.decode(packet, GOP))
    assert decoder.errors == 3
    assert pictures == 50 - 3
