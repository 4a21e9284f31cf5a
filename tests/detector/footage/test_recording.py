"""Files as technicians have them: any rate, any name, and some that are broken."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from config.errors import StreamError
from detector.capture import decoder as decoder_module
from detector.capture.decoder import Decoder
from detector.capture.packets import demuxed
from detector.footage import recording
from detector.footage.recording import EPOCH, recorded_samples, recorded_seconds
from footage import PHONE, show_turned, write_raw, write_video
from servers.rtsp import make_clip


def pictures(count: int, width: int = 320, height: int = 240) -> list[np.ndarray]:
    """A bright bar that moves a step a picture over a smooth scene."""
    scene = np.linspace(40, 160, width, dtype=np.uint8)
    made = []
    for i in range(count):
        picture = np.repeat(np.tile(scene, (height, 1))[:, :, None], 3, 2)
        picture[:, (i * 7) % (width - 20) :][:, :20] = 230
        made.append(picture)
    return made


@pytest.mark.parametrize(("fps", "expected"), [(25, 24), (30, 24), (12.5, 24), (8, 24), (5, 15)])
def test_three_seconds_at_any_rate(make_video: Any, fps: float, expected: int) -> None:
    path = make_video(pictures(round(3 * fps)), fps)
    samples = list(recorded_samples(path, "gate"))
    assert abs(len(samples) - expected) <= 1
    times = [sample.pts_s for sample in samples]
    assert times[0] == 0
    assert times == sorted(times)
    assert all(s.utc == EPOCH + timedelta(seconds=s.pts_s) for s in samples)
    assert {s.camera for s in samples} == {"gate"}
    assert {s.grey.shape for s in samples} == {(240, 320)}
    assert recorded_seconds(path) == pytest.approx(len(pictures(round(3 * fps))) / fps, abs=0.1)


def test_greys_are_the_area_average_of_what_was_filmed(make_video: Any) -> None:
    filmed = pictures(16, 640, 480)
    path = make_video(filmed, 8, quality=1)
    samples = list(recorded_samples(path))
    assert len(samples) == len(filmed)
    for sample, picture in zip(samples, filmed, strict=True):
        expected = cv2.resize(picture[:, :, 0], (320, 240), interpolation=cv2.INTER_AREA)
        difference = np.abs(sample.grey.astype(float) - expected)
        assert difference.mean() < 2.5


@pytest.mark.parametrize("close", [True, False], ids=["close key frames", "far apart"])
def test_is_decoded_as_the_daemon_decodes_unless_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, close: bool
) -> None:
    gop = 25
    monkeypatch.setattr(decoder_module, "UNFILTERED_GOP", gop if close else gop - 1)
    path = make_clip(tmp_path / "clip.mp4", size=(320, 192), seconds=1, gop=gop)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        decoder = Decoder(stream)
        live = [
            frame.reformat(format="gray8").to_ndarray()
            for packet in container.demux(stream)
            for frame in decoder.decode(packet, gop)
        ]
    as_live = [sample.grey for sample in recorded_samples(path)]
    whole = [sample.grey for sample in recorded_samples(path, whole=True)]
    ticks = [round(sample.pts_s * 25) for sample in recorded_samples(path)]
    assert all((live[tick] == grey).all() for tick, grey in zip(ticks, as_live, strict=True))
    assert close == any((a != b).any() for a, b in zip(as_live, whole, strict=True))


def test_the_frame_of_a_sample_is_its_picture_in_full(make_video: Any) -> None:
    filmed = pictures(8, 640, 480)
    samples = list(recorded_samples(make_video(filmed, 8, quality=1)))
    for sample, picture in zip(samples, filmed, strict=True):
        assert sample.frame is not None
        full = sample.frame.bgr(1280)
        assert full.shape == (480, 640, 3)
        assert np.abs(full.astype(float) - picture).mean() < 4


def test_a_title_that_is_not_utf8_is_no_reason_to_refuse(make_video: Any) -> None:
    path = make_video(pictures(25), title="XXXXXXXX")
    path.write_bytes(path.read_bytes().replace(b"XXXXXXXX", b"C\xe1mara\xff1"))
    with pytest.raises(UnicodeDecodeError), av.open(str(path)):
        pass  # else this test shows nothing
    assert len(list(recorded_samples(path))) == 8
    assert recorded_seconds(path) == pytest.approx(1.0, abs=0.1)


def test_a_name_with_a_colon_is_a_file_not_a_protocol(
    make_video: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    path: Path = make_video(pictures(25), name="2026-01-01T12:30:00.mp4")
    monkeypatch.chdir(path.parent)
    assert len(list(recorded_samples(Path(path.name)))) == 8
    assert recorded_seconds(Path(path.name)) == pytest.approx(1.0, abs=0.1)


def test_damaged_frames_are_skipped(make_video: Any) -> None:
    path = make_video(pictures(100), name="clip.ts")
    content = bytearray(path.read_bytes())
    rng = np.random.default_rng(1)
    for start in range(len(content) // 3, len(content) // 2, 600):
        content[start : start + 40] = rng.bytes(40)
    path.write_bytes(bytes(content))
    samples = list(recorded_samples(path))
    assert 8 <= len(samples) <= 32
    assert samples[-1].pts_s > 3


def test_a_file_cut_short_gives_what_it_holds(make_video: Any) -> None:
    path = make_video(pictures(100), name="clip.ts")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert 4 <= len(list(recorded_samples(path))) < 32


def sound(path: Path) -> None:
    """A second of silence, and no video."""
    with av.open(str(path), "w", format="wav") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        silence = av.AudioFrame.from_ndarray(
            np.zeros((1, 8000), np.int16), format="s16", layout="mono"
        )
        silence.sample_rate = 8000
        container.mux(stream.encode(silence))
        container.mux(stream.encode(None))


def headless(path: Path) -> None:
    """An .mp4 whose index never got written, as after a power cut."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.height, stream.width, stream.pix_fmt = 240, 320, "yuv420p"
        for picture in pictures(25):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        container.mux(stream.encode(None))
    whole = buffer.getvalue()
    path.write_bytes(whole[: whole.rindex(b"moov") - 4])


BROKEN: dict[str, Callable[[Path], object]] = {
    "absent": lambda path: None,
    "empty": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_text("not a video\n" * 50),
    "noise": lambda path: path.write_bytes(np.random.default_rng(1).bytes(20_000)),
    "folder": lambda path: path.mkdir(),
    "sound": sound,
    "headless": headless,
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_file_that_is_no_video_is_an_error_that_names_it(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"{kind}.mp4"
    BROKEN[kind](path)
    with pytest.raises(StreamError) as caught:
        list(recorded_samples(path))
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 3
    if kind != "sound":
        with pytest.raises(StreamError, match="cannot be read as video"):
            recorded_seconds(path)


@pytest.mark.parametrize(("name", "codec"), [("raw.h264", "libx264"), ("raw.hevc", "libx265")])
@pytest.mark.parametrize("fps", [25, 10])
def test_a_raw_stream_without_time_stamps_is_counted_at_its_rate(
    tmp_path: Path, name: str, codec: str, fps: int
) -> None:
    path = write_raw(tmp_path / name, pictures(2 * fps), fps, codec)
    samples = list(recorded_samples(path))
    assert len(samples) == 16
    assert samples[-1].pts_s == pytest.approx(15 / 8, abs=0.1)


def test_a_phones_portrait_video_is_upright(make_video: Any) -> None:
    path = show_turned(make_video(pictures(25, 320, 192), name="phone.mp4"), PHONE)
    upright = make_video((np.rot90(p, -1) for p in pictures(25, 320, 192)), name="upright.mp4")
    pairs = list(zip(recorded_samples(path), recorded_samples(upright), strict=True))
    assert len(pairs) == 8
    for turned, straight in pairs:
        assert turned.grey.shape == straight.grey.shape == (320, 192)
        assert np.abs(turned.grey.astype(int) - straight.grey).mean() < 2
        assert turned.frame is not None
        assert turned.frame.bgr(100).shape == (100, 60, 3)


CONTAINERS = ["clip.mp4", "clip.ts", "clip.mkv", "raw.h264"]


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Four seconds in each container: the file's name, and what is in it."""
    folder = tmp_path_factory.mktemp("recordings")
    for name in CONTAINERS:
        if name.endswith("h264"):
            write_raw(folder / name, pictures(100), 25)
        else:
            write_video(folder / name, pictures(100), 25, gop=10)
    return {name: (folder / name).read_bytes() for name in CONTAINERS}


@pytest.mark.parametrize("name", CONTAINERS)
@pytest.mark.parametrize("seed", range(5))
def test_a_damaged_packet_costs_no_more_than_what_hangs_on_it(
    recordings: dict[str, bytes], tmp_path: Path, name: str, seed: int
) -> None:
    path, content = tmp_path / name, bytearray(recordings[name])
    rng = np.random.default_rng(seed)
    at = int(rng.integers(len(content) // 3, len(content) // 2))
    content[at : at + 40] = rng.bytes(40)
    path.write_bytes(bytes(content))
    samples = list(recorded_samples(path))
    assert len(samples) >= 26
    assert samples[-1].pts_s > 3.7


def test_damage_between_packets_is_passed_over(tmp_path: Path) -> None:
    """The reader of the plainest container stumbles over a header."""
    colour = b"\x80" * (64 * 24 - 1) + b"\n"
    frames = [b"FRAME\n" + bytes([60 + n]) * (64 * 48) + colour for n in range(50)]
    frames[20] = frames[20].replace(b"FRAME", b"FLAME")
    path = tmp_path / "clip.y4m"
    path.write_bytes(b"YUV4MPEG2 W64 H48 F25:1 Ip A1:1 C420jpeg\n" + b"".join(frames))
    samples = list(recorded_samples(path))
    assert len(samples) >= 15
    assert samples[-1].grey.mean() > 105


def test_a_decoder_that_lacks_a_feature_does_not_end_the_file(
    make_video: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What libav answers then is neither of its errors for damaged data."""
    path = make_video(pictures(50))
    whole = len(list(recorded_samples(path)))
    given = demuxed

    class Unwilling:
        """A packet for which libavcodec wants a patch."""

        def decode(self) -> list[av.VideoFrame]:
            raise av.PatchWelcomeError(0, "not yet implemented")

    def interrupted(*asked: Any) -> Any:
        for number, packet in enumerate(given(*asked)):
            if number == 20:
                yield Unwilling()
            yield packet

    monkeypatch.setattr(recording, "demuxed", interrupted)
    monkeypatch.setattr(recording, "_usual_gop", lambda path: 0)
    assert len(list(recorded_samples(path))) == whole


def test_one_picture_is_one_sample(make_video: Any) -> None:
    assert len(list(recorded_samples(make_video(pictures(1))))) == 1
