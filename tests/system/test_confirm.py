"""The police wait for an operator: over a kill, by MQTT and by a verdict; the book does not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from servers.daemon import DaemonProcess, wait_until
from servers.mqtt import PROTOCOL, MqttBroker, Subscriber

pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.timeout(300)]

CONFIG = """
engine: litert
http: {{public_url: 'https://jikimi.example'}}
cameras: {{gate: 'pattern://scuffle'}}
sinks:
  book: {{type: recording, path: {told}}}
  police:
    type: mqtt
    host: 127.0.0.1
    port: {port}
    protocol: "{protocol}"
    commands: true
    confirm: {{by: operator, within_s: 900}}
"""


def awaiting(daemon: DaemonProcess) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = daemon.health()["awaiting"]
    return found


def test_the_police_hear_of_what_an_operator_has_confirmed_and_of_nothing_else(
    tmp_path: Path, broker: MqttBroker
) -> None:
    told = tmp_path / "told"
    config = CONFIG.format(told=told, port=broker.port, protocol=PROTOCOL)
    with (
        Subscriber(broker) as station,
        DaemonProcess(tmp_path / "jikimi", config) as daemon,
    ):
        [first] = wait_until(lambda: awaiting(daemon), "an alarm to wait", 90)
        assert (first["sink"], first["camera"], first["then"]) == ("police", "gate", "send")
        wait_until(lambda: told.exists() and first["incident"] in told.read_text(), "the book")
        assert "police waits for an operator: gate" in " ".join(
            daemon.jikimi("status").stdout.split()
        )
        daemon.kill()
        daemon.start()
        [same] = awaiting(daemon)
        assert (same["incident"], same["until"]) == (first["incident"], first["until"])
        assert station.incidents() == []
        told_at = [json.loads(line) for line in told.read_text().splitlines()]
        page = f"https://jikimi.example/incident/{first['incident']}"
        [linked] = [
            one["links"]
            for one in told_at
            if (one["phase"], one["incident_id"]) == ("opened", first["incident"])
        ]
        assert linked == {
            "console": page,
            "confirm": f"{page}?ask=confirm",
            "mute": f"{page}?ask=mute",
        }
        wait_until(lambda: daemon.camera("gate")["state"] == "live", "the camera")
        station.wait_until(lambda all_: any(m.topic.endswith("gate/state") for m in all_))
        station.publish("jikimi/default/gate/command/confirm", first["incident"].encode())
        station.wait_until(lambda _: any(one["phase"] == "closed" for one in station.incidents()))
        assert [
            (alert["incident_id"], alert["phase"])
            for alert in station.incidents()
            if alert["phase"] != "updated"
        ] == [(first["incident"], "opened"), (first["incident"], "closed")]

        assert all("confirm" not in alert["links"] for alert in station.incidents())
        [second] = wait_until(lambda: awaiting(daemon), "another alarm to wait", 120)
        judged = daemon.jikimi("incidents", "judge", second["incident"], "false-alarm")
        assert judged.returncode == 0, judged.stderr
        assert awaiting(daemon) == []
        dismissed = daemon.metric("jikimi_deliveries_total", sink="police", result="dismissed")
        assert dismissed == 1
        late = daemon.jikimi("incidents", "confirm", first["incident"])
        assert late.returncode == 6
        assert "it was sent or dropped already" in late.stderr
        daemon.stop()
        assert {alert["incident_id"] for alert in station.incidents()} == {first["incident"]}
        assert second["incident"] in told.read_text()
        assert "Traceback" not in daemon.log()
        entries = [
            json.loads(line) for line in daemon.jikimi("incidents", "--json").stdout.splitlines()
        ]
        assert [one["verdict"] for one in entries if "verdict" in one] == ["false-alarm"]
