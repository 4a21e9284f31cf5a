"""Clips cut from what real RTSP streams sent: they begin before the incident, and play."""

from __future__ import annotations

import json
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from filming import BOX, Evidence, played

from detector.evidence.record import Kind
from detector.motion.orientation import orientation_of
from footage import PHONE, show_turned
from servers.rtsp import Feed, RtspServer, make_clip, needs_rtsp_server

GOP_S = 1.0
"""Of the clips here."""

CODECS = {"h264": "libx264", "hevc": "libx265", "mjpeg": "mjpeg"}


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """2 s of each codec, and H.264 with B-frames."""
    folder = tmp_path_factory.mktemp("streams")
    made = {
        name: make_clip(folder / f"{name}.mp4", seconds=2, codec=codec)
        for name, codec in CODECS.items()
    }
    return made | {"reordered": make_clip(folder / "reordered.mp4", seconds=2, b_frames=2)}


@pytest.mark.slow
def test_clips_of_every_codec_begin_before_their_incident_and_play(
    evidence: Callable[..., Evidence], clips: dict[str, Path]
) -> None:
    needs_rtsp_server()
    with RtspServer(clips) as server:
        kept = evidence()
        films = [kept.film(server.url(name), name) for name in clips]
        for film in films:
            film.watch(2.5)
        incidents = [film.open() for film in films]
        for film in films:
            film.watch(1.0)
            film.close()
        records = {incident.camera: kept.whole(incident) for incident in incidents}
    for incident in incidents:
        record = records[incident.camera]
        [clip] = record.clips
        frames = played(kept.of(incident) / clip.name)
        assert 1.0 <= clip.pre_roll_s <= 1.0 + GOP_S + 0.2
        lasts_s = (record.closed_at - record.opened_at).total_seconds()
        assert clip.seconds == pytest.approx(clip.pre_roll_s + lasts_s + 1.0, abs=0.3)
        assert len(frames) == pytest.approx(25 * clip.seconds, abs=3)
        assert clip.codec == {"reordered": "h264"}.get(incident.camera, incident.camera)
        assert clip.plays_in_browser is (clip.codec == "h264")
        assert record.missing == []
    assert {file.incident for file in kept.told} == {incident.id for incident in incidents}


@pytest.mark.slow
def test_stills_show_the_place_and_scores_tell_the_course(
    evidence: Callable[..., Evidence], clips: dict[str, Path]
) -> None:
    with RtspServer({"a": clips["h264"]}) as server:
        kept = evidence(post_roll_s=0.5)
        film = kept.film(server.url("a"))
        film.watch(1.0)
        incident = film.open()
        film.watch(0.5)
        film.close()
        record = kept.whole(incident)
    folder = kept.of(incident)
    for still in ("first", "peak", "latest"):
        clean = cv2.imread(str(folder / f"{still}.jpg")).astype(int)
        marked = cv2.imread(str(folder / f"{still}-marked.jpg")).astype(int)
        assert clean.shape == marked.shape == (360, 640, 3)
        rows, columns = np.nonzero(np.abs(clean - marked).max(axis=2) > 60)
        assert rows.min() == pytest.approx(360 * BOX.top, abs=8)
        assert columns.max() == pytest.approx(640 * (BOX.left + BOX.width), abs=8)
    curve = json.loads((folder / "scores.json").read_text())
    times = [point[0] for point in curve["points"]]
    assert times == sorted(times)
    assert times[0] <= -0.3
    high = [at_s for at_s, _, smoothed, _ in curve["points"] if smoothed > 0.5]
    assert min(high) == 0
    assert times[-1] > max(high)
    assert curve["points"][-1][3] == [BOX.left, BOX.top, BOX.width, BOX.height]
    assert {file.kind for file in record.files} == set(Kind)


@pytest.mark.slow
def test_a_camera_lost_in_mid_incident_goes_on_in_a_second_part(
    evidence: Callable[..., Evidence], clips: dict[str, Path]
) -> None:
    with RtspServer({"a": clips["h264"]}) as server:
        kept = evidence()
        film = kept.film(server.url("a"))
        film.watch(1.5)
        incident = film.open()
        film.watch(0.5)
        server.kill()
        film.wait_state("offline")
        server.start()
        film.wait_state("live")
        film.watch(1.0)
        film.close()
        record = kept.whole(incident)
    first, second = record.clips
    assert first.pre_roll_s >= 1.0
    assert second.pre_roll_s < 0
    assert second.begins_at > first.begins_at
    for clip in (first, second):
        played(kept.of(incident) / clip.name)


@pytest.mark.slow
def test_two_incidents_whose_clips_overlap_each_have_the_whole(
    evidence: Callable[..., Evidence], clips: dict[str, Path]
) -> None:
    with RtspServer({"a": clips["h264"]}) as server:
        kept = evidence()
        film = kept.film(server.url("a"))
        film.watch(2.2)
        first = film.open()
        film.watch(0.2)
        film.close()
        film.watch(0.2)
        second = film.open()
        film.watch(0.2)
        film.close()
        records = [kept.whole(first), kept.whole(second)]
    ends = []
    for incident, record in zip((first, second), records, strict=True):
        [clip] = record.clips
        assert clip.pre_roll_s >= 1.0
        played(kept.of(incident) / clip.name)
        ends.append(clip.begins_at.timestamp() + clip.seconds)
    assert records[1].clips[0].begins_at.timestamp() < ends[0]


@pytest.mark.slow
def test_another_picture_size_in_mid_stream_begins_a_second_part(
    evidence: Callable[..., Evidence], clips: dict[str, Path], tmp_path: Path
) -> None:
    needs_rtsp_server()
    tall = make_clip(tmp_path / "tall.mp4", size=(480, 640), seconds=2)
    with RtspServer({"a": Feed((clips["h264"], tall))}) as server:
        kept = evidence(post_roll_s=0)
        film = kept.film(server.url("a"))
        film.watch(1.2)
        incident = film.open()
        film.watch(1.5)
        film.close()
        record = kept.whole(incident)
    sizes = []
    for clip in record.clips:
        path = kept.of(incident) / clip.name
        data = path.read_bytes()
        at = data.rindex(b"tkhd") + 80  # ISO 14496-12, version 0: 16.16 bits each
        stated = tuple(side >> 16 for side in struct.unpack_from(">II", data, at))
        frames = played(path)
        assert {(frame.width, frame.height) for frame in frames} == {stated}
        sizes.append(stated)
    assert len(sizes) >= 2
    assert set(sizes[0::2]) == {(640, 360)}
    assert set(sizes[1::2]) == {(480, 640)}


@pytest.mark.slow
def test_a_rendered_camera_has_a_clip_too(evidence: Callable[..., Evidence]) -> None:
    kept = evidence(post_roll_s=0)
    film = kept.film("pattern://calm")
    film.watch(2.2)
    incident = film.open()
    film.watch(0.5)
    film.close()
    [clip] = kept.whole(incident).clips
    assert clip.plays_in_browser
    assert clip.pre_roll_s >= 1.0
    frames = played(kept.of(incident) / clip.name)
    assert len(frames) == pytest.approx(film.sampled_within(clip.seconds), abs=2)


@pytest.mark.slow
def test_a_clip_of_a_turned_video_says_how_it_is_to_be_shown(
    evidence: Callable[..., Evidence], clips: dict[str, Path], tmp_path: Path
) -> None:
    turned = show_turned(Path(shutil.copy(clips["h264"], tmp_path / "phone.mp4")), PHONE)
    kept = evidence(pre_roll_s=0, post_roll_s=0)
    film = kept.film(str(turned))
    film.watch(0.5)
    incident = film.open()
    film.watch(0.5)
    film.close()
    clip = kept.whole(incident).clips[0]
    frames = played(kept.of(incident) / clip.name)
    with av.open(str(turned)) as original:
        expected = orientation_of(next(original.decode(video=0)))
    assert expected.transposed
    assert orientation_of(frames[0]) == expected
    assert cv2.imread(str(kept.of(incident) / "first.jpg")).shape == (640, 360, 3)
