"""Two boxes of a cluster on one broker: what is shown of a camera that has gone to the other."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from alerting import PICTURE, follow_up, make_alert, sink, wait_for
from prometheus_client import CollectorRegistry

from alerts.deadline import Deadline
from alerts.dispatcher import Dispatcher
from alerts.message import AlertContext, AlertPhase, CameraNotice
from alerts.metrics import AlertMetrics
from alerts.registry import fill_box
from alerts.sinks.mqtt.board import LARGE_BYTES, Board, Post
from servers.mqtt import MqttBroker, retained

GATE = frozenset({"gate"})
STATE = "jikimi/yard/gate/state"
ALARM = "jikimi/yard/gate/alarm"
EVENT = "jikimi/yard/onvif-ej/RuleEngine/jikimi:IncidentDetector/Incident/&gate/violence"

Boxes = Callable[[str], Dispatcher]


@pytest.fixture
def box(broker: MqttBroker, tmp_path: Path) -> Iterator[Boxes]:
    """Starts the box of that name; the same one again goes on with its outbox."""
    made: list[Dispatcher] = []

    def make(name: str, elsewhere: frozenset[str] = frozenset()) -> Dispatcher:
        options: dict[str, Any] = {"host": "127.0.0.1", "port": broker.port, "site": "yard"}
        options |= {"homeassistant": {}, "onvif_events": True}
        metrics = AlertMetrics(CollectorRegistry())
        path = tmp_path / name / "outbox.sqlite"
        made.append(Dispatcher(fill_box([sink("mqtt", **options)], name), path, metrics))
        made[-1].cameras.watched_elsewhere(elsewhere)
        made[-1].start()
        return made[-1]

    yield make
    for one in made:
        one.stop(Deadline.after(5))


def shows(dispatcher: Dispatcher, state: str = "live", camera: str = "gate") -> None:
    dispatcher.cameras.show(CameraNotice(camera, "yard", state, datetime.now(UTC)))


def lets_go(dispatcher: Dispatcher) -> None:
    dispatcher.cameras.watched_elsewhere(GATE)
    dispatcher.cameras.forget("gate", "yard")


def connected(broker: MqttBroker, name: str) -> bool:
    return retained(broker).get(f"jikimi/yard/{name}/availability") == b"online"


def of_gate(broker: MqttBroker) -> dict[str, bytes]:
    """All that is shown of the camera, with what Home Assistant is told."""
    found = retained(broker)
    return {topic: found[topic] for topic in found if "availability" not in topic}


def delivered(dispatcher: Dispatcher, count: int) -> None:
    wait_for(lambda: dispatcher.status()[0].counts.get("delivered", 0) == count)


def test_a_camera_that_another_box_watches_stays_as_that_box_shows_it(
    box: Boxes, broker: MqttBroker
) -> None:
    first, second = box("first"), box("second")
    shows(first)
    shows(first, camera="pier")
    opened = make_alert(image=PICTURE)
    first.submit(opened)
    wait_for(lambda: b"true" in retained(broker).get(EVENT, b""))
    wait_for(lambda: "jikimi/yard/gate/snapshot" in retained(broker))
    shows(second, "connecting")
    wait_for(lambda: b"second" in b"".join(of_gate(broker).values()))
    lets_go(first)
    first.submit(follow_up(opened, AlertPhase.CLOSED, 1, reason="camera removed or changed"))
    delivered(first, 2)
    wait_for(lambda: b"false" in retained(broker)[EVENT])
    first.cameras.forget("pier", "yard")  # it is behind all that was asked before
    wait_for(lambda: "jikimi/yard/pier/state" not in retained(broker))
    shown = of_gate(broker)
    assert json.loads(shown[STATE])["state"] == "connecting"
    assert json.loads(shown[ALARM])["state"] == "OFF"
    assert shown["jikimi/yard/gate/snapshot"] == PICTURE
    configs = [json.loads(shown[topic]) for topic in shown if topic.endswith("/config")]
    assert len(configs) == 4
    assert {one["availability_topic"] for one in configs} == {"jikimi/yard/second/availability"}
    first.stop(Deadline.after(5))
    assert of_gate(broker) == shown
    second.cameras.forget("gate", "yard")  # removed from the whole configuration
    wait_for(lambda: of_gate(broker).keys() == {EVENT})  # which the second box never sent


def test_a_camera_that_went_while_the_broker_was_away_stays_as_well(
    box: Boxes, broker: MqttBroker
) -> None:
    first = box("first")
    shows(first)
    wait_for(lambda: STATE in retained(broker))
    broker.kill()
    wait_for(lambda: first.status()[0].last_error)
    shows(first, "offline")  # which waits for the broker
    lets_go(first)
    second = box("second")
    shows(second)
    broker.start()
    wait_for(lambda: connected(broker, "first") and connected(broker, "second"))
    wait_for(lambda: b"second" in b"".join(of_gate(broker).values()))
    first.submit(make_alert(camera="pier"))  # behind all that waited
    delivered(first, 1)
    assert json.loads(retained(broker)[STATE])["state"] == "live"
    first.stop(Deadline.after(5))
    assert json.loads(retained(broker)[STATE])["state"] == "live"


def test_a_box_that_was_killed_leaves_the_alarm_of_the_next_one_alone_when_it_is_back(
    box: Callable[..., Dispatcher], broker: MqttBroker
) -> None:
    opened = make_alert()
    first = box("first")
    first.submit(opened)
    delivered(first, 1)
    first.stop(Deadline.after(5))
    second = box("second")
    shows(second)
    second.submit(make_alert())
    wait_for(lambda: b"ON" in retained(broker).get(ALARM, b""))
    first = box("first", GATE)
    closed = follow_up(opened, AlertPhase.CLOSED, 1, reason="monitor restarted")
    first.submit(closed, AlertContext(age_s=3600))
    wait_for(lambda: first.status()[0].counts.get("late"))
    first.stop(Deadline.after(5))
    shown = of_gate(broker)
    assert json.loads(shown[EVENT])["Data"]["State"] is True
    assert json.loads(shown[ALARM])["state"] == "ON"
    assert json.loads(shown[STATE])["state"] == "live"


def test_nothing_is_published_any_more_where_another_box_shows_something() -> None:
    board = Board("online")
    board.show("gate/snapshot", bytes(LARGE_BYTES + 1))
    assert board.next(is_idle=True)
    board.show("gate/state", b"offline")
    board.show_lasting("gate/config", b"{}")
    for topic in ("gate/snapshot", "gate/state", "gate/config"):
        board.leave(topic)
    assert board.is_empty
    board.connection_lost()  # at the picture, which would be cleared
    board.show_again()
    assert board.next(is_idle=True) == Post("online", b"online")
    assert board.is_empty


def test_a_camera_that_comes_back_is_shown_by_this_box_again(
    box: Boxes, broker: MqttBroker
) -> None:
    first = box("first")
    shows(first)
    wait_for(lambda: STATE in retained(broker))
    lets_go(first)
    first.cameras.watched_elsewhere(frozenset())
    shows(first, "stalled")
    wait_for(lambda: b"stalled" in retained(broker)[STATE])
    first.stop(Deadline.after(5))
    assert STATE not in retained(broker)
