"""B-frames: those that nobody looks at are left out, and every sample stays the same."""

from __future__ import annotations

from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from config.settings import CameraSettings
from detector.capture.network import AvStream
from detector.capture.reordering import Reordering
from detector.capture.sampler import Sampler
from detector.daemon.observability.metrics import CaptureMetrics, DetectorMetrics
from detector.footage.recording import recorded_samples
from servers.rtsp import make_clip

FPS, PICTURES = 25, 100


def test_stream_time_that_begins_anew_is_no_other_order() -> None:
    follower = Reordering()
    steps = [follower.step_after(at_s) for at_s in [100 + n / 25 for n in range(20)]]
    steps += [follower.step_after(n / 25) for n in range(20)]
    assert steps == [None] * 40


@pytest.mark.slow
@pytest.mark.parametrize(("b_frames", "spared"), [(0, 0), (3, 25)])
def test_pictures_that_are_not_due_and_serve_no_other_are_not_decoded(
    tmp_path: Path, b_frames: int, spared: int
) -> None:
    clip = make_clip(tmp_path / "clip.mp4", size=(320, 192), seconds=4, gop=50, b_frames=b_frames)
    camera = CameraSettings(name="gate", url=str(clip), site="yard")
    metrics = DetectorMetrics(CollectorRegistry())
    metrics.add_camera("gate", "yard", ())
    stream, sampler = (
        AvStream(camera.url, camera.capture),
        Sampler("gate", CaptureMetrics(metrics, "gate")),
    )
    decoded, sampled = 0, []
    while stream.receive():
        for picture in stream.pictures(sampler.wants):
            decoded += 1
            if sample := sampler.take(picture):
                sampled.append(sample.pts_s)
    stream.close()
    assert sampled == pytest.approx([s.pts_s for s in recorded_samples(clip)][: len(sampled)])
    assert len(sampled) >= 31
    assert decoded <= PICTURES - spared
    assert spared or decoded == PICTURES


@pytest.mark.slow
def test_every_picture_has_its_time_where_another_decoder_goes_on(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", size=(320, 192), seconds=1.6, gop=10, b_frames=3)
    camera = CameraSettings(name="gate", url=str(clip), site="yard")
    stream = AvStream(camera.url, camera.capture)
    times: list[float | None] = []
    while stream.receive():  # from the third key frame on, without the loop filter
        times += [picture.pts_s for picture in stream.pictures()]
    stream.close()
    assert times == pytest.approx([number / FPS for number in range(len(times))])
    assert len(times) >= 36


@pytest.mark.parametrize(
    ("order", "step_s"),
    [(range(20), None), ([0, 3, 1, 2, 6, 4, 5, 9, 7, 8, 12], 0.04), ([0, 3, 1, 2], None)],
    ids=["in order", "B-frames", "too few"],
)
def test_the_distance_of_pictures_is_told_where_they_are_reordered(
    order: list[int], step_s: float | None
) -> None:
    reordering = Reordering()
    found = [reordering.step_after(number / FPS) for number in order][-1]
    assert found == (pytest.approx(step_s) if step_s else None)
