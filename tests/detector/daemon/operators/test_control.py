"""The control socket: answers, refusals, and never two daemons on one state directory."""

from __future__ import annotations

import json
import os
import select
import socket
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from alerting import wait_for

from alerts.storage.faults import StorageFaults
from config.errors import ControlError
from config.secrets import register_secret
from detector.daemon.operators import control
from detector.daemon.operators.control import MAX_PATH_BYTES, ControlServer, ask

DEADLINE_S = 10.0


def refuse(_: dict[str, Any]) -> None:
    raise ControlError("there is no camera 'gaet'; cameras are gate")


def break_down(_: dict[str, Any]) -> None:
    raise RuntimeError("cannot open rtsp://viewer:tr0ub4dor@192.0.2.1/")


COMMANDS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "echo": lambda request: request["text"],
    "nothing": lambda _: None,
    "refuse": refuse,
    "break": break_down,
    "object": lambda _: object(),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "control.sock"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The socket of a daemon that runs throughout."""
    path = tmp_path_factory.mktemp("state") / "control.sock"
    running = ControlServer(path, COMMANDS)
    running.start()
    yield path
    running.stop()


def test_a_question_is_answered(served: Path) -> None:
    assert ask(served, "echo", text="지킴이 \n 'quoted'") == "지킴이 \n 'quoted'"
    assert ask(served, "nothing") is None


def test_an_unknown_command_is_told_what_there_is(served: Path) -> None:
    with pytest.raises(ControlError, match="commands are break, echo, nothing, object, refuse"):
        ask(served, "dance")


def test_a_refusal_comes_back_in_its_own_words(served: Path) -> None:
    with pytest.raises(ControlError, match="there is no camera 'gaet'"):
        ask(served, "refuse")


def test_a_bug_in_a_command_is_told_without_a_password_and_harms_nothing(served: Path) -> None:
    register_secret("tr0ub4dor")
    with pytest.raises(ControlError, match="RuntimeError") as caught:
        ask(served, "break")
    assert "tr0ub4dor" not in str(caught.value)
    with pytest.raises(ControlError, match="KeyError"):
        ask(served, "echo")
    assert ask(served, "echo", text="still here") == "still here"


def test_an_answer_that_cannot_be_written_is_an_error_and_no_traceback(
    served: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ControlError):
        ask(served, "object")
    assert ask(served, "echo", text="still here") == "still here"
    assert "Exception occurred during processing" not in capfd.readouterr().err


NONSENSE = {
    "nothing": b"",
    "an empty line": b"\n",
    "a word": b"status\n",
    "a list": b"[]\n",
    "a text": b'"echo"\n',
    "no object's key": b'{"command": []}\n',
    "another command": b'{"command": "dance"}\n',
    "half a line": b'{"command": "ec',
    "no UTF-8": b"\xff\xfe\x00\n",
    "NUL": b"\0" * 1000,
    "deep": b"[" * 60_000 + b"\n",
    "a deep object": b'{"command":' * 5000 + b"\n",
    "a huge number": b'{"command": ' + b"9" * 6000 + b"}\n",
    "megabytes": b"x" * 3_000_000 + b"\n",
    "megabytes without an end": b"\0" * 3_000_000,
}


@pytest.mark.parametrize("line", NONSENSE.values(), ids=NONSENSE)
def test_nonsense_is_answered_with_what_there_is(
    served: Path, line: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(DEADLINE_S)
        connection.connect(str(served))
        connection.sendall(line)
        connection.shutdown(socket.SHUT_WR)
        with connection.makefile("rb") as answer:
            assert "commands are" in json.loads(answer.read())["error"]
    assert ask(served, "echo", text="next") == "next"
    written = capfd.readouterr()
    assert "Traceback" not in written.out + written.err


def test_half_a_line_is_waited_for_only_so_long(
    served: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "TIMEOUT_S", 0.2)
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(DEADLINE_S)
        connection.connect(str(served))
        with suppress(ConnectionError):
            while True:  # a byte now and again is no sign of life
                connection.sendall(b"x")
                if select.select([connection], [], [], 0.05)[0]:
                    break
        with connection.makefile("rb") as answer:
            assert "no line" in json.loads(answer.readline())["error"]


def test_too_many_at_a_time_are_told_so(served: Path) -> None:
    silent = []
    refused = b""
    for _ in range(control.MAX_CLIENTS + 1):
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(str(served))
        silent.append(connection)
    for connection in select.select(silent, [], [], DEADLINE_S)[0]:
        refused += connection.recv(1000)
    assert b"others are asking already" in refused
    for connection in silent:
        connection.close()
    wait_for(lambda: control_answers(served))


def control_answers(path: Path) -> bool:
    try:
        return bool(ask(path, "echo", text="next") == "next")
    except ControlError:
        return False


def test_one_who_connects_and_says_nothing_holds_up_nobody(served: Path) -> None:
    with socket.socket(socket.AF_UNIX) as silent:
        silent.connect(str(served))
        assert ask(served, "echo", text="next") == "next"


def test_without_a_daemon_the_error_says_what_to_check(path: Path) -> None:
    with pytest.raises(ControlError, match="no running jikimi answers") as caught:
        ask(path, "status")
    assert str(path) in str(caught.value)
    assert "JIKIMI_STATE_DIR" in str(caught.value)
    assert caught.value.exit_code == 6


def test_a_second_daemon_on_the_same_state_directory_is_refused(served: Path) -> None:
    with pytest.raises(ControlError, match="another jikimi runs"):
        ControlServer(served, COMMANDS)
    assert ask(served, "echo", text="the first") == "the first"


def test_a_daemon_too_busy_to_accept_is_not_taken_for_dead(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as busy:
        busy.bind(str(path))
        busy.listen(0)
        waiting = []
        for _ in range(8):
            client = socket.socket(socket.AF_UNIX)
            client.setblocking(False)
            waiting.append(client)
            if client.connect_ex(str(path)):
                break
        with pytest.raises(ControlError, match="another jikimi runs"):
            ControlServer(path, COMMANDS)
        for client in waiting:
            client.close()
    assert path.exists()


def test_only_the_owner_may_ask(served: Path) -> None:
    assert stat.S_IMODE(served.stat().st_mode) == 0o600


def test_what_a_crash_left_behind_is_replaced(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
        dead.listen()
    server = ControlServer(path, COMMANDS)
    server.start()
    assert ask(path, "echo", text="new") == "new"
    server.stop()
    assert not path.exists()


def test_a_path_too_long_for_a_socket_is_refused_with_a_remedy(tmp_path: Path) -> None:
    folder = tmp_path / ("s" * MAX_PATH_BYTES)
    with pytest.raises(ControlError, match="shorter state_dir"):
        ControlServer(folder / "control.sock", COMMANDS)
    with pytest.raises(ControlError):
        ask(folder / "control.sock", "status")


def test_a_socket_that_cannot_be_made_is_made_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "RETRY_S", 0.05)
    faults = StorageFaults()
    path = tmp_path / "absent" / "control.sock"
    server = ControlServer(path, COMMANDS, faults)
    server.start()
    assert faults.reasons() == ["storage: control: No such file or directory"]
    path.parent.mkdir()
    wait_for(path.exists)
    assert ask(path, "echo", text="here") == "here"
    wait_for(lambda: not faults.reasons())
    server.stop()


def test_a_socket_that_is_removed_is_made_again(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "LOOK_S", 0.05)
    server = ControlServer(path, COMMANDS)
    server.start()
    path.unlink()
    wait_for(path.exists)
    assert ask(path, "echo", text="here") == "here"
    server.stop()
    assert not path.exists()


def test_the_longest_path_that_fits_works(tmp_path: Path) -> None:
    left = MAX_PATH_BYTES - len(os.fsencode(tmp_path)) - 1
    if left < 1:
        pytest.skip("the temporary folder's own path is too long")
    path = tmp_path / ("s" * left)
    server = ControlServer(path, COMMANDS)
    server.start()
    assert ask(path, "echo", text="fits") == "fits"
    server.stop()
