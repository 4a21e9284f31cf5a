"""Every thread that an alarm passes is killed: it is named, mended, and the next alarm arrives."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.request import urlopen

import pytest

from config.errors import ControlError
from detector.daemon.operators.control import ask
from servers import killing
from servers.daemon import DaemonProcess, wait_until
from servers.faults import SilentServer
from servers.mqtt import PROTOCOL, MqttBroker, Subscriber

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

NAMED_WITHIN_S = 10.0

CONFIG = """
cameras: {{gate: "pattern://calm", yard: "pattern://calm"}}
sinks:
  police: {{type: mqtt, host: 127.0.0.1, port: {broker}, protocol: "{protocol}"}}
  desk: {{type: webhook, url: "http://127.0.0.1:{hook}/"}}
  book: {{type: log}}
"""

THREADS = (
    "capture-gate",
    "capture-yard",
    "inference",
    "reporter",
    "sink-police",
    "mqtt-police",
    "sink-desk",
    "sink-book",
    "write-outbox",
    "sync-outbox",
    "calibration",
    "evidence",
    "control",
    "http",
    "log",
)
KILLED_AS = {"mqtt-police": "paho-mqtt-client"}


class Hook(BaseHTTPRequestHandler):
    """Takes every alert, and keeps it with its server."""

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        self.server.taken.append(json.loads(self.rfile.read(length)))  # type: ignore[attr-defined]
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@dataclass
class House:
    """A daemon whose threads can be killed, and who hears its alarms."""

    daemon: DaemonProcess
    kills: Path
    station: Subscriber
    desk: ThreadingHTTPServer

    def kill(self, thread: str) -> None:
        """Kill it; one that waits for an alarm dies at the next."""
        (self.kills / KILLED_AS.get(thread, thread)).touch()
        wait_until(lambda: not list(self.kills.iterdir()), "the killer")

    def livez(self) -> str:
        """The body of /livez; empty while nobody answers."""
        try:
            with urlopen(f"http://127.0.0.1:{self.daemon.port}/livez", timeout=5) as answer:
                return str(answer.read().decode())
        except OSError:
            return ""

    def is_watched(self, camera: str) -> None:
        """It is live, and scored."""
        self.daemon.wait_state(camera, "live")
        scored = self.daemon.metric("jikimi_samples_scored_total", camera=camera)
        wait_until(
            lambda: self.daemon.metric("jikimi_samples_scored_total", camera=camera) > scored,
            f"{camera} to be scored",
        )

    def drill(self) -> str | None:
        """Send an exercise; its incident, None where nobody takes the order just now."""
        try:
            return str(ask(self.daemon.state_dir / "control.sock", "drill")["incident"])
        except ControlError:
            return None

    def alarm_arrives(self) -> None:
        """An alarm gets through to station, desk and log."""
        incident = wait_until(self.drill, "the drill to be taken")
        wait_until(
            lambda: sum(a["incident_id"] == incident for a in self.station.incidents()) >= 2,
            "the station",
        )
        wait_until(
            lambda: sum(a["incident_id"] == incident for a in self.desk.taken) >= 2,  # type: ignore[attr-defined]
            "the desk",
        )


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("liveness")
    kills = folder / "kills"
    kills.mkdir()
    (folder / "broker").mkdir()
    desk = ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    desk.taken = []  # type: ignore[attr-defined]
    Thread(target=desk.serve_forever, daemon=True).start()
    with MqttBroker(folder / "broker") as broker, Subscriber(broker) as station:
        config = CONFIG.format(broker=broker.port, protocol=PROTOCOL, hook=desk.server_port)
        command = (sys.executable, killing.__file__, str(kills))
        with DaemonProcess(folder / "jikimi", config, command=command) as daemon:
            for camera in ("gate", "yard"):
                daemon.wait_state(camera, "live")
            yield House(daemon, kills, station, desk)
    desk.shutdown()
    desk.server_close()


@pytest.mark.parametrize("thread", THREADS)
def test_a_thread_that_dies_is_named_and_mended(house: House, thread: str) -> None:
    house.alarm_arrives()
    house.kill(thread)
    house.drill()  # wakes whoever waits; it may be the one that is lost
    why = "the log says why" if thread in KILLED_AS else "KilledError"
    mended = f"{thread} died ({why}), started anew "
    wait_until(
        lambda: any(line.startswith(mended) for line in house.livez().splitlines()),
        f"/livez to name {thread}",
        NAMED_WITHIN_S,
    )
    assert any(reason.startswith(mended) for reason in house.daemon.health()["reasons"])
    assert house.daemon.metric("jikimi_thread_restarts_total", thread=thread) == 1
    assert house.daemon.metric("jikimi_thread_stuck") == 0
    house.alarm_arrives()
    for camera in ("gate", "yard"):
        house.is_watched(camera)


def test_the_inference_thread_is_mended_once_and_then_the_process_ends(house: House) -> None:
    """Which is the last of this daemon."""
    assert house.daemon.process
    if not house.daemon.metric("jikimi_thread_restarts_total", thread="inference"):
        house.kill("inference")
        wait_until(
            lambda: house.daemon.metric("jikimi_thread_restarts_total", thread="inference"), "it"
        )
    house.kill("inference")
    assert house.daemon.process.wait(NAMED_WITHIN_S) == 1
    last = json.loads(house.daemon.log().splitlines()[-1])
    assert "inference died (Killed" in last["reason"]
    house.daemon.start()


def test_the_supervisor_dies_with_the_process(house: House) -> None:
    assert house.daemon.process
    house.kill("MainThread")
    assert house.daemon.process.wait(NAMED_WITHIN_S) != 0


def test_cameras_that_merely_hang_are_no_dead_threads(tmp_path: Path) -> None:
    with SilentServer() as silent:
        config = f"""
capture: {{open_timeout_s: 2, read_timeout_s: 1}}
cameras: {{mute: "rtsp://127.0.0.1:{silent.port}/1"}}
"""
        with DaemonProcess(tmp_path / "jikimi", config) as daemon:
            wait_until(
                lambda: daemon.metric("jikimi_camera_connects_total", camera="mute") >= 3,
                "some attempts",
                60,
            )
            assert not any("thread" in reason for reason in daemon.health()["reasons"])
            assert daemon.metric("jikimi_thread_restarts_total") == 0
            assert daemon.metric("jikimi_thread_stuck") == 0
            with urlopen(f"http://127.0.0.1:{daemon.port}/livez", timeout=5) as answer:
                assert answer.read() == b"ok\n"
