"""Sinks that do as a test says, beside the real ones."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
from alerting import Dispatching, ScriptedSink
from prometheus_client import CollectorRegistry

from alerts import registry
from alerts.deadline import Deadline
from alerts.delivery import backoff
from alerts.dispatcher import Dispatcher
from alerts.metrics import AlertMetrics
from config.settings import SinkSettings

EXTRA = {
    "scripted": "alerting:ScriptedSink",
    "siren2": "alerting:ScriptedSiren",
    "phone": "alerting:ScriptedPhone",
}


@pytest.fixture
def entries(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Entry points beside the installed ones: name → what it stands for."""
    real = registry._entries()
    extra = dict(EXTRA)
    monkeypatch.setattr(
        registry,
        "_entries",
        lambda: [*real, *(EntryPoint(k, v, registry.GROUP) for k, v in extra.items())],
    )
    ScriptedSink.reset()
    # Waits for a second try would be most of the tests' time.
    monkeypatch.setattr(backoff, "FIRST_S", 0.05)
    return extra


@pytest.fixture
def prometheus() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def dispatching(
    tmp_path: Path, entries: dict[str, str], prometheus: CollectorRegistry
) -> Iterator[Dispatching]:
    """Makes started dispatchers on one outbox; stops whatever still runs at the end."""
    made: list[Dispatcher] = []
    metrics = AlertMetrics(prometheus)

    def make(*sinks: SinkSettings, **options: Any) -> Dispatcher:
        dispatcher = Dispatcher(sinks, tmp_path / "outbox.sqlite", metrics, **options)
        made.append(dispatcher)
        dispatcher.start()
        return dispatcher

    yield make
    ScriptedSink.gate.set()
    for dispatcher in made:
        dispatcher.stop(Deadline.after(5))
