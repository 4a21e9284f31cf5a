"""Two daemons of a cluster on one broker: what it shows of a camera that goes to the other one."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from detector.cluster.configuration import share_of, sites_of
from detector.daemon.handover.claims import CLAIMS, write_claims
from servers.daemon import DaemonProcess, wait_until
from servers.mqtt import MOSQUITTO, MqttBroker, retained

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(not MOSQUITTO, reason="mosquitto is not installed; amqtt confuses retained"),
]

NOBODY = "rtsp://127.0.0.1:1/x"
"""Answers nothing, so that it is offline for good: which state it is does not matter here."""

CITY = """
engine: litert
site: yard
cameras: {{{cameras}}}
sinks:
  home: {{type: mqtt, host: 127.0.0.1, port: {port}, homeassistant: {{}}}}
evidence: off
detection: {{second_look: off}}
"""


class Member(DaemonProcess):
    """A box's daemon, given its share as the box gives it."""

    def __init__(self, folder: Path, text: str, *cameras: str) -> None:
        super().__init__(folder, share_of(text, cameras))
        self.state_dir.mkdir()
        self.given(text, *cameras)

    def given(self, text: str, *cameras: str) -> None:
        epochs = dict.fromkeys(cameras, 7)
        write_claims(self.state_dir / CLAIMS, self.folder.name, epochs, sites_of(text))
        if cameras:
            self.config_path.write_text(share_of(text, cameras))

    def takes_over(self, text: str, *cameras: str) -> None:
        self.given(text, *cameras)
        self.signal(signal.SIGHUP)


def shower(broker: MqttBroker, camera: str) -> str | None:
    """By which box Home Assistant goes, of a camera whose state is shown; None of any other."""
    shown = retained(broker)
    told = [json.loads(one) for topic, one in shown.items() if topic.endswith("/state/config")]
    boxes = [one["availability_topic"] for one in told if one["device"]["name"] == camera]
    return boxes[0].split("/")[2] if boxes and f"jikimi/yard/{camera}/state" in shown else None


def city(broker: MqttBroker, *cameras: str) -> str:
    stated = ", ".join(f"{name}: '{NOBODY}'" for name in cameras)
    return CITY.format(port=broker.port, cameras=stated)


def test_only_what_leaves_the_configuration_is_cleared(broker: MqttBroker, tmp_path: Path) -> None:
    whole = city(broker, "dock", "gate", "quay", "pier")
    without_pier = city(broker, "dock", "gate", "quay")

    def shown_by(camera: str, box: str) -> None:
        wait_until(lambda: shower(broker, camera) == box, f"{box} to show {camera}")

    a = Member(tmp_path / "a", whole, "dock", "gate", "pier")
    b = Member(tmp_path / "b", whole, "quay")
    with a, b:
        for camera in ("dock", "gate", "pier"):
            shown_by(camera, "a")
        b.takes_over(whole, "quay", "gate")  # before a hears of it, as in a partition
        shown_by("gate", "b")
        a.takes_over(without_pier, "dock")
        wait_until(lambda: shower(broker, "pier") is None, "what is removed to be cleared")
        assert shower(broker, "gate") == "b"
        assert shower(broker, "dock") == "a"
        a.kill()
        a.start()
        shown_by("dock", "a")
        b.takes_over(without_pier, "quay", "gate", "dock")
        shown_by("dock", "b")
        a.given(without_pier)  # nothing any more, so its box ends it
        a.stop()
        assert {name: shower(broker, name) for name in ("dock", "gate", "quay", "pier")} == {
            "dock": "b",
            "gate": "b",
            "quay": "b",
            "pier": None,
        }
        b.stop()
        assert not [topic for topic in retained(broker) if topic.endswith("/state")]
