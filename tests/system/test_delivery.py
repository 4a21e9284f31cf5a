"""What becomes of an incident when the broker is away, or the daemon dies over it."""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from detector.daemon.journal import OUTBOX
from servers.daemon import DaemonProcess, wait_until
from servers.mqtt import PROTOCOL, MqttBroker, Subscriber
from servers.rtsp import Feed, RtspServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

EXPIRY_S = 5

CONFIG = """
cameras:
  gate: {url}
sinks:
  police:
    type: mqtt
    host: 127.0.0.1
    port: {port}
    protocol: "{protocol}"
    expiry_s: {expiry_s}
  siren:
    type: siren
    command: [{python}, {script}]
    expiry_s: {expiry_s}
"""

SIREN = """
import pathlib, os, sys
here = pathlib.Path(__file__).parent
if not (here / "power").exists():
    sys.exit("no power")
with (here / "sounded").open("a") as file:
    file.write(os.environ["JIKIMI_CAMERA"] + "\\n")
"""


class Siren:
    """A siren that sounds by a command, which fails until it has power."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.script = folder / "siren.py"
        self.script.write_text(SIREN)
        self.power = folder / "power"
        self._sounded = folder / "sounded"

    def sounded(self) -> list[str]:
        return self._sounded.read_text().split() if self._sounded.exists() else []


def make_config(url: str, broker: MqttBroker, siren: Siren) -> str:
    return CONFIG.format(
        url=url,
        port=broker.port,
        protocol=PROTOCOL,
        expiry_s=EXPIRY_S,
        python=sys.executable,
        script=siren.script,
    )


def opened(daemon: DaemonProcess) -> float:
    return daemon.metric("jikimi_incidents_total", camera="gate")


def waiting(daemon: DaemonProcess, sink: str) -> float:
    return daemon.metric("jikimi_outbox_depth", sink=sink)


def on_disk(daemon: DaemonProcess) -> bool:
    """Whether the disk has an incident, and its alert for both sinks."""

    def count(query: str) -> int:
        path = f"file:{daemon.state_dir / OUTBOX}?mode=ro"
        with closing(sqlite3.connect(path, uri=True)) as database:
            return int(database.execute(query).fetchone()[0])

    sinks = count("SELECT count(DISTINCT sink) FROM queue")
    return sinks == 2 and count("SELECT count(*) FROM incidents") == 1


def test_a_broker_away_for_the_whole_incident_hears_of_it_later_and_the_siren_at_once(
    tmp_path: Path, broker: MqttBroker, fight_feed: Feed
) -> None:
    siren = Siren(tmp_path / "siren")
    siren.power.touch()
    with RtspServer({"gate": fight_feed}) as server, Subscriber(broker) as station:
        broker.stop()
        config = make_config(server.url("gate"), broker, siren)
        with DaemonProcess(tmp_path / "jikimi", config) as daemon:
            wait_until(lambda: opened(daemon), "an incident", 60)
            wait_until(siren.sounded, "the siren")
            wait_until(
                lambda: not daemon.metric("jikimi_incidents_open", camera="gate"), "its end", 60
            )
            assert waiting(daemon, "police") >= 2
            broker.start()
            wait_until(lambda: waiting(daemon, "police") == 0, "the outbox to empty")
        alerts = station.wait_for_incidents(2)

    first = alerts[0]["incident_id"]
    told = [alert for alert in alerts if alert["incident_id"] == first]
    assert [alert["phase"] for alert in told if alert["phase"] != "updated"] == ["opened", "closed"]
    assert told[0]["image"]
    assert told[0]["late"]
    assert sum(alert["phase"] == "updated" for alert in told) <= 1
    assert siren.sounded() == ["gate"]


def test_killed_between_incident_and_delivery_nothing_is_lost_and_an_old_siren_stays_silent(
    tmp_path: Path, broker: MqttBroker, fight_feed: Feed, calm_feeds: list[Feed]
) -> None:
    siren = Siren(tmp_path / "siren")
    feeds = {"fight": fight_feed, "calm": calm_feeds[0]}
    with RtspServer(feeds) as server, Subscriber(broker) as station:
        broker.stop()
        config = make_config(server.url("fight"), broker, siren)
        with DaemonProcess(tmp_path / "jikimi", config) as daemon:
            wait_until(lambda: opened(daemon), "an incident", 60)
            wait_until(lambda: on_disk(daemon), "the disk")
            daemon.kill()
            killed_at = datetime.now(UTC)
            broker.start()
            station.wait_ready()
            # The same camera, now calm: another fight would sound the siren, and rightly so.
            daemon.config_path.write_text(make_config(server.url("calm"), broker, siren))
            stale_at = killed_at + timedelta(seconds=EXPIRY_S + 1)
            wait_until(lambda: datetime.now(UTC) >= stale_at, "the siren's alert to expire")
            # Not before: a try that the daemon had begun when it died would still find the power.
            siren.power.touch()
            daemon.start()
            alerts = station.wait_for_incidents(2)
            wait_until(lambda: waiting(daemon, "siren") == 0, "the siren's outbox to empty")
            entries = daemon.jikimi("incidents").stdout

    phases = {alert["alert_id"]: alert["phase"] for alert in alerts}
    assert sorted(p for p in phases.values() if p != "updated") == ["closed", "opened"]
    assert len({alert["incident_id"] for alert in alerts}) == 1
    [first] = {a["alert_id"]: a for a in alerts if a["phase"] == "opened"}.values()
    [last] = {a["alert_id"]: a for a in alerts if a["phase"] == "closed"}.values()
    assert first["late"]
    assert first["image"]
    assert last["reason"] == "monitor restarted"
    assert last["sequence"] > first["sequence"]
    assert "monitor restarted" in entries
    assert siren.sounded() == []
