"""The daemon as a home automation sees it: found, drilled and silenced over a real broker."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from servers.daemon import DaemonProcess
from servers.mqtt import MOSQUITTO, MqttBroker, Subscriber, retained

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not MOSQUITTO, reason="mosquitto is not installed"),
]

CONFIG = """
site: shop
cameras:
  till: pattern://calm
sinks:
  home:
    type: mqtt
    host: 127.0.0.1
    port: {port}
    commands: true
    homeassistant: {{}}
    onvif_events: true
"""
TILL = "jikimi/shop/till"


def test_a_home_automation_finds_drills_and_silences_a_camera(
    tmp_path: Path, broker: MqttBroker
) -> None:
    with Subscriber(broker, "#") as home:
        with DaemonProcess(tmp_path / "jikimi", CONFIG.format(port=broker.port)) as daemon:
            daemon.wait_state("till", "live")
            home.wait_until(lambda all_: sum(m.topic.endswith("/config") for m in all_) == 6)
            home.publish(f"{TILL}/command/drill", b"PRESS")
            home.wait_for_incidents(2)
            home.publish(f"{TILL}/command/silence", b"1h")
            home.wait_until(lambda all_: sum(m.topic.endswith("/result") for m in all_) == 2)
            state = json.loads(retained(broker)[f"{TILL}/state"])
            home.publish(f"{TILL}/command/silence", b"off")
            home.wait_until(lambda all_: sum(m.topic.endswith("/result") for m in all_) == 3)
            answers = [m.json for m in home.messages if m.topic.endswith("/result")]
            shown = [m.json for m in home.messages if m.topic == f"{TILL}/alarm"]
            events = [m.json for m in home.messages if "/onvif-ej/" in m.topic]
            daemon.stop()
        left = retained(broker)
    assert {one["phase"] for one in home.incidents()} == {"opened", "closed"}
    assert all(one["exercise"] for one in home.incidents())
    assert answers[0]["result"]["sinks"] == ["home"]
    assert state["silenced_until"] is not None
    assert answers[2]["result"]["ended"] == ["till"]
    assert [one["state"] for one in shown if one["exercise"]][:2] == ["ON", "OFF"]
    assert [one["Data"]["State"] for one in events] == [True, False]
    assert {topic for topic in left if topic.startswith("jikimi/")} == {"jikimi/shop/availability"}
