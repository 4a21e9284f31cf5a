"""Home Assistant finds each camera: the messages of MQTT discovery, over a real broker.

`SCHEMA` is a reduced one of this project: the parts that Jikimi uses, after Home Assistant's
documentation. `test_homeassistant_itself.py` asks a real one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from alerting import sink, wait_for
from prometheus_client import CollectorRegistry
from pydantic import ValidationError

from alerts.deadline import Deadline
from alerts.dispatcher import Dispatcher
from alerts.message import CameraNotice
from alerts.metrics import AlertMetrics
from alerts.registry import fill_box
from alerts.sinks.mqtt.homeassistant import discovery
from alerts.sinks.mqtt.options import MqttOptions
from servers.mqtt import MqttBroker, Subscriber, retained

Dispatching = Callable[..., Dispatcher]

TOPIC = re.compile(r"homeassistant/(\w+)/([a-zA-Z0-9_-]+)/([a-zA-Z0-9_-]+)/config")

TEXT: dict[str, Any] = {"type": "string", "minLength": 1}
SHARED: dict[str, Any] = {
    "name": TEXT,
    "unique_id": TEXT,
    "icon": {"type": "string", "pattern": "^mdi:"},
    "entity_category": {"enum": ["config", "diagnostic"]},
    "availability_topic": TEXT,
    "qos": {"enum": [0, 1, 2]},
    "device": {
        "type": "object",
        "required": ["identifiers", "name"],
        "properties": {
            "identifiers": {"type": "array", "items": TEXT},
            "name": TEXT,
            "manufacturer": TEXT,
        },
        "additionalProperties": False,
    },
    "origin": {
        "type": "object",
        "required": ["name"],
        "properties": {"name": TEXT, "sw_version": TEXT},
        "additionalProperties": False,
    },
}
READS = {"state_topic": TEXT, "value_template": TEXT}
OWN: dict[str, tuple[list[str], dict[str, Any]]] = {
    "binary_sensor": (
        ["state_topic"],
        READS
        | {"device_class": {"const": "safety"}}
        | {"json_attributes_topic": TEXT, "json_attributes_template": TEXT},
    ),
    "image": (["image_topic"], {"image_topic": TEXT, "content_type": {"const": "image/jpeg"}}),
    "sensor": (
        ["state_topic"],
        READS
        | {"state_class": {"const": "measurement"}}
        | {"suggested_display_precision": {"type": "integer", "minimum": 0}},
    ),
    "switch": (
        ["command_topic"],
        READS
        | dict.fromkeys(["command_topic", "payload_on", "payload_off"], TEXT)
        | dict.fromkeys(["state_on", "state_off"], TEXT),
    ),
    "button": (["command_topic"], {"command_topic": TEXT}),
}
SCHEMA = {
    component: {
        "type": "object",
        "required": ["name", "unique_id", "device", "origin", "availability_topic", *required],
        "properties": SHARED | own,
        "additionalProperties": False,
    }
    for component, (required, own) in OWN.items()
}


def watched(dispatcher: Dispatcher, camera: str = "gate", site: str = "yard") -> None:
    dispatcher.cameras.show(CameraNotice(camera, site, "live", datetime.now(UTC)))


def configs(broker: MqttBroker, prefix: str = "homeassistant") -> dict[str, Any]:
    """The configurations that the broker keeps, by topic."""
    return {
        topic: json.loads(payload)
        for topic, payload in retained(broker).items()
        if topic.startswith(f"{prefix}/")
    }


def entities(broker: MqttBroker) -> set[str]:
    return {f"{TOPIC.fullmatch(one)[1]}.{TOPIC.fullmatch(one)[3]}" for one in configs(broker)}  # type: ignore[index]


WITHOUT_COMMANDS = {
    "binary_sensor.violence",
    "image.snapshot",
    "sensor.score",
    "sensor.state",
}
WITH_COMMANDS = WITHOUT_COMMANDS | {"switch.silence", "button.drill"}


@pytest.mark.parametrize(
    ("commands", "expected"), [(True, WITH_COMMANDS), (False, WITHOUT_COMMANDS)]
)
def test_a_camera_is_a_device_with_its_entities(
    dispatching: Dispatching, broker: MqttBroker, commands: bool, expected: set[str]
) -> None:
    watched(dispatching(homeassistant={}, commands=commands))
    wait_for(lambda: entities(broker) == expected)
    found = configs(broker)
    for topic, config in found.items():
        match = TOPIC.fullmatch(topic)
        assert match is not None
        jsonschema.validate(config, SCHEMA[match[1]])
        assert config["availability_topic"] == "jikimi/yard/availability"
    assert len({config["unique_id"] for config in found.values()}) == len(found)
    assert len({json.dumps(config["device"]) for config in found.values()}) == 1


def test_each_topic_that_is_read_is_one_that_is_published(
    dispatching: Dispatching, broker: MqttBroker
) -> None:
    watched(dispatching(homeassistant={}, commands=True))
    wait_for(lambda: entities(broker) == WITH_COMMANDS)
    kept = retained(broker)
    read = {
        value
        for config in configs(broker).values()
        for key, value in config.items()
        if key.endswith("_topic") and key not in {"command_topic", "image_topic"}
    }
    assert read <= set(kept)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("gate", "a"), ("gate", "b")),
        (("b_c", "a"), ("c", "a_b")),
        (("정문", "a"), ("후문", "a")),
    ],
)
def test_each_camera_is_a_device_of_its_own_whatever_it_is_called(
    one: tuple[str, str], other: tuple[str, str]
) -> None:
    options = MqttOptions(host="broker", commands=True)
    topics = [set(discovery(options, "homeassistant", *camera)) for camera in (one, other)]
    assert not topics[0] & topics[1]
    assert all(TOPIC.fullmatch(topic) for topic in topics[0] | topics[1])


def test_a_camera_that_is_removed_leaves_nothing_and_a_stop_leaves_the_device(
    dispatching: Dispatching, broker: MqttBroker
) -> None:
    dispatcher = dispatching(homeassistant={}, commands=True)
    watched(dispatcher)
    watched(dispatcher, "door")
    wait_for(lambda: len(configs(broker)) == 12)
    dispatcher.cameras.forget("gate", "yard")
    wait_for(lambda: len(configs(broker)) == 6)
    assert not any("/gate/" in topic for topic in retained(broker))
    dispatcher.stop(Deadline.after(5))
    left = retained(broker)
    assert len(configs(broker)) == 6
    assert {topic for topic in left if topic.startswith("jikimi/")} == {"jikimi/yard/availability"}
    assert left["jikimi/yard/availability"] == b"offline"


def test_what_is_offered_no_longer_is_taken_back(
    dispatching: Dispatching, broker: MqttBroker
) -> None:
    before = dispatching(homeassistant={}, commands=True)
    watched(before)
    wait_for(lambda: entities(broker) == WITH_COMMANDS)
    before.stop(Deadline.after(5))
    watched(dispatching(homeassistant={}))
    wait_for(lambda: entities(broker) == WITHOUT_COMMANDS)


@pytest.mark.slow
@pytest.mark.parametrize("prefix", ["homeassistant", "ha/discovery"])
def test_all_is_published_again_when_home_assistant_starts_and_when_the_broker_is_back(
    dispatching: Dispatching, broker: MqttBroker, subscriber: Subscriber, prefix: str
) -> None:
    watched(dispatching(homeassistant={"prefix": prefix}))

    def count() -> int:
        return sum(m.topic.endswith("/config") and m.payload != b"" for m in subscriber.messages)

    wait_for(lambda: count() == 4)
    subscriber.publish(f"{prefix}/status", b"offline")
    subscriber.publish(f"{prefix}/status", b"online")
    wait_for(lambda: count() == 8)
    broker.kill()
    for stored in broker.folder.glob("mosquitto.db*"):
        stored.unlink()  # a broker that forgot everything
    broker.start()
    wait_for(lambda: len(configs(broker, prefix)) == 4)


@pytest.mark.parametrize("prefix", ["", "a/#", "/a", "{site}", "$SYS"])
def test_a_prefix_nobody_could_publish_below_is_refused(prefix: str) -> None:
    with pytest.raises(ValidationError):
        MqttOptions.model_validate({"host": "broker", "homeassistant": {"prefix": prefix}})


def test_each_box_of_a_cluster_has_an_availability_and_a_camera_that_of_the_box_that_watches(
    broker: MqttBroker, tmp_path: Path
) -> None:
    def box(name: str) -> Dispatcher:
        options = {"host": "127.0.0.1", "port": broker.port, "site": "yard", "homeassistant": {}}
        sinks = fill_box([sink("mqtt", **options)], name)
        metrics = AlertMetrics(CollectorRegistry())
        return Dispatcher(sinks, tmp_path / name / "outbox.sqlite", metrics)

    def of_camera() -> set[str]:
        return {config["availability_topic"] for config in configs(broker).values()}

    first, second = box("first"), box("second")
    try:
        first.start()
        watched(first)
        wait_for(lambda: of_camera() == {"jikimi/yard/first/availability"})
        second.start()
        watched(second, "pier")
        wait_for(lambda: len(of_camera()) == 2)
        both = len(configs(broker))
        first.cameras.forget("gate", "yard")
        wait_for(lambda: "jikimi/yard/gate/state" not in retained(broker))
        watched(second)
        wait_for(lambda: "jikimi/yard/gate/state" in retained(broker))
        wait_for(lambda: len(configs(broker)) == both)
        assert of_camera() == {"jikimi/yard/second/availability"}
        first.stop(Deadline.after(5))
        kept = retained(broker)
        assert kept["jikimi/yard/first/availability"] == b"offline"
        assert kept["jikimi/yard/second/availability"] == b"online"
        assert "jikimi/yard/availability" not in kept
        assert json.loads(kept["jikimi/yard/gate/state"])["state"] == "live"
    finally:
        for one in (first, second):
            one.stop(Deadline.after(5))
