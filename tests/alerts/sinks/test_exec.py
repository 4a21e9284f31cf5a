"""Alerts to a program: what it gets, what its end means, and that nothing of it stays."""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from alerting import PICTURE, Dispatching, follow_up, make_alert, sink, wait_for
from pydantic import ValidationError
from structlog.testing import capture_logs

from alerts.delivery import attempts, picture
from alerts.message import Alert, AlertPhase
from alerts.sink import DeferredError, RefusedError, TimedOutError, UnclearError
from alerts.sinks.exec import ExecOptions, ExecSink
from config.errors import DeliveryError
from config.secrets import register_secret


def run(alert: Alert, *command: str, **options: Any) -> None:
    made = ExecSink("exec", ExecOptions(command=list(command), **options))
    made.start()
    made.deliver(alert)
    made.close()


def shell(alert: Alert, script: str, **options: Any) -> None:
    run(alert, "sh", "-c", script, **options)


def is_gone(pid: str) -> bool:
    return not Path(f"/proc/{pid}/exe").exists()


def test_a_program_reads_the_alert_to_its_end(tmp_path: Path) -> None:
    alert = make_alert(image=PICTURE, camera="정문")
    for image in (True, False):
        shell(alert, f"cat > {tmp_path / 'alert'}", image=image)
        read = json.loads((tmp_path / "alert").read_bytes())
        assert base64.b64decode(read.pop("image", "")) == (PICTURE if image else b"")
        assert Alert.model_validate(read) == alert.model_copy(update={"image": None})


def test_arguments_are_no_shell_and_the_environment_holds_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("JIKIMI_SINKS", "BROKER_PASSWORD", "NOTIFY_SOCKET"):
        monkeypatch.setenv(name, "hunter22secret")
    script = tmp_path / "program"
    script.write_text(f'#!/bin/sh\nenv > {tmp_path / "seen"}; echo "$1" >> {tmp_path / "seen"}\n')
    script.chmod(0o700)
    run(make_alert(exercise=True), str(script), f"$(touch {tmp_path / 'pwned'})")
    seen = (tmp_path / "seen").read_text()
    assert "JIKIMI_CAMERA=gate\n" in seen
    assert "JIKIMI_EXERCISE=1\n" in seen
    assert "hunter22secret" not in seen
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize(
    ("end", "kind", "said"),
    [
        ("exit 65", RefusedError, "sh ended with 65: no such gate$"),
        ("exit 75", DeferredError, "sh ended with 75: no such gate$"),
        ("exit 1", UnclearError, "sh ended with 1: no such gate$"),
        ("exit 127", UnclearError, "sh ended with 127"),
        ("kill -9 $$", UnclearError, "sh was ended by signal 9: no such gate$"),
    ],
)
def test_its_exit_code_is_sorted_and_its_first_line_is_the_reason(
    end: str, kind: type[DeliveryError], said: str
) -> None:
    with pytest.raises(DeliveryError, match=said) as raised:
        shell(make_alert(), f"printf '\\nno\\033such gate\\nTraceback\\n' > /dev/stderr; {end}")
    assert raised.type is kind


def test_a_program_that_says_nothing_or_a_secret() -> None:
    with pytest.raises(UnclearError, match=r"it said nothing$"):
        shell(make_alert(), "echo on standard output; exit 2")
    register_secret("tr0ub4dor")
    with pytest.raises(UnclearError, match=r"no \*\*\*$"):
        shell(make_alert(), "echo no tr0ub4dor >&2; exit 2")


def test_a_program_that_cannot_be_run_is_named() -> None:
    with pytest.raises(DeliveryError, match="/no/such/program: No such file") as raised:
        run(make_alert(), "/no/such/program")
    assert raised.type is DeliveryError
    (problem,) = ExecOptions(command=["/no/such/program"]).problems()
    assert problem.key == ("command",)
    with pytest.raises(ValidationError):
        ExecOptions(command=[])


def test_input_that_nobody_reads_and_output_without_end_hold_up_nothing() -> None:
    large = make_alert(image=b"x" * 8_000_000)
    shell(large, "exec true")
    with pytest.raises(RefusedError) as raised:
        shell(large, "head -c 9000000 /dev/zero | tr '\\0' x >&2; yes | head -n 999999; exit 65")
    assert len(str(raised.value)) < 400


def test_a_program_that_closes_what_it_was_given_is_waited_for(tmp_path: Path) -> None:
    shell(make_alert(), f"exec 0<&- 1>&- 2>&-; sleep 0.1; : > {tmp_path / 'done'}")
    assert (tmp_path / "done").exists()


@pytest.mark.slow
def test_at_its_deadline_it_is_killed_with_its_children(tmp_path: Path) -> None:
    path = tmp_path / "pids"
    script = f"trap '' TERM; sh -c 'echo slow >&2; sleep 3600' & echo $$ $! > {path}; wait; wait"
    with pytest.raises(TimedOutError, match=r"sh did not end within 0\.5 s: slow"):
        shell(make_alert(), script, timeout_s=0.5)
    assert all(is_gone(pid) for pid in path.read_text().split())


def test_what_it_leaves_behind_is_ended(tmp_path: Path) -> None:
    path = tmp_path / "pid"
    shell(make_alert(), f"sleep 3600 & echo $! > {path}")
    assert is_gone(path.read_text().strip())


PROGRAM = """
import json, pathlib, sys, time
folder = pathlib.Path(sys.argv[1])
alert = json.load(sys.stdin)
with open(folder / "tried", "a") as tried:
    tried.write(json.dumps([alert["camera"], alert["phase"], bool(alert.get("image"))]) + "\\n")
fails = folder / "fails"
code = json.loads(fails.read_text()).get(alert["camera"], 0) if fails.exists() else 0
if code == "with picture":
    code = 70 if alert.get("image") else 0
if code == "hang":
    time.sleep(3600)
sys.exit(code)
"""


class Program:
    """Keeps what it was tried with, and ends by camera with what `fails` says."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        (folder / "program.py").write_text(PROGRAM)
        self.command = [sys.executable, "-S", str(folder / "program.py"), str(folder)]

    def fails(self, **codes: int | str) -> None:
        (self._folder / "fails").write_text(json.dumps(codes))

    def tried(self) -> list[list[Any]]:
        path = self._folder / "tried"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program(tmp_path)


def test_one_alert_that_is_refused_or_put_off_holds_up_no_other(
    program: Program, dispatching: Dispatching
) -> None:
    program.fails(bad=65, later=75)
    dispatcher = dispatching(sink("exec", command=program.command))
    for camera in ("bad", "later", "gate"):
        dispatcher.submit(make_alert(camera=camera))
    wait_for(lambda: dispatcher.status()[0].counts.get("delivered"))
    assert [camera for camera, *_ in program.tried()] == ["bad", "later", "gate"]
    (refused,) = dispatcher.refused()
    assert refused.alert.camera == "bad"
    assert dispatcher.status()[0].depth == 1
    program.fails()
    assert dispatcher.send_again(None) == 1
    wait_for(lambda: dispatcher.status()[0].counts.get("delivered") == 3)


def test_an_outage_is_weathered_in_order_and_marked_late(
    program: Program, dispatching: Dispatching, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempts, "LATE_AFTER_S", 0.0)
    program.fails(gate=69)
    with capture_logs() as logs:
        dispatcher = dispatching(sink("exec", command=program.command))
        alert = make_alert()
        dispatcher.submit(alert)
        dispatcher.submit(follow_up(alert, AlertPhase.UPDATED, 1))
        dispatcher.submit(follow_up(alert, AlertPhase.CLOSED, 2))
        wait_for(program.tried)
        program.fails()
        wait_for(lambda: dispatcher.status()[0].counts.get("late") == 3)
    assert [phase for _, phase, _ in program.tried()][-3:] == ["opened", "updated", "closed"]
    assert any("ended with 69" in str(entry.get("reason")) for entry in logs)


def test_an_alert_at_whose_picture_it_fails_goes_without(
    program: Program, dispatching: Dispatching
) -> None:
    program.fails(gate="with picture")
    dispatcher = dispatching(sink("exec", command=program.command))
    dispatcher.submit(make_alert(image=PICTURE))
    wait_for(lambda: dispatcher.status()[0].counts.get("delivered"))
    assert program.tried()[0] == ["gate", "opened", True]
    assert ["gate", "opened", False] in program.tried()
    assert dispatcher.refused() == []


@pytest.mark.slow
def test_an_alert_at_which_it_hangs_holds_up_no_other_for_long(
    program: Program, dispatching: Dispatching
) -> None:
    program.fails(bad="hang")
    dispatcher = dispatching(sink("exec", command=program.command, timeout_s=0.5))
    dispatcher.submit(make_alert(camera="bad"))
    dispatcher.submit(make_alert())
    wait_for(lambda: dispatcher.status()[0].counts.get("delivered"))
    assert program.tried()[0][0] == "bad"
    assert dispatcher.status()[0].depth == 1
    program.fails()
    dispatcher.send_again(None)
    wait_for(lambda: dispatcher.status()[0].counts.get("delivered") == 2)


def test_where_no_picture_is_sent_none_is_sent_behind(
    program: Program, dispatching: Dispatching, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(picture, "SLOW_S", 0.0)
    dispatcher = dispatching(sink("exec", command=program.command, image=False))
    for camera in ("gate", "yard", "hall"):
        dispatcher.submit(make_alert(camera=camera, image=PICTURE))
    wait_for(lambda: dispatcher.status()[0].counts.get("delivered", 0) >= 3)
    wait_for(lambda: not dispatcher.status()[0].depth)
    assert [phase for _, phase, _ in program.tried()] == ["opened"] * 3
