"""What people read on a terminal: one short line an event, in local time, alarms in red."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable
from datetime import datetime

import pytest
from structlog import get_logger

from config.settings import LogSettings
from detector.daemon.observability.log_writer import LogWriter
from detector.daemon.observability.logs import configure_logging
from servers.terminal import Terminal

RED = "\x1b[1;31m"
OPENED = {"phase": "opened", "camera": "gate", "label": "violence", "peak": 0.87}
CLOSED = {**OPENED, "phase": "closed", "peak": 0.91, "sinks": ["police"], "duration_s": 17.6}
COPY = {
    "sink": "log",
    "phase": "opened",
    "camera": "gate",
    "label": "violence",
    "score": 0.87,
    "late": False,
    "opened_at": "2026-06-01T12:00:00Z",
}

Shown = Callable[[Callable[[], object]], list[str]]
"""The lines, without their time, of what a function logs."""


@pytest.fixture
def show(own_logging: None, monkeypatch: pytest.MonkeyPatch) -> Shown:
    """A terminal of 80 columns without colours, and the log on it."""
    monkeypatch.setenv("NO_COLOR", "1")

    def shown(log: Callable[[], object], level: str = "info") -> list[str]:
        text = on_terminal(monkeypatch, log, level)
        assert all(len(line) <= 80 for line in text.splitlines())
        return re.sub(r"(?m)^\d\d:\d\d:\d\d  ", "", text).splitlines()

    return shown


def on_terminal(
    monkeypatch: pytest.MonkeyPatch, log: Callable[[], object], level: str = "info"
) -> str:
    terminal = Terminal(80)
    with os.fdopen(os.dup(terminal.inside), "w", buffering=1) as stderr, monkeypatch.context() as p:
        p.setattr(sys, "stderr", stderr)
        writer = LogWriter(stderr, None)
        writer.start()
        configure_logging(LogSettings.model_validate({"level": level}), writer)
        log()
        writer.close(10)
    return terminal.text()


def test_an_alarm_says_where_what_and_who_is_told(show: Shown) -> None:
    assert show(lambda: get_logger().warning("incident", **OPENED, sinks=["police", "siren"])) == [
        "ALARM   gate  violence 0.87  → police, siren"
    ]
    assert show(lambda: get_logger().warning("incident", **OPENED, sinks=[])) == [
        "ALARM   gate  violence 0.87  → no sink"
    ]


def test_an_alarm_says_that_it_is_not_verified_and_the_log_once_why(show: Shown) -> None:
    def log() -> None:
        log = get_logger()
        log.warning("second look", state="behind", reason="its budget is spent")
        log.warning("incident", **OPENED, sinks=["police"], verified=False)
        log.warning("incident", **OPENED, sinks=["police"], verified=True)
        log.info("second look", state="looking", seconds_a_look=0.09)

    assert show(log) == [
        "warn    second look behind: its budget is spent",
        "ALARM   gate  violence 0.87, not verified  → police",
        "ALARM   gate  violence 0.87  → police",
        "info    second look looking",
    ]


def test_a_drill_is_no_alarm(show: Shown) -> None:
    def log() -> None:
        get_logger().warning("incident", **OPENED, sinks=["police"], exercise=True)
        get_logger().info("incident", **CLOSED, exercise=True, reason="exercise over")

    assert show(log) == [
        "DRILL   gate  violence 0.87  → police",
        "closed  gate  drill, violence 0.91 after 18 s (exercise over)",
    ]


def log_an_incident() -> None:
    log = get_logger()
    log.warning("incident", **OPENED, sinks=["log"])
    log.warning("alert", **COPY)
    log.info("alert delivered", sink="log", camera="gate", late=False)
    log.info("incident", **{**OPENED, "phase": "updated"}, sinks=["log"])
    log.warning("alert", **{**COPY, "phase": "updated"})
    log.info("incident", **CLOSED)
    log.warning("alert", **{**COPY, "phase": "closed"})


def test_an_incident_is_two_lines_whatever_the_sinks_say_of_it(show: Shown) -> None:
    assert show(log_an_incident) == [
        "ALARM   gate  violence 0.87  → log",
        "closed  gate  violence 0.91 after 18 s",
    ]


def test_its_updates_are_for_level_debug(
    own_logging: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = on_terminal(monkeypatch, log_an_incident, "debug")
    assert "update  gate  violence 0.87" in text
    assert "alert delivered" in text


def test_an_alert_of_before_the_start_is_shown_for_no_other_line_is(show: Shown) -> None:
    [line] = show(lambda: get_logger().warning("alert", **{**COPY, "late": True}))
    assert line.startswith("late    gate  violence 0.87 opened, began 2026-06-01 ")


def test_cameras_lost_and_back_are_one_short_line(show: Shown) -> None:
    def log() -> None:
        reason = "rtsp://viewer:***@192.0.2.1/stream1: connection refused"
        event = get_logger().bind(camera="gate")
        event.info("camera state", state="connecting", reason="")
        event.warning("camera state", state="offline", reason=reason)
        event.warning("alert", sink="log", phase="camera_lost", reason=reason)
        event.info("camera state", state="live", reason="")
        event.warning("alert", sink="log", phase="camera_back", reason=None)

    assert [line.rstrip() for line in show(log)] == [
        "camera  gate  offline: connection refused",
        "lost    gate  connection refused",
        "camera  gate  live",
        "back    gate",
    ]


def test_a_learnt_threshold_is_one_line(show: Shown) -> None:
    learnt = {"open_threshold": 0.634, "before": 0.65, "hours": 31.2}
    assert show(
        lambda: get_logger().info("threshold learnt", camera="gate", label="violence", **learnt)
    ) == ["learnt  gate  alarms at violence from 0.63 (before: 0.65; 31 h learnt)"]


def test_a_long_error_is_wrapped_and_nothing_of_it_lost(show: Shown) -> None:
    reason = " ".join(f"word-{number}" for number in range(30)) + " 문이 닫혀 있습니다" * 5
    lines = show(lambda: get_logger().error("sink failed", sink="police", reason=reason))
    assert lines[0].startswith("error   sink failed  sink=police  reason=word-0 word-1")
    assert len(lines) > 3
    assert reason in " ".join(line.strip() for line in lines)
    assert all(len(line.encode("euc-kr")) <= 80 for line in lines)  # Hangul: two columns


def test_nobody_moves_the_cursor(show: Shown) -> None:
    [line] = show(lambda: get_logger().warning("broker not connected", reason="\x1b[2Jgo\naway"))
    assert line == "warn    broker not connected  reason= [2Jgo away"


def test_times_are_local(monkeypatch: pytest.MonkeyPatch, own_logging: None) -> None:
    monkeypatch.setenv("TZ", "Asia/Seoul")
    time.tzset()
    try:
        before = datetime.now().astimezone()
        text = on_terminal(monkeypatch, lambda: get_logger().info("reloaded"))
        after = datetime.now().astimezone()
    finally:
        monkeypatch.undo()
        time.tzset()
    assert any(f"{at:%H:%M:%S}" in text for at in (before, after))


@pytest.mark.parametrize(
    ("variable", "value", "coloured"),
    [("NO_COLOR", "1", False), ("NO_COLOR", "", True), ("TERM", "dumb", False)],
)
def test_alarms_are_red_where_colours_are_wanted(
    own_logging: None,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    value: str,
    coloured: bool,
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv(variable, value)
    text = on_terminal(
        monkeypatch, lambda: get_logger().warning("incident", **OPENED, sinks=["police"])
    )
    assert (RED + "ALARM   gate  violence 0.87  → police\x1b[0m" in text) is coloured
    assert ("\x1b" in text) is coloured
