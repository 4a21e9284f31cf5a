"""`jikimi outbox`: what it shows, what it sends again and what it deletes."""

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

REFUSED: dict[str, Any] = {
    "state": "refused",
    "at": "2026-11-27T03:04:05+00:00",
    "age_s": 7500.0,
    "sink": "police",
    "camera": "gate",
    "phase": "opened",
    "alert": "01a21d6e-a9fe-778f-b5c0-c721d94a48d5",
    "incident": "01a21d6e-a9fe-778f-b5c0-c722b4d7f7e4",
    "exercise": False,
    "reason": "broker 10.0.0.2 refused the alert to jikimi/yard/gate/incident: not authorised",
}
WAITING: dict[str, Any] = {
    **REFUSED,
    "state": "waiting",
    "age_s": 42.0,
    "sink": "dispatch",
    "reason": "dispatch.example cannot be reached: Connection refused",
}
POLICE = {"name": "police", "type": "mqtt", "state": "working", "waiting": 0}
DISPATCH = {"name": "dispatch", "type": "webhook", "state": "failing", "waiting": 980}
FOUND = {
    "sinks": [POLICE, DISPATCH, {**POLICE, "name": "horn", "type": "siren"}],
    "messages": [
        WAITING,
        {**WAITING, "sink": "gone", "reason": None, "age_s": 300_000},
        REFUSED,
        {**REFUSED, "camera": "정문", "reason": "no", "age_s": 200, "exercise": True},
    ],
}


@pytest.mark.usefixtures("_in_seoul")
def test_what_waits_and_was_refused_is_told_by_sink_in_local_time_and_80_columns(
    run: Run, serve: Serve
) -> None:
    serve(outbox=lambda _: FOUND)
    code, out, err = run("outbox", "list")
    assert (code, err) == (0, "")
    assert max(columns(line) for line in out.splitlines()) <= 80
    lines = out.splitlines()
    heads = [line for line in lines if not line.startswith(" ")]
    assert heads == [
        "police (mqtt, working)  2 refused",
        "dispatch (webhook, failing)  980 waiting",
        "gone (not configured)  1 waiting",
    ]
    refused = lines.index(heads[0]) + 1
    assert lines[refused].startswith("  refused  2026-11-27 12:04:05  2 h ago  gate  opened")
    assert "not authorised" in " ".join(out.split())
    assert "3 min ago  정문  opened exercise" in out
    waiting = lines.index(heads[1])
    assert lines[waiting + 1].strip() == WAITING["reason"]
    assert lines[waiting + 2].startswith("  waiting  2026-11-27 12:04:05  42 s ago  gate  opened")
    assert out.count(WAITING["reason"]) == 1
    assert "  and 979 more" in lines
    assert "3 days ago" in out
    assert out.count(REFUSED["alert"]) == 4


def test_as_json_it_is_one_object_a_line(run: Run, serve: Serve) -> None:
    serve(outbox=lambda _: FOUND)
    code, out, _ = run("outbox", "list", "--json")
    assert code == 0
    assert [json.loads(line) for line in out.splitlines()] == FOUND["messages"]


def test_where_there_is_nothing_that_is_said(run: Run, serve: Serve) -> None:
    serve(outbox=lambda _: {"sinks": [POLICE], "messages": []})
    assert run("outbox", "list") == (0, "nothing waits and nothing was refused\n", "")
    assert run("outbox", "list", "--json") == (0, "", "")


def test_all_or_some_is_sent_again(run: Run, serve: Serve) -> None:
    asked = []

    def retry(request: dict[str, Any]) -> dict[str, int]:
        asked.append(request["alerts"])
        return {"count": 2 if request["alerts"] is None else len(request["alerts"])}

    serve(**{"outbox-retry": retry})
    assert run("outbox", "retry") == (0, "2 sent again\n", "")
    assert run("outbox", "retry", REFUSED["alert"]) == (0, "1 sent again\n", "")
    assert asked == [None, [REFUSED["alert"]]]


def test_what_is_dropped_has_to_be_named(run: Run, serve: Serve) -> None:
    asked = []

    def drop(request: dict[str, Any]) -> dict[str, Any]:
        asked.append(request["alerts"])
        disk = "disk full" if request["alerts"] is None else None
        return {"count": 1, "in_memory_only": disk}

    serve(**{"outbox-drop": drop})
    assert run("outbox", "drop", REFUSED["alert"]) == (0, "1 dropped\n", "")
    code, out, _ = run("outbox", "drop", "--all")
    assert (code, out) == (0, "1 dropped\naccepted, in memory only: disk full\n")
    assert asked == [[REFUSED["alert"]], None]
    for wrong in ((), (REFUSED["alert"], "--all")):
        code, out, err = run("outbox", "drop", *wrong)
        assert (code, out) == (64, "")
        assert "give the ids of what to drop, or --all" in err
    assert len(asked) == 2


@pytest.mark.parametrize("what", ["retry", "drop"])
def test_an_id_that_was_not_refused_is_named(what: str, run: Run, serve: Serve) -> None:
    def refuse(_: dict[str, Any]) -> dict[str, int]:
        raise ControlError("'7' is no alert that was refused; see `jikimi outbox list`")

    serve(**{f"outbox-{what}": refuse})
    code, out, err = run("outbox", what, "7")
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


def test_what_waits_for_an_operator_is_told_as_that(run: Run, serve: Serve) -> None:
    held = {**WAITING, "sink": "police", "state": "waiting for confirmation", "reason": None}
    serve(outbox=lambda _: {**FOUND, "messages": [held, {**held, "phase": "updated"}]})
    head, *lines = run("outbox", "list")[1].splitlines()
    assert head == "police (mqtt, working)  2 waiting for confirmation"
    assert [line.split("  ")[1] for line in lines[::2]] == ["waiting for confirmation"] * 2
