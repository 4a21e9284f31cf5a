"""A file scored as the daemon would: the fight found where it is, and drawn for people."""

from __future__ import annotations

import io
import json
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from small_second_look import add_second_look

from config.errors import JikimiError, StreamError
from config.settings import DetectionSettings
from detector.capture.demo.stream import render
from detector.cli.score import seconds_bar
from detector.footage.drawing import AMBER, RED, annotate, draw, plot
from detector.footage.scoring import CHUNK, FileScore, Moment, score_file
from detector.inference.second_look.weights import load_second_look
from detector.inference.weights import Classifier, load_classifier, shipped_weights
from detector.types import Box
from footage import PHONE, SURE_MINUTE_S, show_turned

MakeWeights = Callable[..., Path]
SHARED = Path(__file__).parents[4] / "shared/data"
README = Path(__file__).parents[3] / "detector/README.md"


def score(path: Path, classifier: Classifier, **detection: Any) -> FileScore:
    return score_file(path, classifier, DetectionSettings(**detection), lambda at_s: None)


@pytest.fixture(scope="module")
def brawl_score(brawl_video: Path, classifier: Classifier) -> FileScore:
    return score(brawl_video, classifier)


def test_the_one_brawl_is_found_where_it_is(brawl_score: FileScore) -> None:
    [incident] = brawl_score.incidents
    assert incident.label == "violence"
    assert 3 < incident.start_s < 5
    assert 6 <= incident.end_s < 8
    assert incident.peak > 0.9
    assert brawl_score.duration_s == pytest.approx(12, abs=0.1)
    for moment in brawl_score.moments:
        if moment.at_s < 3 or moment.at_s > 6.6:
            assert moment.probability == 0
            assert moment.box is None
        if 3.6 < moment.at_s < 6:
            assert moment.probability > 0.9
            assert moment.box is not None


@pytest.mark.parametrize(("logit", "found"), [(3.0, True), (-3.0, False)])
def test_with_a_second_look_only_what_that_finds_too_is_an_incident(
    brawl_video: Path, make_weights: MakeWeights, logit: float, found: bool
) -> None:
    sidecar = add_second_look(make_weights(), logit)
    second_look = load_second_look(sidecar)
    scored = score_file(brawl_video, load_classifier(sidecar), second_look=second_look)
    assert [incident.verified for incident in scored.incidents] == [True] * found
    fused = [moment.fused for moment in scored.moments if 4.5 < moment.at_s < 6]
    assert fused == pytest.approx([1 / (1 + np.exp(-logit))] * len(fused), abs=0.001)
    told = scored.as_json()["incidents"]
    assert [(one["verified"], 3.5 < one["start_s"] < 4.7) for one in told] == [(True, True)] * found
    off = score_file(
        brawl_video,
        load_classifier(sidecar),
        DetectionSettings(second_look=False),
        second_look=second_look,
    )
    assert [incident.verified for incident in off.incidents] == [False]
    assert {moment.fused for moment in off.moments} == {None}


def test_every_sample_from_the_fifth_is_scored_in_order(brawl_score: FileScore) -> None:
    times = [moment.at_s for moment in brawl_score.moments]
    assert len(times) == pytest.approx(8 * 12 - 4, abs=1)
    assert times == sorted(times)


def test_the_json_is_the_documented_one(brawl_video: Path, brawl_score: FileScore) -> None:
    found = json.loads(json.dumps(brawl_score.as_json()))
    assert list(found) == ["video", "duration_s", "scores", "incidents"]
    assert found["video"] == str(brawl_video)
    assert all(len(pair) == 2 and 0 <= pair[1] <= 1 for pair in found["scores"])
    # calibrated, not smoothed
    assert [p for _, p in found["scores"]] == pytest.approx(
        [m.probability for m in brawl_score.moments], abs=1e-4
    )
    [incident] = found["incidents"]
    assert {"start_s", "end_s", "peak"} <= set(incident)


def test_what_the_operator_states_counts(brawl_video: Path, classifier: Classifier) -> None:
    assert score(brawl_video, classifier, min_duration_s=60).incidents == []
    elsewhere = [(0.0, 0.0), (0.2, 0.0), (0.2, 1.0), (0.0, 1.0)]
    assert score(brawl_video, classifier, watch=[elsewhere]).incidents == []


def test_a_fight_that_goes_on_to_the_end_is_closed_there(
    make_video: Any, brawl_pictures: Any, classifier: Classifier
) -> None:
    path = make_video(brawl_pictures(5, 25, active=(1, 5)))
    [incident] = score(path, classifier).incidents
    assert incident.end_s > 4.5


def test_a_video_too_short_for_a_view_has_no_scores(
    make_video: Any, brawl_pictures: Any, classifier: Classifier
) -> None:
    found = score(make_video(brawl_pictures(0.3, 25, active=(0, 1))), classifier)
    assert found.as_json()["scores"] == found.as_json()["incidents"] == []
    assert found.unseen == "it is shorter than the half second that a motion view takes"


def test_progress_reaches_the_end(brawl_video: Path, classifier: Classifier) -> None:
    heard: list[float] = []
    score_file(brawl_video, classifier, DetectionSettings(), heard.append)
    assert heard == sorted(heard)
    assert heard[-1] > 11.5


def test_an_unreadable_file_is_an_error(tmp_path: Path, classifier: Classifier) -> None:
    with pytest.raises(StreamError, match="absent"):
        score(tmp_path / "absent.mp4", classifier)


class OrderedHead:
    """As a temporal head: the n-th thing it hears of, view or rest, is scored n/1000."""

    labels = ("violence",)

    def new_state(self) -> list[str]:
        return []

    def __call__(self, embeddings: NDArray[Any], states: Sequence[list[str]]) -> NDArray[Any]:
        assert len(embeddings) == len(states) == 1
        return self.rest(states[0])[None]

    def rest(self, state: list[str]) -> NDArray[Any]:
        state.append("heard")
        return np.array([len(state) / 1000], np.float32)


def test_a_head_that_looks_back_sees_the_views_one_by_one(
    brawl_video: Path, classifier: Classifier
) -> None:
    found = score(brawl_video, replace(classifier, head=OrderedHead()))
    assert len(found.moments) > CHUNK
    assert [round(m.probability * 1000) for m in found.moments] == list(
        range(1, len(found.moments) + 1)
    )


@pytest.mark.slow
def test_the_readmes_lines_of_python_score_a_file(
    make_video: Any, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """The snippet in the room's README, on a brawl of the demo that the second look is sure of."""
    filmed = (
        np.asarray(render("scuffle", SURE_MINUTE_S + 14 + i / 8), np.uint8) for i in range(16 * 8)
    )
    video = make_video(filmed, 8, name="yard.mp4")
    monkeypatch.chdir(video.parent)
    [snippet] = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    exec(snippet, {})
    said = capsys.readouterr().out
    assert re.fullmatch(r"violence from \d+\.\d to \d+\.\d s\n", said)
    assert 6 < float(said.split()[2]) < 12


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--plot", "out.png"], "pip install 'jikimi[plot]'"),
        (["--annotate", "absent/out.mp4"], "absent/out.mp4: cannot be written"),
    ],
)
def test_what_is_lacking_is_told_before_a_file_is_scored(
    brawl_video: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    run: Any,
    arguments: list[str],
    said: str,
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)  # as if it were not installed
    monkeypatch.chdir(tmp_path)
    code, out, err = run("score", brawl_video, *arguments)
    assert (code, out) == (1, "")
    assert said in err


@pytest.mark.parametrize(("length_s", "told"), [(1091.3, "112 of 1091 s"), (0.0, "112 s")])
def test_progress_is_told_in_seconds(
    monkeypatch: pytest.MonkeyPatch, length_s: float, told: str
) -> None:
    written = io.StringIO()
    monkeypatch.setattr(written, "isatty", lambda: True)  # else no bar is drawn
    monkeypatch.setattr(sys, "stderr", written)
    with seconds_bar("yard.mp4", length_s) as bar:
        bar.update(112.3)
        bar.refresh()
    assert f"yard.mp4: {told}" in written.getvalue()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["out.mp4", "12:30.mkv"])
def test_the_annotated_video_opens_and_shows_what_was_found(
    tmp_path: Path, brawl_video: Path, brawl_score: FileScore, name: str
) -> None:
    out = tmp_path / name
    annotate(brawl_video, brawl_score, out)
    with av.open(f"file:{out}") as container:
        frames = [(f.time, f.to_ndarray(format="bgr24")) for f in container.decode(video=0)]
    assert len(frames) == 300
    assert frames[-1][0] == pytest.approx(299 / 25, abs=0.05)
    assert {picture.shape for _, picture in frames} == {(240, 320, 3)}
    [incident] = brawl_score.incidents
    for time, picture in frames:
        bar = picture[-4, 8].astype(int)
        if incident.start_s + 0.2 < time < 6:
            assert np.abs(bar - RED).max() < 40
        if time < 3:
            assert np.abs(bar - RED).max() > 40


@pytest.mark.parametrize("size", [(121, 161), (50, 37)])
def test_odd_sides_are_annotated_too(
    tmp_path: Path, make_video: Any, classifier: Classifier, size: tuple[int, int]
) -> None:
    rng = np.random.default_rng(1)
    # Motion JPEG takes odd sides, as some cameras have them
    path = tmp_path / "odd.avi"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=25)
        stream.height, stream.width, stream.pix_fmt = *size, "yuvj444p"
        for _ in range(25):
            noise = rng.integers(0, 255, (*size, 3), dtype=np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(noise, format="bgr24")))
        container.mux(stream.encode(None))
    out = tmp_path / "out.mp4"
    annotate(path, score(path, classifier), out)
    with av.open(str(out)) as container:
        first = next(container.decode(video=0))
        assert (first.height, first.width) == (size[0] & ~1, size[1] & ~1)


def test_a_phones_portrait_video_is_annotated_upright(
    tmp_path: Path, make_video: Any, classifier: Classifier
) -> None:
    picture = np.zeros((192, 320, 3), np.uint8)
    picture[:64, :64] = 255  # the top right corner once it is upright
    phone = show_turned(make_video([picture] * 25, name="phone.mp4"), PHONE)
    out = tmp_path / "out.mp4"
    annotate(phone, score(phone, classifier), out)
    with av.open(str(out)) as container:
        first = next(container.decode(video=0))
    assert (first.width, first.height) == (192, 320)
    shown = first.to_ndarray(format="gray8")
    assert shown[10:50, -50:].min() > 200
    assert shown[10:50, :100].max() < 60


@pytest.mark.slow
def test_a_raw_stream_is_scored_and_annotated(
    tmp_path: Path, brawl_video: Path, brawl_score: FileScore, classifier: Classifier
) -> None:
    raw, out = tmp_path / "brawl.h264", tmp_path / "out.mp4"
    with av.open(str(brawl_video)) as source, av.open(str(raw), "w") as target:
        copied = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = copied
                target.mux(packet)
    found = score(raw, classifier)
    assert found.duration_s == pytest.approx(brawl_score.duration_s, abs=0.2)
    [incident], [expected] = found.incidents, brawl_score.incidents
    assert incident.start_s == pytest.approx(expected.start_s, abs=0.1)
    annotate(raw, found, out)
    with av.open(str(out)) as container:
        times = [frame.time for frame in container.decode(video=0)]
    assert len(times) == 300
    assert times[-1] == pytest.approx(299 / 25, abs=0.05)


def test_the_video_itself_is_never_written_over(
    tmp_path: Path, brawl_video: Path, brawl_score: FileScore, monkeypatch: pytest.MonkeyPatch
) -> None:
    video = tmp_path / "footage.mp4"
    video.write_bytes(brawl_video.read_bytes())
    monkeypatch.chdir(tmp_path)
    for out in (video, Path("footage.mp4")):
        with pytest.raises(JikimiError, match="is the video itself"):
            annotate(video, brawl_score, out)
    assert video.read_bytes() == brawl_video.read_bytes()


@pytest.mark.parametrize("name", ["absent/out.mp4", "out.nonsense"])
def test_a_video_that_cannot_be_written_is_an_error_that_names_it(
    tmp_path: Path, brawl_video: Path, brawl_score: FileScore, name: str
) -> None:
    with pytest.raises(JikimiError, match=name):
        annotate(brawl_video, brawl_score, tmp_path / name)


def test_the_drawing_marks_the_crop_and_the_score() -> None:
    for inside, colour in ((False, AMBER), (True, RED)):
        picture = np.zeros((240, 320, 3), np.uint8)
        draw(picture, Moment(1.0, 0.9, 0.5, Box(0.25, 0.25, 0.5, 0.5)), inside=inside)
        assert tuple(picture[60, 160]) == colour  # the crop's upper edge
        assert tuple(picture[-2, 100]) == colour  # the bar reaches half way
        assert tuple(picture[-2, 200]) == (0, 0, 0)
    bare = np.zeros((240, 320, 3), np.uint8)
    draw(bare, Moment(1.0, 0.0, 0.0, None), inside=False)
    assert (bare[60:200] == 0).all()


@pytest.mark.slow
def test_the_plot_is_a_picture_with_room_for_every_file(
    tmp_path: Path, brawl_score: FileScore
) -> None:
    pytest.importorskip("matplotlib")
    heights = []
    for count in (1, 3):
        out = tmp_path / f"{count}.png"
        plot([brawl_score] * count, {"violence": 0.7}, out)
        heights.append(cv2.imread(str(out)).shape[0])
    assert heights[1] > 2 * heights[0]


@pytest.mark.parametrize("name", ["absent/out.png", "out.nonsense"])
def test_a_plot_that_cannot_be_written_is_an_error_that_names_it(
    tmp_path: Path, brawl_score: FileScore, name: str
) -> None:
    pytest.importorskip("matplotlib")
    with pytest.raises(JikimiError, match=name):
        plot([brawl_score], {"violence": 0.7}, tmp_path / name)


@pytest.mark.slow
@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the footage in ../shared/data")
@pytest.mark.skipif(not shipped_weights().exists(), reason="no weights are shipped yet")
@pytest.mark.parametrize("group", ["surv_fight", "vioperu", "more_handheld"])
def test_real_footage_scores_without_a_hitch(group: str) -> None:
    classifier = load_classifier()
    clips = sorted(p for p in (SHARED / group).rglob("*") if p.suffix in {".mp4", ".avi", ".mkv"})
    for clip in clips[:: max(1, len(clips) // 3)][:3]:
        found = score(clip, classifier)
        assert found.duration_s > 0
        assert all(0 <= moment.probability <= 1 for moment in found.moments)
