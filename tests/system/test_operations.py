"""What operators do to a running daemon: reload, drill, silence, supervise, stop."""

from __future__ import annotations

import json
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.errors import ControlError
from detector.daemon.operators.control import ask
from servers import lingering
from servers.daemon import DaemonProcess, wait_until
from servers.faults import SilentServer
from servers.mqtt import PROTOCOL, MqttBroker, Subscriber
from servers.rtsp import RtspServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


@pytest.fixture
def server(walk_clip: Path) -> Iterator[RtspServer]:
    with RtspServer({"a": walk_clip, "b": walk_clip, "c": walk_clip}) as running:
        yield running


def told_to(broker: MqttBroker) -> str:
    """The sinks' part of a configuration: the police, by this broker."""
    police = f'{{type: mqtt, host: 127.0.0.1, port: {broker.port}, protocol: "{PROTOCOL}"}}'
    return f"sinks:\n  police: {police}\n"


def connects(daemon: DaemonProcess, camera: str) -> float:
    return daemon.metric("jikimi_camera_connects_total", camera=camera)


def test_reload_adds_removes_and_changes_cameras_without_touching_the_others(
    tmp_path: Path, server: RtspServer
) -> None:
    a, b, c = (server.url(name) for name in "abc")
    config = f"cameras:\n  stays: {a}\n  goes: {b}\n  changes: {b}\n"
    with DaemonProcess(tmp_path / "jikimi", config) as daemon:
        for name in ("stays", "goes", "changes"):
            daemon.wait_state(name, "live")
        daemon.config_path.write_text(f"cameras:\n  stays: {a}\n  changes: {c}\n  comes: {b}\n")
        daemon.signal(signal.SIGHUP)
        wait_until(lambda: '"comes"' in str(daemon.health()).replace("'", '"'), "the new camera")
        daemon.wait_state("comes", "live")
        daemon.wait_state("changes", "live")
        names = {camera["name"] for camera in daemon.health()["cameras"]}
        assert names == {"stays", "changes", "comes"}
        assert daemon.camera("changes")["url"] == c
        assert connects(daemon, "stays") == 1
        assert 'camera="goes"' not in daemon.metrics_text()


def test_a_wrong_file_changes_nothing_and_says_why(tmp_path: Path, server: RtspServer) -> None:
    with DaemonProcess(tmp_path / "jikimi", f"cameras:\n  stays: {server.url('a')}\n") as daemon:
        daemon.wait_state("stays", "live")
        daemon.config_path.write_text("cameras:\n  stays: {url: 'rtsp://x', colour: red}\n")
        daemon.signal(signal.SIGHUP)
        wait_until(lambda: "reload refused" in daemon.log(), "the refusal")
        assert "jikimi.yaml:2" in daemon.log()
        assert "colour" in daemon.log()
        assert daemon.camera("stays")["state"] == "live"
        assert connects(daemon, "stays") == 1


def test_a_drill_reaches_the_sinks_marked_and_silence_does_not_hold_it_back(
    tmp_path: Path, server: RtspServer, broker: MqttBroker
) -> None:
    config = f"cameras:\n  gate: {server.url('a')}\n  yard: {server.url('b')}\n{told_to(broker)}"
    with (
        Subscriber(broker) as station,
        DaemonProcess(tmp_path / "jikimi", config) as daemon,
    ):
        daemon.wait_state("yard", "live")
        assert daemon.jikimi("silence", "--for", "10m").returncode == 0
        done = daemon.jikimi("drill", "--camera", "yard")
        assert done.returncode == 0, done.stderr
        assert "police: acknowledged after " in done.stdout
        alerts = station.wait_for_incidents(2)
        assert [a["phase"] for a in alerts] == ["opened", "closed"]
        assert {a["camera"] for a in alerts} == {"yard"}
        assert all(alert["exercise"] for alert in alerts)
        assert alerts[0]["image"]
        assert daemon.jikimi("drill", "--camera", "nowhere").returncode == 6
        health, states = daemon.health(), ask(daemon.state_dir / "control.sock", "states")
        assert states["cameras"] == {one["name"]: one["state"] for one in health["cameras"]}
        assert states["url"] == f"http://127.0.0.1:{daemon.port}"
        shown = daemon.jikimi("status").stdout
        assert "live" in shown
        assert "silenced  every camera until " in shown
        ended = daemon.jikimi("unsilence").stdout
        assert ended == "every camera is no longer silenced\n"
        assert "silenced" not in daemon.jikimi("status").stdout
        daemon.stop()
        assert daemon.jikimi("incidents").stdout == "no incidents yet\n"


def test_a_lost_camera_is_told_once_and_once_more_when_it_is_back(
    tmp_path: Path, server: RtspServer, broker: MqttBroker
) -> None:
    config = (
        f"capture: {{offline_grace_s: 1}}\ncameras:\n  gate: {server.url('a')}\n{told_to(broker)}"
    )
    with (
        Subscriber(broker) as station,
        DaemonProcess(tmp_path / "jikimi", config) as daemon,
    ):
        daemon.wait_state("gate", "live")
        server.kill()
        [lost] = station.wait_for_incidents(1)
        assert lost["phase"] == "camera_lost"
        server.start()
        daemon.wait_state("gate", "live")
        _, back = station.wait_for_incidents(2)
        assert back["phase"] == "camera_back"
        assert back["incident_id"] == lost["incident_id"]
        daemon.stop()
        assert len(station.incidents()) == 2


def test_the_service_manager_hears_ready_and_signs_of_life_though_a_camera_hangs(
    tmp_path: Path, server: RtspServer
) -> None:
    address = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager, SilentServer() as hung:
        manager.bind(str(address))
        manager.settimeout(20)
        cameras = {"good": server.url("a"), "hung": f"rtsp://127.0.0.1:{hung.port}/x"}
        environment = {"NOTIFY_SOCKET": str(address), "WATCHDOG_USEC": "1000000"}
        with DaemonProcess(tmp_path / "jikimi", cameras=cameras, environment=environment) as daemon:
            said = [manager.recv(256).decode() for _ in range(4)]
            assert said[0] == "READY=1"
            assert said[1:] == ["WATCHDOG=1"] * 3
            assert daemon.camera("hung")["state"] != "live"
            daemon.stop()
            while (last := manager.recv(256).decode()) == "WATCHDOG=1":
                pass
            assert last == "STOPPING=1"


def test_stops_with_success_while_cameras_hang(tmp_path: Path) -> None:
    with SilentServer() as hung:
        cameras = {f"hung-{i}": f"rtsp://127.0.0.1:{hung.port}/{i}" for i in range(20)}
        command = (sys.executable, lingering.__file__)
        with DaemonProcess(tmp_path / "jikimi", cameras=cameras, command=command) as daemon:
            assert daemon.camera("hung-19")["state"] == "connecting"
            daemon.stop()


def test_a_storm_of_signals_leaves_it_alive_and_able_to_stop(tmp_path: Path) -> None:
    """A signal may interrupt the handling of another at any instruction."""
    with DaemonProcess(tmp_path / "jikimi", cameras={"gate": "rtsp://127.0.0.1:1/a"}) as daemon:
        for _ in range(20_000):
            daemon.signal(signal.SIGHUP)
        assert daemon.answers()
        daemon.stop()


def test_two_daemons_on_one_state_directory_are_refused(tmp_path: Path, server: RtspServer) -> None:
    with DaemonProcess(tmp_path / "jikimi", cameras={"gate": server.url("a")}) as daemon:
        second = daemon.jikimi("run", "--for", "1")
        assert second.returncode != 0
        assert "another jikimi" in second.stderr
        assert daemon.answers()


def test_what_a_camera_has_learnt_outlives_the_daemon_until_the_camera_is_turned(
    tmp_path: Path, server: RtspServer
) -> None:
    config = (
        f"cameras:\n  learns: {server.url('a')}\n"
        f"  stated: {{url: '{server.url('b')}', detection: {{open_threshold: 0.8}}}}\n"
    )
    kept = tmp_path / "jikimi/state/calibration/learns.json"

    def hours() -> float:
        [label] = json.loads(kept.read_text())["labels"].values()
        return sum(float(day["hours"]) for day in label["days"])

    with DaemonProcess(tmp_path / "jikimi", config) as daemon:
        daemon.wait_state("learns", "live")
        scored = "jikimi_samples_scored_total"
        wait_until(lambda: daemon.metric(scored, camera="learns") > 16, "two seconds of scores")
        daemon.stop()
    first = hours()
    assert first > 1 / 3600
    assert not kept.with_name("stated.json").exists()
    with DaemonProcess(tmp_path / "jikimi", config) as daemon:
        daemon.wait_state("learns", "live")
        assert daemon.camera("learns")["calibration"]["violence"]["hours"] >= 0
        assert not daemon.camera("stated")["calibration"]["violence"]["learning"]
        daemon.stop()
    assert hours() >= first
    with DaemonProcess(tmp_path / "jikimi", config) as daemon:
        ask(daemon.state_dir / "control.sock", "recalibrate", camera="learns")
        assert hours() < first
        with pytest.raises(ControlError, match="open_threshold is stated"):
            ask(daemon.state_dir / "control.sock", "recalibrate", camera="stated")
        with pytest.raises(ControlError, match="no camera"):
            ask(daemon.state_dir / "control.sock", "recalibrate")


def test_the_broker_holds_no_state_of_a_camera_that_was_taken_out(
    tmp_path: Path, server: RtspServer, broker: MqttBroker
) -> None:
    a, b = server.url("a"), server.url("b")
    config = f"{told_to(broker)}cameras:\n  stays: {a}\n  changes: {a}\n"
    with (
        Subscriber(broker, "jikimi/default/+/state") as watching,
        DaemonProcess(tmp_path / "jikimi", f"{config}  goes: {b}\n") as daemon,
    ):
        daemon.wait_state("goes", "live")
        daemon.config_path.write_text(config.replace(f"changes: {a}", f"changes: {b}"))
        daemon.signal(signal.SIGHUP)
        watching.wait_until(lambda messages: any(not m.payload for m in messages))
        daemon.wait_state("changes", "live")
        live = b'"state": "live"'
        watching.wait_until(lambda messages: sum(live in m.payload for m in messages) >= 4)
        with Subscriber(broker, "jikimi/default/+/state") as late:
            late.wait_until(lambda messages: len(messages) >= 2)
            held = {m.topic.split("/")[2] for m in late.messages if m.payload}
        assert held == {"stays", "changes"}
