"""How `jikimi run` begins: which configuration, one daemon a state directory, and what it shows."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from alerting import sink

from config.settings import CameraSettings, Settings
from config.urls import StreamUrl
from detector.cli import settings
from detector.cli.run import _settled
from detector.cli.settings import config_file
from detector.daemon.handover.claims import CLAIMS, write_claims
from detector.daemon.state_dir import claimed
from servers.daemon import COMMAND, DaemonProcess, wait_until
from servers.terminal import Terminal

Run = Callable[..., tuple[int, str, str]]

NO_SUCH = "cameras:\n  gate: nonsense://192.0.2.1/\n"


@pytest.fixture
def places(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Path]:
    """The three places of a configuration file, empty; the state directory beside them."""
    for name in [name for name in os.environ if name.startswith("JIKIMI_")]:
        monkeypatch.delenv(name)
    here, home, etc = (tmp_path / name for name in ("here", "home", "etc"))
    for folder in (here, home / ".config/jikimi", etc):
        folder.mkdir(parents=True)
    monkeypatch.chdir(here)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setenv("JIKIMI_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setattr(settings, "SYSTEM_CONFIG", etc / "jikimi.yaml")
    return [Path("jikimi.yaml"), home / ".config/jikimi/jikimi.yaml", etc / "jikimi.yaml"]


# --- which configuration


def test_the_nearest_file_is_taken(places: list[Path]) -> None:
    assert config_file(None) is None
    for path in reversed(places):
        path.touch()
        assert config_file(None) == path
    assert config_file(Path("other.yaml")) == Path("other.yaml")


def test_the_users_folder_may_be_elsewhere(
    places: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places[1].touch()
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    assert config_file(None) is None
    (tmp_path / "settings/jikimi").mkdir(parents=True)
    (tmp_path / "settings/jikimi/jikimi.yaml").touch()
    assert config_file(None) == tmp_path / "settings/jikimi/jikimi.yaml"


@pytest.mark.parametrize("command", ["run", "relays-off"])
def test_a_file_that_cannot_be_read_is_an_error_and_not_passed_over(
    run: Run, places: list[Path], command: str
) -> None:
    places[2].touch()
    places[1].symlink_to("nowhere")
    code, out, err = run(command)
    assert (code, out) == (2, "")
    assert f"{places[1]}: does not exist" in err


def test_run_takes_the_file_that_it_finds(run: Run, places: list[Path]) -> None:
    places[0].write_text(NO_SUCH)
    code, _, err = run("run")
    assert code == 2
    assert "jikimi.yaml:2" in err


def test_relays_off_takes_the_same_file(run: Run, places: list[Path]) -> None:
    places[1].write_text("sinks:\n  siren: {type: siren}\n")
    code, _, err = run("relays-off")
    assert code == 2
    assert f"{places[1]}:2" in err


def test_a_file_that_is_found_needs_cameras_too(run: Run, places: list[Path]) -> None:
    places[1].write_text("site: harbour\n")
    code, _, err = run("run", "--for", 1)
    assert code == 2
    assert f"{places[1]}: cameras: none are given" in err


@pytest.mark.slow
def test_cameras_of_the_command_line_come_on_top_of_the_files(tmp_path: Path) -> None:
    (tmp_path / "jikimi.yaml").write_text(
        "cameras: {yard: 'pattern://calm'}\nsinks: {mine: {type: log}}\n"
    )
    done = subprocess.run(
        [*COMMAND, "run", "--for", "1", "gate=pattern://calm"],
        cwd=tmp_path,
        env=os.environ | {"JIKIMI_STATE_DIR": str(tmp_path / "s"), "JIKIMI_HTTP__PORT": "0"},
        capture_output=True,
        text=True,
        check=True,
    )
    events = [json.loads(line) for line in done.stderr.splitlines()]
    [watching] = [event for event in events if event["event"] == "watching"]
    assert watching["cameras"] == ["yard", "gate"]
    assert watching["sinks"] == ["mine"]
    assert [e["file"] for e in events if e["event"] == "configuration"] == ["jikimi.yaml"]
    assert done.stdout == ""


# --- one daemon a state directory


@pytest.mark.slow
def test_the_second_daemon_is_refused_before_it_does_anything(tmp_path: Path) -> None:
    with claimed(tmp_path / "state"):
        done = subprocess.run(
            [*COMMAND, "run", "--for", "1", "gate=pattern://calm"],
            cwd=tmp_path,
            env=os.environ
            | {"JIKIMI_STATE_DIR": str(tmp_path / "state"), "JIKIMI_LOG__FORMAT": "console"},
            capture_output=True,
            text=True,
            check=False,
        )
    assert (done.returncode, done.stdout) == (2, "")
    [line] = done.stderr.splitlines()
    assert line.startswith(f"jikimi: {tmp_path}/state: another jikimi daemon")
    assert f"(process {os.getpid()})" in line
    assert "JIKIMI_STATE_DIR" in line
    with claimed(tmp_path / "state"):  # given back
        pass


def test_a_folder_without_room_for_a_lock_does_not_stop_an_alarm(tmp_path: Path) -> None:
    (tmp_path / "daemon.lock").mkdir()
    with claimed(tmp_path):
        pass


# --- what it shows


@pytest.mark.slow
def test_without_a_terminal_every_line_is_json(tmp_path: Path) -> None:
    cameras = {"calm": "pattern://calm", "gone": "rtsp://viewer:s3cret-word@127.0.0.1:1/a"}
    auto = {"JIKIMI_LOG__FORMAT": "auto", "JIKIMI_LOG__LEVEL": "debug"}
    with DaemonProcess(tmp_path / "jikimi", cameras=cameras, environment=auto) as daemon:
        wait_until(lambda: '"watching"' in daemon.log(), "the summary")
        assert daemon.jikimi("drill").returncode == 0
        wait_until(lambda: '"alert delivered"' in daemon.log(), "the drill")
        daemon.stop()
        lines = (daemon.log() + daemon.printed()).splitlines()
    events = [json.loads(line) for line in lines]
    assert all({"event", "level", "timestamp"} <= event.keys() for event in events)
    assert {"configuration", "engine chosen", "watching", "incident", "alert", "stopped"} <= {
        event["event"] for event in events
    }
    [opened] = [e for e in events if e["event"] == "incident" and e["phase"] == "opened"]
    assert opened["sinks"] == ["log"]


def test_an_error_at_the_start_is_json_too(run: Run, places: list[Path]) -> None:
    places[0].write_text(NO_SUCH + "sinsk: {}\n")
    _, out, err = run("run")
    [event] = [json.loads(line) for line in (out + err).splitlines()]
    assert event["event"] == "cannot run"
    assert len(event["reason"].splitlines()) == 2


@pytest.mark.slow
def test_a_demo_incident_is_two_lines_on_a_terminal(tmp_path: Path) -> None:
    """Its brawl begins after 20 s; 53 lines it took once, of up to 500 characters."""
    terminal = Terminal(80)
    with (
        terminal,
        DaemonProcess(
            tmp_path / "jikimi", cameras={"gate": "pattern://scuffle"}, terminal=terminal
        ) as daemon,
    ):
        wait_until(lambda: daemon.metric("jikimi_incidents_total", camera="gate"), "it", 60)
        wait_until(lambda: not daemon.metric("jikimi_incidents_open"), "its end", 60)
        daemon.stop()
        text = terminal.text()
    assert "\x1b[1;31mALARM   gate  violence 0." in text
    lines = re.sub(r"\x1b\[[\d;]*m", "", text).splitlines()
    timed = [line for line in lines if re.match(r"\d\d:\d\d:\d\d  ", line)]
    assert all(len(line) <= 80 for line in timed)
    told = [line for line in timed if line.split()[1] not in {"camera", "info", "warn"}]
    assert [line.split()[1] for line in told] == ["ALARM", "closed"]
    assert re.fullmatch(r"\S+  ALARM   gate  violence 0\.\d\d(, not verified)?  → log", told[0])
    # live and stopped; the second look ready, and on a slow machine what that makes of both
    assert len(timed) - len(told) <= 12
    # configuration, hint and summary; and what those lines go on with
    assert len(lines) - len(timed) <= 13 + len(timed) - len(told)


def test_the_sinks_of_a_box_of_a_cluster_know_its_name(tmp_path: Path) -> None:
    camera = CameraSettings(name="gate", url=StreamUrl.parse("pattern://calm"), site="yard")
    mqtt = sink("mqtt", host="broker.example")
    stated = Settings(site="yard", state_dir=tmp_path, cameras=[camera], sinks=[mqtt])
    [alone] = _settled(stated, None).sinks
    write_claims(tmp_path / CLAIMS, "harbour", {"gate": 1})
    [boxed] = _settled(stated, None).sinks
    found = [getattr(one.options, "availability", "") for one in (alone, boxed)]
    assert found == ["jikimi/yard/availability", "jikimi/yard/harbour/availability"]
