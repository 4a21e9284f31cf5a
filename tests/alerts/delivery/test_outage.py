"""A broker that is away for long: what has piled up arrives in order, and nothing stays of it."""

from __future__ import annotations

import gc
import tracemalloc
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from alerting import PICTURE, Clock, follow_up, make_alert, sink, wait_for
from prometheus_client import CollectorRegistry

from alerts.deadline import Deadline
from alerts.dispatcher import Dispatcher
from alerts.message import AlertPhase
from alerts.metrics import AlertMetrics
from servers.mqtt import PROTOCOL, MqttBroker, Subscriber

DAY_S = 86_400.0
KEPT_BYTES = 2_000_000
"""What may be left in memory of 12 MB that have waited."""


@pytest.mark.slow
def test_what_a_day_without_the_broker_has_left_arrives_in_order_and_is_forgotten(
    tmp_path: Path,
) -> None:
    incidents = 350
    clock = Clock()
    with MqttBroker(tmp_path) as broker, Subscriber(broker) as subscriber:
        settings = sink("mqtt", host="127.0.0.1", port=broker.port, protocol=PROTOCOL)
        metrics = AlertMetrics(CollectorRegistry())
        dispatcher = Dispatcher([settings], tmp_path / "outbox.sqlite", metrics, clock)
        dispatcher.start()
        subscriber.wait_until(lambda messages: any(m.payload == b"online" for m in messages))
        broker.kill()
        wait_for(lambda: dispatcher.status()[0].last_error)
        tracemalloc.start()
        before, _ = tracemalloc.get_traced_memory()
        put: dict[str, list[str]] = defaultdict(list)
        for number in range(incidents):
            at = datetime.now(UTC) - timedelta(seconds=DAY_S * (1 - number / incidents))
            opened = make_alert(sent_at=at, image=PICTURE * 30, camera=f"camera-{number % 16}")
            updated = follow_up(opened, AlertPhase.UPDATED, 1, sent_at=at)
            closed = follow_up(opened, AlertPhase.CLOSED, 2, sent_at=at)
            for alert in (opened, updated, closed):
                dispatcher.submit(alert)
                put[str(alert.incident_id)].append(str(alert.alert_id))
            clock.advance(DAY_S / incidents)
        assert dispatcher.status()[0].depth == 3 * incidents
        broker.start()
        came = subscriber.wait_for_incidents(3 * incidents, timeout_s=120)
        wait_for(lambda: dispatcher.status()[0].depth == 0)
        assert order(came) == put
        assert sum(bool(message["image"]) for message in came) == incidents
        assert dispatcher.status()[0].counts["late"] >= 3 * incidents - 3
        held = sum(len(message.payload) for message in subscriber.messages)
        del came
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert after - before - held < KEPT_BYTES
        dispatcher.stop(Deadline.after(5))


def order(messages: list[dict[str, Any]]) -> dict[str, list[str]]:
    """Ids by incident, as they came."""
    found: dict[str, list[str]] = defaultdict(list)
    for message in messages:
        found[message["incident_id"]].append(message["alert_id"])
    return found
