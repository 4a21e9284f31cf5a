"""`jikimi status`: true, short, and no wider than a terminal."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from detector.cli.status import summary
from detector.daemon.observability.columns import columns

Run = Callable[..., tuple[int, str, str]]
Serve = Callable[..., Path]

CAMERA: dict[str, Any] = {
    "name": "gate",
    "state": "live",
    "url": "rtsp://viewer:***@192.0.2.1/",
    "reason": "",
    "calibration": {
        "violence": {
            "open_threshold": 0.634,
            "learning": True,
            "hours": 31.2,
            "share": 0.57,
            "false_alarms_per_day": 1.24,
        },
        "fire": {
            "open_threshold": 0.8,
            "learning": False,
            "hours": 0,
            "share": 0,
            "false_alarms_per_day": 0,
        },
    },
}
STATUS: dict[str, Any] = {
    "version": "0.1.0",
    "status": "degraded",
    "reasons": ["sink police: connection refused"],
    "cameras": [CAMERA, {**CAMERA, "name": "정문", "state": "stalled", "reason": "no packet"}],
    "sinks": [{"name": "police", "type": "mqtt", "state": "failing"}],
    "model": {"name": "tiny", "engine": "litert", "open_thresholds": {"violence": 0.7}},
    "url": "http://127.0.0.1:8780",
    "state_dir": "/var/lib/jikimi",
    "silences": [],
}
LONG = "loading-dock-north-east-corner-of-building-17-by-the-tall-gates"


def with_learnt(**changed: Any) -> dict[str, Any]:
    status = deepcopy(STATUS)
    for camera in status["cameras"]:
        camera["calibration"]["violence"].update(changed)
    return status


def test_status_shows_cameras_model_sinks_and_what_is_wrong(serve: Serve, run: Run) -> None:
    serve(status=lambda _: STATUS)
    code, out, err = run("status")
    assert (code, err) == (0, "")
    learnt, stated = "violence from 0.63 (31 h learnt, expect 1.2 false a day)", "fire from 0.80"
    for shown in ("gate", "정문", "stalled", "no packet", learnt, f"{stated} (stated)"):
        assert shown in out
    assert "police (mqtt, failing)" in out
    assert "degraded: sink police: connection refused" in out
    assert "http://127.0.0.1:8780/metrics" in out
    assert "silenced" not in out
    assert json.loads(run("status", "--json")[1]) == STATUS


def test_a_camera_whose_zones_were_drawn_in_the_console_is_told_from_the_others() -> None:
    told = "zones drawn in the console"
    assert told not in summary(STATUS)
    rows = summary({**STATUS, "drawn_zones": ["정문"]}).partition("정문")
    assert told not in rows[0]
    assert " ".join(told.split()) in " ".join(rows[2].split())


def test_nothing_is_said_to_be_learnt_that_was_not() -> None:
    fresh = summary(with_learnt(hours=0.0, share=0.0, false_alarms_per_day=1.0))
    assert "violence from 0.63 (not learnt yet)" in fresh
    assert "false a day" not in fresh
    assert " h learnt" not in fresh


def test_false_alarms_are_expected_only_of_a_camera_watched_for_a_day() -> None:
    first = summary(with_learnt(hours=0.4, share=0.016, false_alarms_per_day=1.0))
    assert "(0.4 h learnt)" in first
    assert "(23 h learnt)" in summary(with_learnt(hours=23.0, share=0.489))
    day = summary(with_learnt(hours=24.0, share=0.5, false_alarms_per_day=0.9))
    assert "(24 h learnt, expect 0.9 false a day)" in day


@pytest.mark.usefixtures("_in_seoul")
def test_a_running_silence_is_shown_with_its_camera_and_local_end() -> None:
    noon = datetime.now().astimezone().replace(hour=12, minute=30)
    silences = [
        {"camera": "gate", "until": noon.astimezone(UTC).isoformat()},
        {"camera": None, "until": (noon + timedelta(days=2)).astimezone(UTC).isoformat()},
    ]
    lines = [line.split() for line in summary({**STATUS, "silences": silences}).splitlines()]
    assert ["silenced", "gate", "until", "12:30"] in lines
    later = f"{noon + timedelta(days=2):%Y-%m-%d}"
    assert ["silenced", "every", "camera", "until", later, "12:30"] in lines


@pytest.mark.usefixtures("_in_seoul")
def test_what_waits_for_an_operator_is_shown_with_its_local_end() -> None:
    waiting = {
        "incident": "01a21d6e-a9fe-778f-b5c0-c722b4d7f7e4",
        "camera": "gate",
        "sink": "police",
        "until": "2026-11-27T03:04:05+00:00",
        "then": "send",
    }
    shown = " ".join(summary({**STATUS, "awaiting": [waiting]}).split())
    assert (
        "confirm police waits for an operator: gate, incident 01a21d6e-a9fe-778f-b5c0-c722b4d7f7e4,"
        " until 12:04:05, then send" in shown
    )


def test_long_names_and_sentences_fit_80_columns_and_are_whole(serve: Serve, run: Run) -> None:
    url = "rtsp://operator:***@192.0.2.1:554/Streaming/Channels/102"
    refused = "the camera refused the user name or password, as it did yesterday and before that"
    camera = {**CAMERA, "name": LONG, "url": url, "state": "unauthorised", "reason": refused}
    status = {
        **STATUS,
        "cameras": [*STATUS["cameras"], camera],
        "sinks": [
            {"name": f"sink-{number}", "type": "webhook", "state": "working"} for number in range(9)
        ],
        "reasons": [f"sink police: {refused}"],
    }
    serve(status=lambda _: status)
    out = run("status")[1]
    assert max(map(columns, out.splitlines())) <= 80
    assert LONG in out
    assert url in out
    assert refused in " ".join(out.split())


def test_the_address_that_a_reason_begins_with_is_not_told_twice() -> None:
    camera = {**CAMERA, "state": "offline", "reason": f"{CAMERA['url']}: connection refused"}
    shown = summary({**STATUS, "cameras": [camera]})
    assert "(connection refused)" in shown
    assert shown.count(CAMERA["url"]) == 1


def test_the_states_of_cameras_stand_in_a_column() -> None:
    gate, korean = [line for line in summary(STATUS).splitlines() if "camera  " in line]
    assert gate.startswith("  camera    gate  live     ")
    assert korean.startswith("  camera    정문  stalled  ")


def test_the_state_directory_on_the_command_line_wins(
    serve: Serve, run: Run, tmp_path: Path
) -> None:
    serve(status=lambda _: STATUS)
    assert run("status", "--state-dir", tmp_path / "other")[0] == 6


def test_the_daemon_of_the_configuration_file_is_asked(
    run: Run, serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(status=lambda _: STATUS)
    monkeypatch.delenv("JIKIMI_STATE_DIR")
    config = tmp_path / "config/jikimi/jikimi.yaml"
    config.parent.mkdir(parents=True)
    config.write_text("state_dir: ../..\ncameras: {gate: nonsense}\n")
    assert run("status")[0] == 0
    assert run("status", "--state-dir", tmp_path / "elsewhere")[0] == 6
    config.write_text("cameras:\n  gate: rtsp://192.0.2.1/\n")
    assert run("status")[0] == 6
