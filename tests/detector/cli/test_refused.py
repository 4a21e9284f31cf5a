"""`jikimi refused`: what it shows, and what it sends again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from config.errors import ControlError
from detector.cli.status import summary
from detector.daemon.observability.columns import columns

Run = Callable[..., tuple[int, str, str]]
Serve = Callable[..., Path]

ENTRY: dict[str, Any] = {
    "at": "2026-11-27T03:04:05+00:00",
    "sink": "police",
    "camera": "gate",
    "phase": "opened",
    "alert": "01a21d6e-a9fe-778f-b5c0-c721d94a48d5",
    "incident": "01a21d6e-a9fe-778f-b5c0-c722b4d7f7e4",
    "exercise": False,
    "reason": "broker 10.0.0.2 refused the alert to jikimi/yard/gate/incident: not authorised",
}


@pytest.mark.usefixtures("_in_seoul")
def test_what_was_refused_is_told_in_local_time_and_80_columns(run: Run, serve: Serve) -> None:
    serve(refused=lambda _: {"refused": [ENTRY, {**ENTRY, "camera": "정문", "reason": "no"}]})
    code, out, err = run("refused")
    assert (code, err) == (0, "")
    assert max(columns(line) for line in out.splitlines()) <= 80
    first = out.splitlines()[0]
    assert first.startswith("2026-11-27 12:04:05  police  gate  opened")
    assert "not authorised" in " ".join(out.split())
    assert "정문" in out
    assert ENTRY["alert"] in out


def test_as_json_it_is_one_object_a_line(run: Run, serve: Serve) -> None:
    serve(refused=lambda _: {"refused": [ENTRY, ENTRY]})
    code, out, _ = run("refused", "--json")
    assert code == 0
    assert [json.loads(line) for line in out.splitlines()] == [ENTRY, ENTRY]


def test_where_nothing_was_refused_that_is_said(run: Run, serve: Serve) -> None:
    serve(refused=lambda _: {"refused": []})
    assert run("refused") == (0, "nothing was refused\n", "")
    assert run("refused", "--json") == (0, "", "")


def test_all_or_some_is_sent_again(run: Run, serve: Serve) -> None:
    asked = []

    def send_again(request: dict[str, Any]) -> dict[str, int]:
        asked.append(request["alerts"])
        return {"count": 2 if request["alerts"] is None else len(request["alerts"])}

    serve(**{"send-again": send_again})
    assert run("refused", "--send-again") == (0, "2 sent again\n", "")
    assert run("refused", "--send-again", ENTRY["alert"]) == (0, "1 sent again\n", "")
    assert asked == [None, [ENTRY["alert"]]]


def test_an_id_that_was_not_refused_is_named(run: Run, serve: Serve) -> None:
    def send_again(_: dict[str, Any]) -> dict[str, int]:
        raise ControlError("'7' is no alert that was refused; see `jikimi refused`")

    serve(**{"send-again": send_again})
    code, out, err = run("refused", "--send-again", "7")
    assert (code, out) == (6, "")
    assert "'7' is no alert that was refused" in err


def test_status_counts_what_was_refused() -> None:
    status = {
        "version": "0.1.0",
        "cameras": [
            {"name": "gate", "state": "live", "url": "x://", "reason": "", "calibration": {}}
        ],
        "sinks": [
            {"name": "police", "type": "mqtt", "state": "working", "refused": 3},
            {"name": "hook", "type": "webhook", "state": "working", "refused": 0},
            {"name": "old", "type": "log", "state": "working"},
        ],
        "model": {"name": "tiny", "engine": "litert"},
        "url": "http://127.0.0.1:8780",
        "state_dir": "/var/lib/jikimi",
    }
    assert "police (mqtt, 3 refused)  hook (webhook)  old (log)" in summary(status)
