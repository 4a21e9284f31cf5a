"""The compose file: what it hands over are settings, and its broker takes what Jikimi sends."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from installing import REPOSITORY

from alerts.registry import sink_options
from config.load import load_settings
from servers.daemon import DaemonProcess, wait_until
from servers.mqtt import MOSQUITTO
from servers.ports import free_port

DOCKER = REPOSITORY / "deploy/docker"


@pytest.fixture
def services() -> dict[str, Any]:
    """The compose file's services."""
    found: dict[str, Any] = yaml.safe_load((DOCKER / "compose.yaml").read_text())["services"]
    return found


def environment(services: dict[str, Any], **given: str) -> dict[str, str]:
    """What the daemon's container gets, where the operator's shell has `given`."""
    return {
        name: re.sub(r"\$\{(\w+):-(\w*)\}", lambda found: given.get(found[1], found[2]), str(text))
        for name, text in services["jikimi"]["environment"].items()
    }


def test_cameras_are_all_it_needs(services: dict[str, Any]) -> None:
    cameras = "gate=rtsp://user:p@ss@192.0.2.10/1 yard=rtsp://192.0.2.11/1"
    told = environment(services, JIKIMI_CAMERAS=cameras, JIKIMI_SITE="seoul")
    settings = load_settings(None, told, (), sink_options())
    assert [camera.name for camera in settings.cameras] == ["gate", "yard"]
    assert {camera.site for camera in settings.cameras} == {"seoul"}
    assert {sink.type for sink in settings.sinks} == {"log", "mqtt"}
    assert not load_settings(None, environment(services), (), sink_options()).cameras


def test_the_container_may_do_little(services: dict[str, Any]) -> None:
    jikimi = services["jikimi"]
    assert jikimi["read_only"] is True
    assert jikimi["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in jikimi["security_opt"]
    for service in services.values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


def test_what_it_builds_and_mounts_is_there(services: dict[str, Any]) -> None:
    build = services["jikimi"]["build"]
    assert (DOCKER / build["context"] / build["dockerfile"]).resolve() == DOCKER / "Dockerfile"
    for service in services.values():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert not source.startswith(".") or (DOCKER / source).exists()


@pytest.mark.slow
@pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto is missing: apt install mosquitto")
def test_its_broker_takes_a_drill(services: dict[str, Any], tmp_path: Path) -> None:
    assert MOSQUITTO
    port = free_port()
    settings = (DOCKER / "mosquitto.conf").read_text()
    settings = settings.replace("listener 1883", f"listener {port} 127.0.0.1")
    settings = settings.replace("/mosquitto/data/", f"{tmp_path}/") + "user root\n"
    (tmp_path / "mosquitto.conf").write_text(settings)
    told = environment(services) | {
        "JIKIMI_SINKS__POLICE__HOST": "127.0.0.1",
        "JIKIMI_SINKS__POLICE__PORT": str(port),
    }
    broker = subprocess.Popen([MOSQUITTO, "-c", str(tmp_path / "mosquitto.conf")])
    try:
        with DaemonProcess(tmp_path / "jikimi", environment=told) as daemon:
            assert daemon.jikimi("drill").returncode == 0
            wait_until(
                lambda: daemon.metric("jikimi_deliveries_total", sink="police", result="delivered"),
                "the drill to be delivered",
            )
            daemon.stop()
    finally:
        broker.kill()
        broker.wait()
