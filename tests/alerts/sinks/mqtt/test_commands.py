"""Silence, unsilence, drill, confirm and dismiss by MQTT, over a real broker."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from alerting import make_alert, sink, wait_for
from paho.mqtt import publish
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from alerts.deadline import Deadline
from alerts.dispatcher import Dispatcher
from alerts.message import CameraNotice
from alerts.metrics import AlertMetrics
from alerts.sinks.mqtt.commands import MOST_A_MINUTE
from config.errors import ControlError
from servers.mqtt import MqttBroker, Subscriber
from servers.scripted_mqtt import ScriptedBroker

Dispatching = Callable[..., Dispatcher]
ACCESS_LIST = Path(__file__).parents[4] / "deploy/homeassistant/mosquitto.acl"
Run = tuple[str, dict[str, Any]]


class Monitor:
    """Stands for the daemon: keeps what it is asked, does as the test says."""

    def __init__(self, dispatcher: Dispatcher, *cameras: str) -> None:
        self.asked: list[Run] = []
        self.gate = threading.Event()
        self.gate.set()
        self.fault: Exception | None = None
        dispatcher.on_command(self.run)
        for camera in cameras or ("gate",):
            dispatcher.cameras.show(CameraNotice(camera, "yard", "live", datetime.now(UTC)))

    def run(self, command: str, request: dict[str, Any]) -> dict[str, Any]:
        self.gate.wait(60)
        self.asked.append((command, request))
        if self.fault:
            raise self.fault
        return {"done": len(self.asked)}


def topic(command: str, camera: str = "gate") -> str:
    return f"jikimi/yard/{camera}/command/{command}"


def answers(subscriber: Subscriber, count: int, camera: str = "gate") -> list[Any]:
    result = topic("result", camera)
    found = subscriber.wait_until(lambda all_: sum(m.topic == result for m in all_) >= count)
    return [m.json for m in found if m.topic == result]


def connected(subscriber: Subscriber, camera: str = "gate") -> None:
    """The camera is shown, so that the sink has subscribed before."""
    subscriber.wait_until(lambda all_: any(m.topic.endswith(f"{camera}/state") for m in all_))


@pytest.mark.parametrize(
    ("command", "payload", "asked"),
    [
        ("silence", b"30m", ("silence", {"camera": "gate", "for_s": 1800})),
        ("silence", b" 1.5 H\n", ("silence", {"camera": "gate", "for_s": 5400})),
        ("silence", b"90s", ("silence", {"camera": "gate", "for_s": 90})),
        ("silence", b"600", ("silence", {"camera": "gate", "for_s": 600})),
        ("silence", b'{"for_s": 5}', ("silence", {"camera": "gate", "for_s": 5})),
        ("silence", b"OFF", ("unsilence", {"camera": "gate"})),
        ("unsilence", b"", ("unsilence", {"camera": "gate"})),
        ("drill", b"PRESS", ("drill", {"camera": "gate"})),
        ("confirm", b" 0191fe00\n", ("confirm", {"camera": "gate", "incident": "0191fe00"})),
        ("dismiss", b"0191fe00", ("dismiss", {"camera": "gate", "incident": "0191fe00"})),
    ],
)
def test_a_command_is_run_and_answered(
    dispatching: Dispatching, subscriber: Subscriber, command: str, payload: bytes, asked: Run
) -> None:
    monitor = Monitor(dispatching(commands=True))
    connected(subscriber)
    subscriber.publish(topic(command), payload)
    (answer,) = answers(subscriber, 1)
    assert monitor.asked == [asked]
    assert answer == {
        "schema_version": 1,
        "command": command,
        "camera": "gate",
        "site": "yard",
        "result": {"done": 1},
    }
    assert not any(m.retained for m in subscriber.messages if m.topic.endswith("/result"))


@pytest.mark.parametrize(
    "payload",
    [b"", b"soon", b"{}", b"[5]", b'{"for_s": 5, "x": 1}', b"\xff\xfe", b"[" * 200, b"9" * 9999],
)
def test_a_payload_that_is_no_duration_is_answered_with_what_to_write(
    dispatching: Dispatching, subscriber: Subscriber, payload: bytes
) -> None:
    monitor = Monitor(dispatching(commands=True))
    connected(subscriber)
    with capture_logs() as logs:
        subscriber.publish(topic("silence"), payload)
        (answer,) = answers(subscriber, 1)
    assert "write for how long, as 30m" in answer["error"]
    assert len(answer["error"]) < 1000
    assert monitor.asked == []
    assert [one["log_level"] for one in logs] == ["warning"]


def test_a_camera_that_there_is_not_is_answered_so(
    dispatching: Dispatching, subscriber: Subscriber
) -> None:
    monitor = Monitor(dispatching(commands=True))
    connected(subscriber)
    subscriber.publish(topic("drill", "gat"), b"")
    (answer,) = answers(subscriber, 1, "gat")
    assert answer["error"] == "there is no camera 'gat' at site 'yard'"
    assert monitor.asked == []


@pytest.mark.parametrize("fault", [ControlError("a silence lasts longer"), ValueError("broken")])
def test_what_the_monitor_refuses_is_answered_and_the_next_command_is_run(
    dispatching: Dispatching, subscriber: Subscriber, fault: Exception
) -> None:
    monitor = Monitor(dispatching(commands=True))
    connected(subscriber)
    monitor.fault = fault
    subscriber.publish(topic("silence"), b"0")
    assert str(fault) in answers(subscriber, 1)[0]["error"]
    monitor.fault = None
    subscriber.publish(topic("drill"), b"")
    assert answers(subscriber, 2)[1]["result"]


def test_a_retained_command_is_ignored_however_often_it_comes(
    dispatching: Dispatching, broker: MqttBroker, subscriber: Subscriber
) -> None:
    publish.single(topic("drill"), b"", 1, retain=True, port=broker.port)  # clears, for a start
    publish.single(topic("drill"), b"PRESS", 1, retain=True, port=broker.port)
    with capture_logs() as logs:
        monitor = Monitor(dispatching(commands=True))
        wait_for(lambda: any("retained command" in one["event"] for one in logs))
    subscriber.publish(topic("unsilence"), b"")
    answers(subscriber, 1)
    assert [command for command, _ in monitor.asked] == ["unsilence"]


def test_a_command_that_came_while_the_monitor_was_away_is_never_run(
    dispatching: Dispatching, subscriber: Subscriber
) -> None:
    before = dispatching(commands=True, client_id="jikimi")
    Monitor(before)
    connected(subscriber)
    before.stop(Deadline.after(5))
    subscriber.publish(topic("drill"), b"")
    subscriber.wait_until(lambda all_: any(m.topic == topic("drill") for m in all_))
    monitor = Monitor(dispatching(commands=True, client_id="jikimi"), "door")
    connected(subscriber, "door")
    subscriber.publish(topic("unsilence", "door"), b"")
    answers(subscriber, 1, "door")
    assert [command for command, _ in monitor.asked] == ["unsilence"]


@pytest.mark.slow
def test_a_flood_of_commands_is_bounded_and_said_once(
    dispatching: Dispatching, subscriber: Subscriber
) -> None:
    dispatcher = dispatching(commands=True)
    monitor = Monitor(dispatcher)
    connected(subscriber)
    with capture_logs() as logs:
        for _ in range(300):
            subscriber.publish(topic("drill"), b"")
        subscriber.publish(topic("silence"), b"soon")
        dispatcher.submit(make_alert())
        subscriber.wait_for_incidents(1)
        wait_for(lambda: len(monitor.asked) == MOST_A_MINUTE)
        subscriber.wait_until(lambda all_: sum("/command/" in m.topic for m in all_) > 300)
    assert len(monitor.asked) == MOST_A_MINUTE
    assert sum("too many commands" in one["event"] for one in logs) == 1


def test_a_command_that_hangs_holds_up_no_alert_and_no_state(
    dispatching: Dispatching, subscriber: Subscriber
) -> None:
    dispatcher = dispatching(commands=True)
    monitor = Monitor(dispatcher)
    connected(subscriber)
    monitor.gate.clear()
    subscriber.publish(topic("drill"), b"")
    for camera in ("gate", "door"):
        dispatcher.submit(make_alert(camera=camera))
    dispatcher.cameras.show(CameraNotice("door", "yard", "live", datetime.now(UTC)))
    subscriber.wait_for_incidents(2)
    connected(subscriber, "door")
    assert monitor.asked == []
    monitor.gate.set()
    answers(subscriber, 1)


def test_without_the_option_nobody_listens(
    dispatching: Dispatching, subscriber: Subscriber
) -> None:
    dispatcher = dispatching()
    monitor = Monitor(dispatcher)
    connected(subscriber)
    subscriber.publish(topic("drill"), b"")
    dispatcher.submit(make_alert())
    subscriber.wait_for_incidents(1)
    assert monitor.asked == []


def test_a_camera_of_another_site_is_commanded_there(
    dispatching: Dispatching, subscriber: Subscriber
) -> None:
    dispatcher = dispatching(commands=True)
    monitor = Monitor(dispatcher)
    connected(subscriber)
    dispatcher.cameras.show(CameraNotice("pier", "harbour", "live", datetime.now(UTC)))
    connected(subscriber, "pier")
    subscriber.publish("jikimi/harbour/pier/command/drill", b"")
    wait_for(lambda: monitor.asked)
    assert monitor.asked == [("drill", {"camera": "pier"})]


def test_a_silence_is_shown_and_its_end(dispatching: Dispatching, subscriber: Subscriber) -> None:
    dispatcher = dispatching()
    Monitor(dispatcher, "gate", "door")
    connected(subscriber, "door")

    def silenced(camera: str) -> Any:
        states = [m for m in subscriber.messages if m.topic == f"jikimi/yard/{camera}/state"]
        return json.loads(states[-1].payload)["silenced_until"]

    until = dispatcher.cameras.silence("gate", 600)
    wait_for(lambda: silenced("gate"))
    assert datetime.fromisoformat(silenced("gate")) == until.replace(microsecond=0)
    assert silenced("door") is None
    dispatcher.cameras.silence(None, 60)
    wait_for(lambda: silenced("door"))
    dispatcher.cameras.unsilence(None)
    wait_for(lambda: not silenced("door") and not silenced("gate"))


def test_the_access_list_of_deploy_lets_each_do_its_part_alone(tmp_path: Path) -> None:
    users = {"jikimi": "j", "homeassistant": "h", "caretaker": "c", "operator": "o"}
    with (
        MqttBroker(tmp_path, users=users, settings=[f"acl_file {ACCESS_LIST}"]) as closed,
        capture_logs() as logs,
    ):
        options: dict[str, Any] = {"host": "127.0.0.1", "port": closed.port, "site": "yard"}
        options |= {"username": "jikimi", "password": "j", "onvif_events": True, "snapshot": True}
        settings = sink("mqtt", "home", commands=True, homeassistant={}, **options)
        path = tmp_path / "state" / "outbox.sqlite"
        dispatcher = Dispatcher([settings], path, AlertMetrics(CollectorRegistry()))
        dispatcher.start()
        monitor = Monitor(dispatcher)
        wait_for(lambda: dispatcher.status()[0].state.value == "working")

        def publish_as(user: str, command: str, payload: bytes) -> None:
            auth: Any = {"username": user, "password": users[user]}
            publish.single(topic(command), payload, 1, port=closed.port, auth=auth)

        dispatcher.submit(make_alert(image=bytes(9000)))
        wait_for(lambda: dispatcher.status()[0].counts.get("delivered"))
        publish_as("caretaker", "silence", b"1h")  # which the list does not allow
        publish_as("homeassistant", "dismiss", b"0191fe00")  # same
        publish_as("caretaker", "drill", b"")
        wait_for(lambda: len(monitor.asked) == 1)
        publish_as("homeassistant", "silence", b"1h")
        wait_for(lambda: len(monitor.asked) == 2)
        publish_as("operator", "confirm", b"0191fe00")
        wait_for(lambda: sum(one["event"] == "command run" for one in logs) == 3)
        dispatcher.stop(Deadline.after(5))
    assert [command for command, _ in monitor.asked] == ["drill", "silence", "confirm"]
    assert not [one for one in logs if one["log_level"] == "warning"]


@pytest.mark.parametrize(
    ("protocol", "code", "said"), [("5", 0x87, "authorised"), ("3.1.1", 0x80, "log")]
)
def test_a_subscription_that_is_refused_is_said(
    tmp_path: Path, protocol: str, code: int, said: str
) -> None:
    with ScriptedBroker() as closed, capture_logs() as logs:
        closed.suback = code
        options: dict[str, Any] = {"host": "127.0.0.1", "port": closed.port, "protocol": protocol}
        settings = sink("mqtt", "home", commands=True, **options)
        path = tmp_path / "state" / "outbox.sqlite"
        dispatcher = Dispatcher([settings], path, AlertMetrics(CollectorRegistry()))
        dispatcher.start()
        (warning,) = wait_for(lambda: [one for one in logs if "subscription" in one["event"]])
        dispatcher.submit(make_alert())
        wait_for(closed.alerts)
        dispatcher.stop(Deadline.after(5))
    assert said in warning["reason"]
