"""A broker, a sink on it, and what a subscriber sees of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from alerting import sink
from prometheus_client import CollectorRegistry

from alerts.deadline import Deadline
from alerts.dispatcher import Dispatcher
from alerts.metrics import AlertMetrics
from servers.mqtt import MOSQUITTO, MqttBroker, Subscriber

Dispatching = Callable[..., Dispatcher]
"""Makes a started dispatcher of one `mqtt` sink with these options."""


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[MqttBroker]:
    if not MOSQUITTO:
        pytest.skip("mosquitto is not installed; amqtt confuses retained messages")
    with MqttBroker(tmp_path) as running:
        yield running


@pytest.fixture
def subscriber(broker: MqttBroker) -> Iterator[Subscriber]:
    with Subscriber(broker, "#") as subscribed:
        yield subscribed


@pytest.fixture
def dispatching(broker: MqttBroker, tmp_path: Path) -> Iterator[Dispatching]:
    made: list[Dispatcher] = []

    def make(*, clock: Any = None, **options: Any) -> Dispatcher:
        settings = sink(
            "mqtt", "home", **{"host": "127.0.0.1", "port": broker.port, "site": "yard"} | options
        )
        path = tmp_path / "state" / "outbox.sqlite"
        made.append(Dispatcher([settings], path, AlertMetrics(CollectorRegistry()), clock))
        made[-1].start()
        return made[-1]

    yield make
    for dispatcher in made:
        dispatcher.stop(Deadline.after(5))
