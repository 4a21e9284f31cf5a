"""Manifests of public sets, from folders named as their archives unpack."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from config.errors import ConfigError
from models.data.catalogue import SETS, write_manifest
from models.data.clips import Clip, Event, read_clips


def unpacked(folder: Path, *names: str) -> Path:
    """A folder of videos that hold nothing but their own name."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return folder


def read(name: str, folder: Path) -> dict[str, tuple[str, str]]:
    """Label and scene by file name, through the manifest and back."""
    manifest, _ = write_manifest(SETS[name], folder)
    clips = read_clips(manifest)
    assert all(clip.path.is_file() for clip in clips)
    assert {clip.dataset for clip in clips} == {name}
    return {clip.path.name: (clip.label, clip.scene) for clip in clips}


def test_clips_of_one_video_are_one_scene_in_rwf2000(tmp_path: Path) -> None:
    folder = unpacked(
        tmp_path,
        "RWF-2000/train/Fight/-1l5631l3fg_0.avi",
        "RWF-2000/train/NonFight/-1l5631l3fg_1.avi",
        "RWF-2000/val/Fight/0Ow4cotK_uw_12.avi",
    )
    assert read("rwf2000", folder) == {
        "-1l5631l3fg_0.avi": ("violence", "rwf_-1l5631l3fg"),
        "-1l5631l3fg_1.avi": ("normal", "rwf_-1l5631l3fg"),
        "0Ow4cotK_uw_12.avi": ("violence", "rwf_0Ow4cotK_uw"),
    }


def test_rlvs_whose_archive_holds_itself_is_taken_once_with_a_warning(tmp_path: Path) -> None:
    inner = "Real Life Violence Dataset"
    for outer in ("", "real life violence situations/"):
        for name in ("Violence/V_1.mp4", "NonViolence/NV_1.mp4"):
            path = tmp_path / f"{outer}{inner}/{name}"
            path.parent.mkdir(parents=True)
            path.write_text(name)
    _, (rows, warnings) = write_manifest(SETS["rlvs"], tmp_path)
    assert {(row.label, row.scene) for row in rows} == {
        ("violence", "rlvs_v_1"),
        ("normal", "rlvs_nv_1"),
    }
    assert len(rows) == 2
    assert any("still leaks" in warning for warning in warnings)
    assert "2 video(s) are there twice and were taken once" in warnings


def test_both_cameras_of_airtlab_are_one_scene(tmp_path: Path) -> None:
    folder = unpacked(
        tmp_path,
        "violence-detection-dataset/violent/cam1/1.mp4",
        "violence-detection-dataset/violent/cam2/1.mp4",
        "violence-detection-dataset/non-violent/cam1/1.mp4",
    )
    _, (rows, _) = write_manifest(SETS["airtlab"], folder)
    assert sorted(row.label for row in rows) == ["normal", "violence", "violence"]
    assert {row.scene for row in rows} == {"airtlab_room"}


def test_vioperu_and_surveillance_camera_fight(tmp_path: Path) -> None:
    folder = unpacked(
        tmp_path / "vio",
        "train/Fight/f100and.avi",
        "val/NonFight/nf2tala.avi",
        "false_positives_validation/val_nfsanj01.avi",
    )
    assert read("vioperu", folder) == {
        "f100and.avi": ("violence", "vioperu_and"),
        "nf2tala.avi": ("normal", "vioperu_tala"),
        "val_nfsanj01.avi": ("normal", "vioperu_sanj"),
    }
    folder = unpacked(tmp_path / "surv", "fight/fi001.mp4", "noFight/nofi001.mp4")
    assert read("surv-fight", folder) == {
        "fi001.mp4": ("violence", "surv_fi001"),
        "nofi001.mp4": ("normal", "surv_nofi001"),
    }


def test_sphar_names_ucf_crimes_videos_as_ucf_crime_does(tmp_path: Path) -> None:
    folder = unpacked(
        tmp_path,
        "videos/falling/okutama_1.1.1_Lying_15.mp4",
        "videos/hitting/bitint_push_0050.mp4",
        "videos/panicking/livevid_panic1.mp4",
        "videos/stealing/uccrime_Burglary001_x264.mp4",
        "videos/walking/casia_topdownview_p01_walk_a1.mp4",
        "docs/preview.mp4",
    )
    assert read("sphar", folder) == {
        "okutama_1.1.1_Lying_15.mp4": ("fall", "sphar_okutama"),
        "bitint_push_0050.mp4": ("violence", "sphar_bitint"),
        "livevid_panic1.mp4": ("panic", "sphar_livevid_panic1"),
        "uccrime_Burglary001_x264.mp4": ("theft", "ucf_burglary001"),
        "casia_topdownview_p01_walk_a1.mp4": ("normal", "sphar_casia"),
    }


def video(path: Path, fps: int) -> None:
    """Two pictures, which know their rate."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(fps))
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        for _ in range(2):
            picture = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="bgr24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))


def test_ucf_crimes_annotation_gives_spans_in_seconds(tmp_path: Path) -> None:
    video(tmp_path / "Anomaly-Videos-Part-1/Abuse/Abuse028_x264.mp4", fps=30)
    video(tmp_path / "Anomaly-Videos-Part-4/Stealing/Stealing019_x264.mp4", fps=25)
    unpacked(
        tmp_path,
        "Anomaly-Videos-Part-2/Fighting/Fighting002_x264.mp4",
        "Testing_Normal_Videos_Anomaly/Normal_Videos_003_x264.mp4",
        "Training_Normal_Videos_Anomaly/Normal_Videos001_x264.mp4",
        "Normal_Videos_event/Normal_Videos001_x264.mp4",
    )
    (tmp_path / "Temporal_Anomaly_Annotation_for_Testing_Videos.txt").write_text(
        "Abuse028_x264.mp4  Abuse  165  240  -1  -1  \n"
        "Stealing019_x264.mp4  Stealing  2730  2790  4170  4350  \n"
        "Normal_Videos_003_x264.mp4  Normal  -1  -1  -1  -1\n"
    )
    manifest, (_, warnings) = write_manifest(SETS["ucf-crime"], tmp_path)
    clips = {clip.scene: clip for clip in read_clips(manifest)}
    assert clips["ucf_abuse028"].events == (Event("violence", 5.5, 8),)
    assert clips["ucf_stealing019"].events == (
        Event("theft", 109.2, 111.6),
        Event("theft", 166.8, 174),
    )
    for scene in ("ucf_normalvideos003", "ucf_normalvideos001"):
        assert clips[scene].label == "normal"
        assert not clips[scene].untrimmed
    assert len(clips) == 4
    assert len(warnings) == 1
    assert warnings[0].startswith("1 video(s) of crimes were left out")


def test_ucf_crime_without_its_annotation_says_what_is_missing(tmp_path: Path) -> None:
    unpacked(tmp_path, "Fighting/Fighting002_x264.mp4", "Normal/Normal_Videos001_x264.mp4")
    _, (rows, warnings) = write_manifest(SETS["ucf-crime"], tmp_path)
    assert [row.label for row in rows] == ["normal"]
    assert any("Temporal_Anomaly_Annotation" in warning for warning in warnings)


@pytest.mark.parametrize("name", SETS)
def test_a_folder_without_the_set_is_refused_with_what_was_expected(
    tmp_path: Path, name: str
) -> None:
    unpacked(tmp_path, "holiday/beach.mp4")
    with pytest.raises(ConfigError) as raised:
        write_manifest(SETS[name], tmp_path)
    assert SETS[name].layout in str(raised.value)
    assert not (tmp_path / "manifest.csv").exists()
    with pytest.raises(ConfigError, match="is no folder"):
        write_manifest(SETS[name], tmp_path / "gone")


def test_a_manifest_that_may_have_been_corrected_is_not_overwritten(tmp_path: Path) -> None:
    folder = unpacked(tmp_path / "set", "fight/fi001.mp4")
    manifest = folder / "manifest.csv"
    manifest.write_text("by hand")
    with pytest.raises(ConfigError, match="is there already"):
        write_manifest(SETS["surv-fight"], folder)
    assert manifest.read_text() == "by hand"
    elsewhere = tmp_path / "lists/surv.csv"
    with pytest.raises(ConfigError, match="cannot be written"):
        write_manifest(SETS["surv-fight"], folder, elsewhere)
    elsewhere.parent.mkdir()
    write_manifest(SETS["surv-fight"], folder, elsewhere)
    [clip] = read_clips(elsewhere)
    expected = elsewhere.parent / "../set/fight/fi001.mp4"
    assert clip == Clip("../set/fight/fi001.mp4", expected, "violence", "surv_fi001", "surv-fight")
