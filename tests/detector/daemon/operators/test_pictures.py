"""The newest picture for who looks: of a camera that is awake, that sleeps, or that is lost."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import av
import cv2
import numpy as np
import pytest

from detector.capture.frames import ArrayFrame, AvFrame
from detector.capture.kept.ring import PacketRing, RingBudget
from detector.capture.kept.template import template_of
from detector.capture.sampler import utc_at
from detector.daemon.operators import pictures
from detector.daemon.operators.pictures import LatestPicture
from detector.types import Sample
from servers.rtsp import make_clip


@dataclass
class Received:
    """A stream's packets with a key frame a second, and the picture of each key frame."""

    packets: list[Any]
    template: Any
    keys: list[av.VideoFrame]

    def ring(self, until_s: float, upto: int) -> PacketRing:
        """The first `upto` of them, 25 a second, the newest at `until_s`."""
        ring = PacketRing(10, RingBudget())
        for index, packet in enumerate(self.packets[:upto]):
            ring.add(packet, until_s - (upto - 1 - index) / 25, self.template, believed=True)
        return ring


@pytest.fixture(scope="module")
def received(tmp_path_factory: pytest.TempPathFactory) -> Received:
    clip = make_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", seconds=4)
    with av.open(str(clip)) as container:
        video = container.streams.video[0]
        template = template_of(video)
        packets = [packet for packet in container.demux(video) if packet.size]
    with av.open(str(clip)) as container:
        keys = [frame for frame in container.decode(video=0) if frame.key_frame]
    return Received(packets, template, keys)


def sample(at_s: float, shade: int = 200) -> Sample:
    picture = np.full((360, 640, 3), shade, np.uint8)
    grey = np.full((180, 320), shade, np.uint8)
    return Sample("gate", utc_at(at_s), at_s, 0.0, grey, ArrayFrame(picture))


def shade(jpeg: bytes) -> float:
    return float(cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR).mean())


def test_a_sleeping_camera_shows_its_last_key_frame(received: Received) -> None:
    now_s = time.monotonic()
    latest = LatestPicture(received.ring(now_s, 60))  # key frames 0, 25 and 50
    old = sample(now_s - 30)
    found = latest.jpeg(old, 640, now_s)
    assert found
    assert found.number == round((now_s - 9 / 25) * 1000)
    shown = cv2.imdecode(np.frombuffer(found.jpeg, np.uint8), cv2.IMREAD_COLOR)
    expected = AvFrame(received.keys[2]).bgr(640)
    assert cv2.absdiff(shown, expected).mean() < 4
    assert latest.which(old, now_s) == (found.number, found.at)


def test_a_camera_that_is_awake_shows_its_newest_sample_and_decodes_nothing(
    received: Received, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictures, "still", lambda _: pytest.fail("decoded"))
    now_s = time.monotonic()
    latest = LatestPicture(received.ring(now_s, 60))
    found = latest.jpeg(sample(now_s - 0.5), 320, now_s)
    assert found
    assert found.number == round((now_s - 0.5) * 1000)
    assert shade(found.jpeg) == pytest.approx(200, abs=2)


def test_ten_viewers_cost_one_decoding_and_one_jpeg(
    received: Received, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []
    decoded: list[int] = []
    encode, decode = pictures.snapshot, pictures.still

    def counted(frame: Any, box: Any, side: int) -> bytes:
        made.append(side)
        return encode(frame, box, side)

    def looked(key: Any) -> Any:
        decoded.append(key.number)
        return decode(key)

    monkeypatch.setattr(pictures, "snapshot", counted)
    monkeypatch.setattr(pictures, "still", looked)
    now_s = time.monotonic()
    latest = LatestPicture(received.ring(now_s, 60))
    for viewer in range(10):
        assert latest.jpeg(sample(now_s - 30), 320, now_s + viewer / 20)
    latest.jpeg(sample(now_s - 30), 640, now_s + 0.6)
    assert made == [320, 640]
    assert decoded == [50]
    awake = LatestPicture(None)
    for viewer in range(8):  # eight samples came while they looked
        assert awake.jpeg(sample(now_s + viewer / 10), 320, now_s + viewer / 10)
    assert made == [320, 640, 320]


def test_without_a_ring_the_old_sample_is_shown_with_its_time() -> None:
    now_s = time.monotonic()
    latest = LatestPicture(None)
    assert latest.jpeg(None, 320, now_s) is None
    found = latest.jpeg(sample(now_s - 600), 320, now_s + 1)
    assert found
    assert (utc_at(now_s) - found.at).total_seconds() == pytest.approx(600, abs=1)


def test_a_key_frame_that_cannot_be_decoded_gives_way_to_the_sample(received: Received) -> None:
    now_s = time.monotonic()
    ring = PacketRing(10, RingBudget())
    broken = av.Packet(bytes(500))
    broken.is_keyframe = True
    ring.add(broken, now_s - 0.1, received.template, believed=True)
    found = LatestPicture(ring).jpeg(sample(now_s - 30, shade=90), 320, now_s)
    assert found
    assert shade(found.jpeg) == pytest.approx(90, abs=2)


def test_what_nobody_looks_at_is_let_go_of(received: Received) -> None:
    now_s = time.monotonic()
    latest = LatestPicture(received.ring(now_s, 60))
    latest.jpeg(None, 320, now_s)
    latest.forget(now_s + 5)
    assert latest._shown
    latest.forget(now_s + 11)
    assert latest._shown is None
