"""Whatever becomes of the broker and the line to it: all arrives, in the order of each incident."""

from __future__ import annotations

import ctypes
import gc
import logging
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import structlog
from alerting import Clock, follow_up, make_alert, sink, wait_for
from prometheus_client import CollectorRegistry

from alerts.deadline import Deadline
from alerts.dispatcher import Dispatcher
from alerts.message import Alert
from alerts.metrics import AlertMetrics
from chaos.ledger import Ledger, table
from chaos.sizes import DAY_ALERTS
from servers.broken_line import BrokenLine, Line
from servers.mqtt import PROTOCOL, MqttBroker, Subscriber

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

INCIDENTS = 10
PICTURE = os.urandom(2**16)
"""64 kB: more than the line lets through before it resets."""

LARGE_PICTURE = os.urandom(2**18)
"""Of these, 256 fill the outbox's room for pictures (`MAX_IMAGE_BYTES`)."""

DAY_S = 86_400.0
FLAT_BYTES = 16 * 2**20
"""What memory may grow by in the last third of the outage, once pictures fill their room."""

Making = Callable[..., Dispatcher]


@pytest.fixture
def dispatching(tmp_path: Path, own_logging: None) -> Iterator[Making]:
    """Makes a started dispatcher whose one sink is a broker at a port."""
    made: list[Dispatcher] = []
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))

    def make(port: int, image: bool = True, **options: Any) -> Dispatcher:
        broker = {"host": "127.0.0.1", "port": port, "protocol": PROTOCOL}
        station = sink("mqtt", "station", image=image, **broker)
        metrics = AlertMetrics(CollectorRegistry())
        made.append(Dispatcher([station], tmp_path / "outbox.sqlite", metrics, **options))
        made[-1].start()
        return made[-1]

    yield make
    for dispatcher in made:
        dispatcher.stop(Deadline.after(5))


def incident(sent_at: datetime, picture: bytes = PICTURE, **more: Any) -> list[Alert]:
    """An incident of four messages, of which an outage leaves three."""
    times: dict[str, Any] = {"sent_at": sent_at, "opened_at": sent_at}
    opened = make_alert(image=picture, **times, **more)
    rest = [("updated", 1), ("updated", 2), ("closed", 3)]
    return [opened, *(follow_up(opened, phase, number, **times) for phase, number in rest)]


def depth(dispatcher: Dispatcher) -> int:
    return dispatcher.status()[0].depth


def ledger(recorded: set[str], station: Subscriber) -> Ledger:
    station.catch_up()
    return Ledger(recorded, (), {"station": station.incidents()}, (), 0)


def rss() -> int:
    """Bytes of memory that this process has in use now: without what is free on its heap."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize("line", [line for line in Line if line is not Line.WHOLE])
def test_what_a_broken_line_held_up_arrives_once_it_is_whole(
    tmp_path: Path, broker: MqttBroker, dispatching: Making, line: Line
) -> None:
    with Subscriber(broker) as station, BrokenLine(broker.port) as between:
        dispatcher = dispatching(between.port)
        [before, *_] = first = incident(datetime.now(UTC))
        for alert in first:
            dispatcher.submit(alert)
        wait_for(lambda: depth(dispatcher) == 0)
        between.become(line)
        recorded = {str(before.incident_id)}
        for _ in range(INCIDENTS):
            messages = incident(datetime.now(UTC))
            recorded.add(str(messages[0].incident_id))
            for alert in messages:
                dispatcher.submit(alert)
        if line is not Line.SLOW:
            wait_for(lambda: dispatcher.status()[0].last_error, 60)
            between.become(Line.WHOLE)
        wait_for(lambda: depth(dispatcher) == 0, 120)
        found = ledger(recorded, station)
    print(f"\nline {line.value}\n{table([found.row()])}")
    assert found.faults() == {}


@pytest.mark.parametrize("how", ["kill", "freeze", "stop"])
def test_a_broker_that_comes_and_goes_hears_everything(
    broker: MqttBroker, dispatching: Making, how: str
) -> None:
    recorded = set()
    with Subscriber(broker) as station:
        dispatcher = dispatching(broker.port)
        for _ in range(3):
            getattr(broker, how)()
            for _ in range(INCIDENTS):
                messages = incident(datetime.now(UTC))
                recorded.add(str(messages[0].incident_id))
                for alert in messages:
                    dispatcher.submit(alert)
            broker.thaw() if how == "freeze" else broker.start()
            wait_for(lambda: depth(dispatcher) == 0, 60)
        found = ledger(recorded, station)
    print(f"\nbroker: {how}\n{table([found.row()])}")
    assert found.faults() == {}


def test_a_day_without_a_broker_loses_nothing_and_memory_stays_flat(
    broker: MqttBroker, dispatching: Making
) -> None:
    clock = Clock()
    recorded = set()
    memory = []
    with Subscriber(broker) as station:
        broker.stop()
        dispatcher = dispatching(
            broker.port, image=False, clock=clock
        )  # or the station keeps them here
        memory.append(rss())
        each = DAY_ALERTS // 4
        for number in range(each):
            clock.advance(DAY_S / each)
            sent_at = datetime.fromtimestamp(clock.wall_s, UTC)
            messages = incident(sent_at, LARGE_PICTURE, camera=f"camera-{number % 16}")
            recorded.add(str(messages[0].incident_id))
            for alert in messages:
                dispatcher.submit(alert)
            if number + 1 in {each // 3, 2 * each // 3, each}:
                memory.append(rss())
        held = depth(dispatcher)
        broker.start()
        wait_for(lambda: depth(dispatcher) == 0, 600)
        memory.append(rss())
        found = ledger(recorded, station)
    names = ("before", "a third", "two thirds", "a day", "delivered")
    row = {name: f"{size / 2**20:.0f} MB" for name, size in zip(names, memory, strict=True)}
    print(f"\na day without a broker: {held} messages\n{table([found.row()])}\n{table([row])}")
    assert found.faults() == {}
    assert held == 3 * each
    assert memory[3] - memory[2] < FLAT_BYTES
    assert memory[4] - memory[2] < FLAT_BYTES
