"""What an operator asks of a running daemon: `drill`, `silence`, `unsilence`, `recalibrate`."""

from __future__ import annotations

import argparse
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from config.errors import ControlError
from detector.cli import build_parser

Run = Callable[..., tuple[int, str, str]]
Serve = Callable[..., Path]
Handler = Callable[[dict[str, Any]], Any]

COMMAND = (sys.executable, "-m", "detector.cli")
END_S = 30.0


@pytest.mark.parametrize(
    "arguments",
    [
        ["status"],
        ["outbox", "list"],
        ["outbox", "retry"],
        ["outbox", "drop", "--all"],
        ["drill"],
        ["silence", "--for", "10m"],
        ["unsilence"],
        ["recalibrate", "gate"],
    ],
)
def test_without_a_daemon_there_is_one_clear_line_and_exit_code_6(
    run: Run, tmp_path: Path, arguments: list[str]
) -> None:
    code, out, err = run(*arguments, "--state-dir", tmp_path)
    assert (code, out) == (6, "")
    assert len(err.splitlines()) == 1
    assert "no running jikimi answers" in err
    assert str(tmp_path) in err


@pytest.mark.parametrize(
    "command",
    [
        "status",
        "incidents",
        "outbox list",
        "outbox retry",
        "outbox drop",
        "drill",
        "silence",
        "unsilence",
        "recalibrate",
        "relays-off",
    ],
)
def test_every_option_and_argument_has_help(command: str) -> None:
    parser: argparse.ArgumentParser = build_parser()
    for word in command.split():
        kinds = [one for one in parser._actions if isinstance(one, argparse._SubParsersAction)]
        parser = kinds[0].choices[word]
    for action in parser._actions:
        assert action.help, f"{command} {action.dest}"


# --- drill


def delivery(
    sink: str, state: str, after_ms: int | None = None, error: str | None = None
) -> dict[str, Any]:
    return {"sink": sink, "state": state, "after_ms": after_ms, "error": error}


def exercise(*asked: list[dict[str, Any]]) -> dict[str, Handler]:
    """A daemon's part of a drill; `asked`: its deliveries each time, the last ones for good."""
    answers = list(asked)
    sinks = [row["sink"] for row in asked[-1]]

    def drill(request: dict[str, Any]) -> dict[str, Any]:
        if request["camera"] not in {None, "gate"}:
            raise ControlError("there is no camera 'gaet'; cameras are gate")
        return {"camera": "gate", "incident": "0191", "sinks": sinks}

    def deliveries(request: dict[str, Any]) -> dict[str, Any]:
        assert request["incident"] == "0191"
        return {"deliveries": answers.pop(0) if len(answers) > 1 else answers[0]}

    return {"drill": drill, "deliveries": deliveries}


def test_a_drill_tells_what_an_acknowledgement_leaves_open(run: Run, serve: Serve) -> None:
    row = delivery("police", "delivered", 12)
    serve(**exercise([{**row, "remark": "but it did not come back"}]))
    code, out, _ = run("drill")
    assert code == 0
    assert "police: acknowledged after 12 ms, but it did not come back" in out.splitlines()


def test_a_drill_tells_what_each_sink_made_of_it_as_it_becomes_known(
    run: Run, serve: Serve
) -> None:
    serve(
        **exercise(
            [],
            [delivery(sink, "queued") for sink in ("police", "siren", "light")],
            [
                delivery("police", "queued"),
                delivery("siren", "delivered", 60),
                delivery("light", "queued"),
            ],
            [
                delivery("police", "delivered", 1204),
                delivery("siren", "delivered", 60),
                delivery("light", "not routed"),
            ],
        )
    )
    code, out, err = run("drill", "--camera", "gate")
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "exercise 0191 on camera gate  to police, siren, light",
        "siren: acknowledged after 60 ms",
        "police: acknowledged after 1204 ms",
        "light: not routed: its route does not take this exercise",
    ]


def test_a_drill_that_is_routed_to_nobody_is_a_failure(run: Run, serve: Serve) -> None:
    serve(**exercise([delivery(sink, "not routed") for sink in ("police", "light")]))
    code, out, err = run("drill")
    assert code == 1
    assert "light: not routed" in out
    assert err.startswith("jikimi: nobody was told: no sink's route takes this exercise; check")


def test_a_drill_that_a_sink_fails_exits_5_and_says_why(run: Run, serve: Serve) -> None:
    serve(
        **exercise(
            [
                delivery("siren", "failed", None, "connection refused"),
                delivery("police", "delivered", 60),
            ]
        )
    )
    code, out, err = run("drill")
    assert (code, err) == (5, "")
    assert "siren: failed: connection refused" in out.splitlines()
    assert "police: acknowledged after 60 ms" in out.splitlines()


def test_a_drill_waits_no_longer_than_it_is_told_to(run: Run, serve: Serve) -> None:
    serve(**exercise([delivery("mqtt", "queued"), delivery("police", "delivered", 60)]))
    code, out, _ = run("drill", "--timeout", "0.3s")
    assert code == 5
    assert out.splitlines()[1:] == [
        "police: acknowledged after 60 ms",
        "mqtt: no answer within 0.3 s (still queued)",
    ]


def test_a_drill_on_no_such_camera_names_those_there_are(run: Run, serve: Serve) -> None:
    serve(**exercise([delivery("police", "delivered", 60)]))
    code, out, err = run("drill", "--camera", "gaet")
    assert (code, out) == (6, "")
    assert "cameras are gate" in err


@pytest.mark.slow
def test_the_control_c_that_ends_a_drill_leaves_no_traceback(serve: Serve) -> None:
    serve(**exercise([delivery("police", "delivered", 60), delivery("mqtt", "queued")]))
    with subprocess.Popen(
        [*COMMAND, "drill", "--timeout", "30s"],
        env={name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as drill:
        assert drill.stdout
        assert drill.stderr
        assert drill.stdout.readline().startswith("exercise 0191")
        assert drill.stdout.readline() == "police: acknowledged after 60 ms\n"  # at once
        drill.send_signal(signal.SIGINT)
        assert drill.wait(END_S) == 130
        assert drill.stderr.read() == ""


# --- silence, unsilence


class Silences:
    """The silences of a daemon, by camera; None is every camera."""

    def __init__(self) -> None:
        self.until: dict[str | None, str] = {}
        self.asked: list[dict[str, Any]] = []
        self.commands: dict[str, Handler] = {
            "silence": self._silence,
            "unsilence": self._unsilence,
            "status": self._status,
        }

    def _silence(self, request: dict[str, Any]) -> dict[str, Any]:
        self.asked.append(request)
        until = datetime.now(UTC) + timedelta(seconds=request["for_s"])
        self.until[request["camera"]] = until.isoformat(timespec="seconds")
        return {"camera": request["camera"], "until": self.until[request["camera"]]}

    def _unsilence(self, request: dict[str, Any]) -> dict[str, Any]:
        ended = [name for name in self.until if request["camera"] in {None, name}]
        for name in ended:
            del self.until[name]
        return {"ended": ended}

    def _status(self, _: dict[str, Any]) -> dict[str, Any]:
        return {"silences": [{"camera": c, "until": until} for c, until in self.until.items()]}


@pytest.fixture
def silences(serve: Serve) -> Silences:
    made = Silences()
    serve(**made.commands)
    return made


@pytest.mark.usefixtures("_in_seoul")
def test_silence_says_until_when_in_local_time(silences: Silences, run: Run) -> None:
    code, out, _ = run("silence", "--for", "48h")
    until = datetime.fromisoformat(silences.until[None]).astimezone()
    assert until.utcoffset() == timedelta(hours=9)
    assert (code, out) == (0, f"every camera is silenced until {until:%Y-%m-%d %H:%M}\n")
    assert silences.asked[-1]["for_s"] == 48 * 3600
    assert run("silence", "--for", "90s", "--camera", "gate")[1].startswith("gate is silenced")


def test_unsilence_says_what_it_ended(silences: Silences, run: Run) -> None:
    run("silence", "--for", "10m")
    run("silence", "--for", "10m", "--camera", "gate")
    code, out, err = run("unsilence")
    assert (code, err) == (0, "")
    assert out == "every camera is no longer silenced\ngate is no longer silenced\n"
    assert run("unsilence") == (0, "nothing was silenced\n", "")
    assert run("unsilence", "--camera", "gate") == (0, "gate was not silenced\n", "")


@pytest.mark.parametrize(
    ("its_own", "told"),
    [(True, "gate is no longer silenced"), (False, "gate was not silenced")],
)
def test_unsilence_says_where_a_silence_of_every_camera_still_covers_this_one(
    silences: Silences, run: Run, its_own: bool, told: str
) -> None:
    run("silence", "--for", "48h")
    run("silence", "--for", "48h", "--camera", "yard")
    if its_own:
        run("silence", "--for", "10m", "--camera", "gate")
    first, second = run("unsilence", "--camera", "gate")[1].splitlines()
    assert first == told
    assert second.startswith("still silenced: every camera until ")
    assert list(silences.until) == [None, "yard"]


def test_silence_without_a_duration_and_a_terminal_names_the_option(
    silences: Silences, run: Run
) -> None:
    code, out, err = run("silence", "--camera", "gate")
    assert (code, out) == (64, "")
    assert "--for 10m" in err
    assert silences.asked == []


class Terminal:
    """A command on a terminal of its own."""

    def __init__(self, *arguments: str) -> None:
        self._ours, theirs = pty.openpty()
        self._process = subprocess.Popen(
            [*COMMAND, *arguments], stdin=theirs, stdout=theirs, stderr=theirs
        )
        os.close(theirs)

    def read_until(self, text: str) -> None:
        """Read up to `text`, which the command is to write."""
        seen = b""
        while not seen.endswith(text.encode()):
            seen += os.read(self._ours, 1)

    def type(self, text: str) -> None:
        """Type `text`."""
        os.write(self._ours, text.encode())

    def wait(self) -> int:
        """Wait for the command's end; its exit code."""
        return self._process.wait(END_S)

    def close(self) -> None:
        """End the command."""
        self._process.kill()
        self._process.wait()
        os.close(self._ours)


@contextmanager
def on_a_terminal(*arguments: str) -> Iterator[Terminal]:
    terminal = Terminal(*arguments)
    try:
        yield terminal
    finally:
        terminal.close()


@pytest.mark.slow
def test_silence_on_a_terminal_asks_for_how_long_until_it_understands(
    silences: Silences,
) -> None:
    with on_a_terminal("silence", "--camera", "gate") as terminal:
        terminal.read_until("For how long? (10m, 2h) ")
        terminal.type("a while\n")
        terminal.read_until("'a while' is no duration; write 90s, 10m or 2h")
        terminal.read_until("For how long? (10m, 2h) ")
        terminal.type("2h\n")
        terminal.read_until("gate is silenced until ")
        assert terminal.wait() == 0
    [asked] = silences.asked
    assert asked["for_s"] == 7200


@pytest.mark.slow
def test_who_types_nothing_silences_nothing(silences: Silences) -> None:
    with on_a_terminal("silence") as terminal:
        terminal.read_until("For how long? (10m, 2h) ")
        terminal.type("\x04")  # Ctrl-D
        terminal.read_until("--for 10m")
        assert terminal.wait() == 64
    assert silences.asked == []


# --- recalibrate


def test_a_turned_camera_is_told_by_its_name(serve: Serve, run: Run) -> None:
    serve(recalibrate=lambda request: {"camera": request["camera"]})
    code, out, _ = run("recalibrate", "gate")
    assert code == 0
    assert out.startswith("gate starts again from the weights' own threshold")
    assert run("recalibrate")[0] == 64


@pytest.mark.parametrize("stored", [True, False])
def test_what_a_crash_would_undo_is_said(serve: Serve, run: Run, stored: bool) -> None:
    reason = None if stored else "database or disk is full"
    until = datetime.now(UTC).isoformat()
    serve(
        silence=lambda _: {"camera": None, "until": until, "in_memory_only": reason},
        unsilence=lambda _: {"ended": [None], "in_memory_only": reason},
        recalibrate=lambda _: {"camera": "gate", "in_memory_only": reason},
        status=lambda _: {"silences": []},
    )
    for command in (["silence", "--for", "10m"], ["unsilence"], ["recalibrate", "gate"]):
        code, out, _ = run(*command)
        assert code == 0
        assert ("accepted, in memory only: database or disk is full" in out) is not stored
