"""Real faults of a real daemon reach a receiver through real Prometheus and Alertmanager.

The rules are those of `deploy/`, but for one thing: conditions hold 1 s instead of each rule's
own `for` (which the rule tests cover), and the daemon is asked each second instead of each 15.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from config.errors import DeliveryError
from servers import hanging
from servers.daemon import DaemonProcess, wait_until
from servers.mqtt import PROTOCOL, MqttBroker
from servers.prometheus import Alertmanager, Prometheus, Receiver, needs
from servers.rtsp import RtspServer, gst_available, make_clip, needs_rtsp_server

pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.timeout(300)]

PASSWORD = "right-pass-5813"

CONFIG = """
site: harbour
capture: {{open_timeout_s: 3, read_timeout_s: 2, offline_grace_s: 3}}
cameras:
{cameras}
sinks:
  police:
    type: mqtt
    host: 127.0.0.1
    port: {port}
    protocol: "{protocol}"
  siren:
    type: siren
    command: ["false"]
    expiry_s: 3
"""


@dataclass
class Watched:
    """A daemon with everything around it."""

    daemon: DaemonProcess
    prometheus: Prometheus
    receiver: Receiver
    cameras: RtspServer
    broker: MqttBroker
    hang: Path


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    needs("prometheus", "prometheus-alertmanager")
    folder = tmp_path_factory.mktemp("watched")
    (folder / "broker").mkdir()
    clip, hang = make_clip(folder / "walk.mp4"), folder / "hang"
    with ExitStack() as stack:
        cameras = stack.enter_context(RtspServer({"gate": clip}))
        urls = {"demo": "pattern://calm", "gate": cameras.url("gate")}
        if gst_available():
            locked = RtspServer({"l": clip}, user="operator", password=PASSWORD)
            urls["locked"] = stack.enter_context(locked).url("l", password="no")
        broker = stack.enter_context(MqttBroker(folder / "broker"))
        receiver = stack.enter_context(Receiver())
        alertmanager = stack.enter_context(Alertmanager(folder, receiver))
        config = CONFIG.format(
            cameras="\n".join(f"  {name}: {url}" for name, url in urls.items()),
            port=broker.port,
            protocol=PROTOCOL,
        )
        command = (sys.executable, hanging.__file__, str(hang))
        daemon = stack.enter_context(DaemonProcess(folder / "jikimi", config, command=command))
        daemon.wait_state("gate", "live")
        prometheus = stack.enter_context(Prometheus(folder, [daemon.port], alertmanager))
        wait_until(lambda: prometheus.instant("up == 1"), "the first scrape")
        yield Watched(daemon, prometheus, receiver, cameras, broker, hang)


def test_a_daemon_in_order_raises_no_alert(watched: Watched) -> None:
    wait_until(lambda: watched.prometheus.instant("instance_camera:jikimi_site:info"), "the rules")
    assert watched.prometheus.firing() <= {"JikimiCameraUnauthorised", "JikimiCameraLost"}
    [progress] = watched.prometheus.instant('jikimi_progress_age_seconds{part="inference"}')
    assert 0 <= progress.values[-1][1] < 5
    [free] = watched.prometheus.instant("jikimi_state_disk_free_bytes")
    assert free.values[-1][1] > 0
    thresholds = watched.prometheus.instant("jikimi_open_threshold")
    assert {s.labels["camera"] for s in thresholds} >= {"demo", "gate"}
    assert all(0 < s.values[-1][1] <= 1 for s in thresholds)


def test_a_camera_that_refuses_the_password(watched: Watched) -> None:
    needs_rtsp_server()
    alert = watched.receiver.wait_for("JikimiCameraUnauthorised", camera="locked")
    assert alert["labels"]["site"] == "harbour"
    assert alert["annotations"]["runbook"] == "RUNBOOK.md#jikimicameraunauthorised"
    assert PASSWORD not in str(alert)


def test_a_camera_lost_and_back(watched: Watched) -> None:
    watched.cameras.kill()
    alert = watched.receiver.wait_for("JikimiCameraLost", camera="gate")
    assert alert["annotations"]["summary"] == "Camera gate (harbour) is lost"
    watched.cameras.start()
    watched.receiver.wait_for("JikimiCameraLost", "resolved", camera="gate")


def test_a_broker_away_with_alarms_waiting_and_a_siren_that_stays_silent(watched: Watched) -> None:
    watched.broker.stop()
    watched.receiver.wait_for("JikimiSinkFailing", sink="police")
    for _ in range(6):
        drill = watched.daemon.jikimi("drill", "--camera", "demo")
        assert drill.returncode == DeliveryError.exit_code
    watched.receiver.wait_for("JikimiAlarmExpired", sink="siren")
    grown = watched.receiver.wait_for("JikimiOutboxGrowing", sink="police")
    assert grown["annotations"]["summary"] == "Alarms for police pile up"
    watched.receiver.wait_for("JikimiOutboxOld", timeout_s=90, sink="police")
    watched.broker.start()
    for name in ("JikimiSinkFailing", "JikimiOutboxOld", "JikimiOutboxGrowing"):
        watched.receiver.wait_for(name, "resolved", sink="police")


def test_a_worker_that_hangs(watched: Watched) -> None:
    watched.hang.touch()
    alert = watched.receiver.wait_for("JikimiStuck", part="inference")
    assert alert["labels"]["severity"] == "critical"
    watched.receiver.wait_for("JikimiSamplesDropped", camera="gate")
    watched.hang.unlink()
    watched.receiver.wait_for("JikimiStuck", "resolved", part="inference")


def test_a_daemon_that_is_gone(watched: Watched) -> None:
    watched.daemon.kill()
    alert = watched.receiver.wait_for("JikimiDown")
    assert alert["annotations"]["summary"].endswith("does not answer")
