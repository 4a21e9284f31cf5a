"""A siren that is a program of the operator's: it sounds, ends in time, and learns no secret."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from pathlib import Path

import pytest
from alerting import make_alert, wait_for

from alerts.sinks.relays import sound
from alerts.sinks.siren import SirenOptions, SirenSink
from config.errors import DeliveryError
from config.secrets import register_secret


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sound that lives for a moment counts as sounding."""
    monkeypatch.setattr(sound, "FAILS_WITHIN_S", 0.01)


def command(tmp_path: Path, code: str) -> list[str]:
    script = tmp_path / "sound.py"
    script.write_text(code)
    return [sys.executable, str(script)]


def test_a_sound_knows_the_camera_and_ends_in_time(tmp_path: Path, hasty: None) -> None:
    noted = tmp_path / "noted"
    code = f"""
import os, signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
known = (os.environ["JIKIMI_CAMERA"], os.environ["JIKIMI_EXERCISE"], str(os.getpid()))
open({str(noted)!r}, "w").write(" ".join(known) + "\\n")
signal.pause()
"""
    siren = SirenSink("siren", SirenOptions(command=command(tmp_path, code), on_s=0.5))
    siren.start()
    siren.deliver(make_alert(exercise=True))
    text = wait_for(
        lambda: noted.exists() and noted.read_text().endswith("\n") and noted.read_text()
    )
    camera, exercise, pid = text.split()
    assert (camera, exercise) == ("gate", "1")
    wait_for(lambda: not Path(f"/proc/{pid}").exists())
    siren.close()


def test_a_sound_is_cut_at_stop_and_extended_by_another_alert(tmp_path: Path, hasty: None) -> None:
    pids = tmp_path / "pids"
    code = f"""
import os, signal
open({str(pids)!r}, "a").write(f"{{os.getpid()}}\\n")
signal.pause()
"""
    siren = SirenSink("siren", SirenOptions(command=command(tmp_path, code)))
    siren.deliver(make_alert())
    siren.deliver(make_alert())
    (pid,) = wait_for(lambda: pids.exists() and pids.read_text().split())
    siren.close()
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid), signal.SIG_DFL)


def test_a_sound_that_fails_is_not_delivered(tmp_path: Path) -> None:
    code = "import sys; sys.exit('no sound card')"
    siren = SirenSink("siren", SirenOptions(command=command(tmp_path, code)))
    with pytest.raises(DeliveryError, match="code 1: no sound card"):
        siren.deliver(make_alert())
    siren = SirenSink("siren", SirenOptions(command=["/no/such/player"]))
    with pytest.raises(DeliveryError, match="No such file"):
        siren.deliver(make_alert())
    siren.close()


def test_arguments_are_no_shell(tmp_path: Path) -> None:
    target = tmp_path / "pwned"
    siren = SirenSink("siren", SirenOptions(command=["echo", f"; touch {target}"]))
    siren.deliver(make_alert(camera="$(reboot)"))
    siren.close()
    assert not target.exists()


def noted(path: Path) -> str:
    """What a command has written there, once it is whole."""
    return wait_for(lambda: path.exists() and path.read_text().endswith("\n") and path.read_text())


@pytest.mark.slow
def test_a_command_is_ended_with_its_children(tmp_path: Path, hasty: None) -> None:
    path = tmp_path / "pids"
    ignoring = "trap '' TERM; while :; do read -r _ </dev/zero; done"
    script = f'sh -c "{ignoring}" & echo $$ $! > {path}; wait'
    for end in ("its time is up", "the daemon stops"):
        on_s = 0.3 if end == "its time is up" else 3600
        horn = SirenSink("horn", SirenOptions(command=["sh", "-c", script], on_s=on_s))
        horn.deliver(make_alert())
        pids = noted(path).split()
        if end == "the daemon stops":
            horn.close()
        for pid in pids:
            wait_for(lambda pid=pid: not Path(f"/proc/{pid}/exe").exists())
        horn.close()
        path.unlink()


@pytest.mark.slow
def test_what_a_command_left_behind_is_ended_in_time(tmp_path: Path) -> None:
    path = tmp_path / "pid"
    script = f"sleep 3600 & echo $! > {path}"
    horn = SirenSink("horn", SirenOptions(command=["sh", "-c", script], on_s=0.3))
    horn.deliver(make_alert())
    pid = noted(path).strip()
    wait_for(lambda: not Path(f"/proc/{pid}/exe").exists())
    horn.close()


def test_a_command_needs_no_temporary_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/proc")
    horn = SirenSink("horn", SirenOptions(command=["sh", "-c", "echo no card >&2; exit 3"]))
    with pytest.raises(DeliveryError, match="code 3: no card"):
        horn.deliver(make_alert())

    def refuse(*_: object) -> int:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(os, "memfd_create", refuse)
    with pytest.raises(DeliveryError, match="code 3: it said nothing"):
        horn.deliver(make_alert())
    horn.close()


def test_a_talkative_command_is_neither_held_up_nor_kept_whole(tmp_path: Path) -> None:
    code = f"""
import os
for _ in range(1000):
    try:
        os.write(2, b"playing" * 1000)
    except OSError:
        pass
open({str(tmp_path / "done")!r}, "w").write("\\n")
raise SystemExit(1)
"""
    horn = SirenSink("horn", SirenOptions(command=command(tmp_path, code)))
    with pytest.raises(DeliveryError, match=r"code 1: \w*playing\w*$") as caught:
        horn.deliver(make_alert())
    assert noted(tmp_path / "done")
    assert len(str(caught.value)) < 500
    horn.close()


def test_a_command_is_told_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "environment"
    for name in ("JIKIMI_CAMERAS", "BROKER_PASSWORD", "NOTIFY_SOCKET", "PYTHONPATH"):
        monkeypatch.setenv(name, "hunter22secret")
    monkeypatch.setenv("LC_ALL", "ko_KR.UTF-8")
    horn = SirenSink("horn", SirenOptions(command=["sh", "-c", f"env > {path}"]))
    horn.deliver(make_alert())
    text = path.read_text()
    assert "hunter22secret" not in text
    names = {line.partition("=")[0] for line in text.splitlines()}
    own = {f"JIKIMI_{name}" for name in ("CAMERA", "SITE", "LABEL", "INCIDENT", "EXERCISE")}
    assert {"PATH", "LC_ALL"} | own <= names
    assert {name for name in names if name.startswith("JIKIMI_")} == own
    horn.close()


def test_what_a_command_says_of_a_secret_is_not_repeated(tmp_path: Path) -> None:
    register_secret("tr0ub4dor")
    horn = SirenSink("horn", SirenOptions(command=["sh", "-c", "echo no tr0ub4dor >&2; exit 1"]))
    with pytest.raises(DeliveryError, match=r"code 1: no \*\*\*"):
        horn.deliver(make_alert())
    horn.close()
