"""Servers that the attacks share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from servers.mqtt import MqttBroker


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[MqttBroker]:
    """A real MQTT broker."""
    folder = tmp_path / "broker"
    folder.mkdir()
    with MqttBroker(folder) as running:
        yield running
