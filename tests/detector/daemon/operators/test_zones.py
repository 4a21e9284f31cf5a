"""Zones drawn in the console outlive a restart, and nothing of a damaged file is lost."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest

from alerts.storage.faults import StorageFaults
from config.errors import ControlError
from config.settings import CameraSettings, DetectionSettings, Settings
from config.urls import StreamUrl
from detector.console.monitor import Zones
from detector.daemon.operators.zones import DrawnZones, drawn_in

LEFT = [(0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0)]
RIGHT = [(0.5, 0.0), (1.0, 0.0), (1.0, 1.0), (0.5, 1.0)]
WHOLE = [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)]


def settings(folder: Path) -> Settings:
    stated = DetectionSettings(watch=[RIGHT], open_threshold=0.9)
    cameras = [
        CameraSettings(
            name=name, url=StreamUrl.parse("pattern://calm"), site="yard", detection=stated
        )
        for name in ("gate", "yard")
    ]
    return Settings(state_dir=folder, cameras=cameras)


def test_what_is_drawn_is_laid_over_one_camera_and_outlives_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "zones.json"
    DrawnZones(path).put("gate", Zones(ignore=[LEFT]), "kim")
    drawn = DrawnZones(path)
    gate, yard = drawn.laid_over(settings(tmp_path)).cameras
    assert (gate.detection.watch, gate.detection.ignore) == ([], [LEFT])
    assert gate.detection.open_threshold == 0.9
    assert yard == settings(tmp_path).cameras[1]
    assert drawn_in(path) == drawn.names() == ["gate"]
    drawn.put("gate", None, "kim")
    assert DrawnZones(path).laid_over(settings(tmp_path)) == settings(tmp_path)


@pytest.mark.parametrize(
    "content",
    [b"{", b"", b'{"format": 2, "cameras": {}}', b'{"cameras": {"gate": {"watch": []}}}'],
    ids=["cut off", "empty", "of a later version", "foreign"],
)
def test_a_file_that_cannot_be_used_is_set_aside_and_said(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "zones.json"
    path.write_bytes(content)
    faults = StorageFaults()
    drawn = DrawnZones(path, faults)
    assert drawn.names() == []
    [aside] = tmp_path.glob("zones.json.damaged-*")
    assert aside.read_bytes() == content
    assert any(aside.name in reason for reason in faults.reasons())
    drawn.put("gate", Zones(watch=[LEFT]), "kim")
    assert drawn_in(path) == ["gate"]


def test_a_folder_in_its_place_is_moved_out_of_the_way(tmp_path: Path) -> None:
    (tmp_path / "zones.json").mkdir()
    drawn = DrawnZones(tmp_path / "zones.json")
    drawn.put("gate", Zones(watch=[LEFT]), "kim")
    assert drawn_in(tmp_path / "zones.json") == ["gate"]


def test_a_disk_that_refuses_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "zones.json"
    faults = StorageFaults()
    drawn = DrawnZones(path, faults)
    drawn.put("gate", Zones(watch=[LEFT]), "kim")
    before = path.read_text()

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ControlError, match="No space left"):
        drawn.put("gate", Zones(watch=[RIGHT]), "kim")
    assert path.read_text() == before
    assert drawn.laid_over(settings(tmp_path)).cameras[0].detection.watch == [LEFT]
    assert any("No space left" in reason for reason in faults.reasons())
    monkeypatch.undo()
    drawn.put("gate", Zones(watch=[RIGHT]), "kim")
    assert not faults.reasons()


@pytest.mark.parametrize(
    ("zones", "said"),
    [
        (Zones(ignore=[WHOLE]), "leave nothing"),
        (Zones(watch=[LEFT], ignore=[WHOLE]), "leave nothing"),
        (Zones(watch=[LEFT[:2]]), "a zone is wrong"),
        (Zones(watch=[[(0, 0), (1, 0), (1, 1.5)]]), "a zone is wrong"),
        (Zones(watch=[LEFT] * 33), "at most 32"),
        (Zones(watch=[LEFT * 17]), "64 corners"),
    ],
)
def test_zones_that_would_blind_a_camera_or_are_none_are_refused(
    tmp_path: Path, zones: Zones, said: str
) -> None:
    drawn = DrawnZones(tmp_path / "zones.json")
    with pytest.raises(ControlError, match=said):
        drawn.put("gate", zones, "kim")
    assert not (tmp_path / "zones.json").exists()


def test_a_file_that_a_person_has_edited_is_taken_at_a_reload(tmp_path: Path) -> None:
    path = tmp_path / "zones.json"
    drawn = DrawnZones(path)
    drawn.put("gate", Zones(watch=[LEFT]), "kim")
    written: dict[str, Any] = json.loads(path.read_text())
    written["cameras"]["yard"] = written["cameras"].pop("gate")
    path.write_text(json.dumps(written))
    drawn.read()
    assert drawn.names() == ["yard"]
