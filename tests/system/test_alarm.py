"""The main job, end to end: four cameras in, one alarm out, with its picture."""

from __future__ import annotations

import base64
from pathlib import Path

import cv2
import numpy as np
import pytest

from servers.daemon import DaemonProcess, wait_until
from servers.mqtt import PROTOCOL, MqttBroker, Subscriber
from servers.rtsp import Feed, RtspServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

CONFIG = """
site: seoul-jungnang
cameras:
{cameras}
sinks:
  police:
    type: mqtt
    host: 127.0.0.1
    port: {port}
    protocol: "{protocol}"
"""


def test_a_fight_raises_one_alarm_with_its_picture_and_the_others_none(
    tmp_path: Path, broker: MqttBroker, fight_feed: Feed, calm_feeds: list[Feed]
) -> None:
    feeds = {"gate": fight_feed, **{f"calm-{i}": feed for i, feed in enumerate(calm_feeds)}}
    with RtspServer(feeds) as server, Subscriber(broker) as station:
        cameras = "\n".join(f"  {name}: {server.url(name)}" for name in feeds)
        config = CONFIG.format(cameras=cameras, port=broker.port, protocol=PROTOCOL)
        with DaemonProcess(tmp_path / "jikimi", config) as daemon:
            for name in feeds:
                daemon.wait_state(name, "live")
            opened = station.wait_for_incidents(1, timeout_s=150)[0]  # it comes every 44 s
            wait_until(
                lambda: any(a["phase"] == "closed" for a in station.incidents()),
                "the incident to close",
                60,
            )
            alerts = station.incidents()
            states = {m.topic: m.json for m in station.messages if m.topic.endswith("/state")}
            listed = daemon.jikimi("incidents").stdout.splitlines()

    assert {alert["camera"] for alert in alerts} == {"gate"}
    assert len({alert["incident_id"] for alert in alerts}) == 1
    assert [a["phase"] for a in alerts if a["phase"] != "updated"] == ["opened", "closed"]
    assert [alert["sequence"] for alert in alerts] == list(range(len(alerts)))
    assert len({alert["alert_id"] for alert in alerts}) == len(alerts)
    assert opened["phase"] == "opened"
    assert opened["label"] == "violence"
    assert opened["site"] == "seoul-jungnang"
    assert not opened["exercise"]
    assert not opened["late"]
    picture = cv2.imdecode(np.frombuffer(base64.b64decode(opened["image"]), np.uint8), 1)
    assert picture is not None
    assert picture.std() > 10  # a picture of something
    assert set(states) == {f"jikimi/seoul-jungnang/{name}/state" for name in feeds}
    assert len(listed) == 1
    assert "gate" in listed[0]
