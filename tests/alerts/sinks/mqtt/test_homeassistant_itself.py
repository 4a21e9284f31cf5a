"""A real Home Assistant finds the cameras, commands the monitor and tells a phone.

Skips where the environment variable `HOME_ASSISTANT` does not name its `hass` command.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from alerting import PICTURE, follow_up, make_alert

from alerts.deadline import Deadline
from alerts.dispatcher import Dispatcher
from alerts.message import AlertPhase, CameraNotice
from servers.home_assistant import HASS, HomeAssistant
from servers.mqtt import MqttBroker

Dispatching = Callable[..., Dispatcher]

BLUEPRINT = Path(__file__).parents[4] / "deploy/homeassistant/jikimi_notification.yaml"
ENTITIES = {
    "binary_sensor.gate_violence",
    "button.gate_drill",
    "image.gate_snapshot",
    "sensor.gate_score",
    "sensor.gate_state",
    "switch.gate_silence",
}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(not HASS, reason="HOME_ASSISTANT does not name the hass command"),
]


@pytest.fixture
def home(broker: MqttBroker, tmp_path: Path) -> Iterator[HomeAssistant]:
    folder = tmp_path / "home"
    folder.mkdir()
    with HomeAssistant(folder, broker.port) as running:
        yield running


@pytest.fixture
def pushed() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Where messages to phones go, and what came there."""
    came: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            came.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(201)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/", came
        server.shutdown()


class House:
    """A monitor and a Home Assistant that has found its camera `gate`."""

    def __init__(self, dispatcher: Dispatcher, home: HomeAssistant) -> None:
        self.dispatcher = dispatcher
        self.home = home
        self.asked: list[tuple[str, dict[str, Any]]] = []
        dispatcher.on_command(self.run)
        self.watch("gate")
        home.wait_until(lambda: home.states().keys() >= ENTITIES)
        self.wait_state("binary_sensor.gate_violence", "off")

    def run(self, command: str, request: dict[str, Any]) -> dict[str, Any]:
        self.asked.append((command, request))
        if command == "silence":
            self.dispatcher.cameras.silence("gate", request["for_s"])
        elif command == "unsilence":
            self.dispatcher.cameras.unsilence("gate")
        return {}

    def watch(self, camera: str) -> None:
        self.dispatcher.cameras.show(CameraNotice(camera, "yard", "live", datetime.now(UTC)))

    def wait_state(self, entity: str, state: str) -> None:
        self.home.wait_until(lambda: self.home.states()[entity] == state)


def test_it_finds_a_camera_shows_its_alarm_commands_it_and_tells_a_phone(
    dispatching: Dispatching, home: HomeAssistant, pushed: tuple[str, list[dict[str, Any]]]
) -> None:
    url, messages = pushed
    house = House(dispatching(homeassistant={}, commands=True), home)
    house.wait_state("sensor.gate_state", "live")
    take_blueprint(home, home.add_phone(url))
    shows_an_alarm(house, messages)
    commands(house)
    loses_a_camera(house)
    house.dispatcher.stop(Deadline.after(5))
    for entity in ENTITIES:
        house.wait_state(entity, "unavailable")
    assert " ERROR " not in home.log
    assert "components.mqtt" not in home.log


def take_blueprint(home: HomeAssistant, phone: str) -> None:
    folder = home.folder / "blueprints/automation/jikimi"
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(BLUEPRINT, folder)
    inputs = {
        "violence": "binary_sensor.gate_violence",
        "snapshot": "image.gate_snapshot",
        "phone": phone,
    }
    blueprint = {"path": "jikimi/jikimi_notification.yaml", "input": inputs}
    home.post("config/automation/config/told", {"alias": "told", "use_blueprint": blueprint})
    home.wait_until(lambda: home.states()["automation.told"] == "on")


def shows_an_alarm(house: House, messages: list[dict[str, Any]]) -> None:
    home, picture = house.home, PICTURE * 30
    opened = make_alert(image=picture, score=0.87)
    house.dispatcher.submit(opened)
    house.wait_state("binary_sensor.gate_violence", "on")
    home.wait_until(lambda: home.get_bytes("image_proxy/image.gate_snapshot") == picture)
    house.wait_state("sensor.gate_score", "0.87")
    assert home.attributes("binary_sensor.gate_violence")["exercise"] is False
    home.wait_until(lambda: messages)
    assert messages[0]["title"] == "Violence: gate"
    assert messages[0]["message"] == "87 %"
    assert messages[0]["data"]["image"] == "/api/image_proxy/image.gate_snapshot"
    house.dispatcher.submit(follow_up(opened, AlertPhase.CLOSED, 1))
    house.wait_state("binary_sensor.gate_violence", "off")


def commands(house: House) -> None:
    house.home.call("switch/turn_on", "switch.gate_silence")
    house.wait_state("switch.gate_silence", "on")
    house.home.call("switch/turn_off", "switch.gate_silence")
    house.wait_state("switch.gate_silence", "off")
    house.home.call("button/press", "button.gate_drill")
    house.home.wait_until(lambda: len(house.asked) == 3)
    assert house.asked == [
        ("silence", {"camera": "gate", "for_s": 3600}),
        ("unsilence", {"camera": "gate"}),
        ("drill", {"camera": "gate"}),
    ]


def loses_a_camera(house: House) -> None:
    house.watch("door")
    house.home.wait_until(lambda: "switch.door_silence" in house.home.states())
    house.dispatcher.cameras.forget("door", "yard")
    house.home.wait_until(lambda: not any(".door_" in one for one in house.home.states()))
