"""The way to the police station, over a real broker."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import jsonschema
import pytest
from alerting import PICTURE, Clock, follow_up, make_alert, sink, wait_for
from prometheus_client import CollectorRegistry
from pydantic import ValidationError
from structlog.testing import capture_logs

from alerts.deadline import Deadline
from alerts.delivery.status import SinkState
from alerts.dispatcher import Dispatcher
from alerts.message import Alert, AlertPhase, CameraNotice
from alerts.metrics import AlertMetrics
from alerts.schema import SCHEMA_PATH
from alerts.sinks.mqtt.options import MqttOptions
from alerts.sinks.mqtt.sink import MqttSink
from config.settings import SinkSettings
from servers.mqtt import MOSQUITTO, PROTOCOL, MqttBroker, Subscriber, Tls


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[MqttBroker]:
    with MqttBroker(tmp_path) as running:
        yield running


def station(broker: MqttBroker, **options: Any) -> SinkSettings:
    values = {"host": "127.0.0.1", "port": broker.port, "protocol": PROTOCOL, "site": "yard"}
    return sink("mqtt", "station", **values | options)


@contextmanager
def dispatching(tmp_path: Path, *sinks: SinkSettings, **options: Any) -> Iterator[Dispatcher]:
    metrics = AlertMetrics(CollectorRegistry())
    dispatcher = Dispatcher(sinks, tmp_path / "state" / "outbox.sqlite", metrics, **options)
    dispatcher.start()
    try:
        yield dispatcher
    finally:
        dispatcher.stop(Deadline.after(5))


def live(camera: str) -> CameraNotice:
    return CameraNotice(camera, "yard", "live", datetime.now(UTC))


def retained(broker: MqttBroker) -> dict[str, bytes]:
    """What a subscriber that comes now gets, by topic."""
    end = f"jikimi/end/{uuid4()}"
    with Subscriber(broker) as late_comer:
        late_comer.publish(end, b"end")
        messages = late_comer.wait_until(lambda found: any(m.topic == end for m in found))
    return {m.topic: m.payload for m in messages if m.topic != end}


def delivered(dispatcher: Dispatcher) -> int:
    counts = dispatcher.status()[0].counts
    return counts.get("delivered", 0) + counts.get("late", 0)


def test_an_alert_arrives_as_documented_with_its_picture(
    tmp_path: Path, broker: MqttBroker
) -> None:
    alert = make_alert(image=PICTURE)
    with Subscriber(broker) as subscriber, dispatching(tmp_path, station(broker)) as dispatcher:
        dispatcher.submit(alert)
        (got,) = subscriber.wait_for_incidents(1)
        topics = [message.topic for message in subscriber.messages]
    assert "jikimi/yard/gate/incident" in topics
    jsonschema.validate(got, json.loads(SCHEMA_PATH.read_text()))
    assert Alert.model_validate(got) == alert


def test_topic_template_keeps_each_value_one_level(tmp_path: Path, broker: MqttBroker) -> None:
    settings = station(broker, topic="police/{station}/{camera}/{label}", image=False)
    with (
        Subscriber(broker, "police/#") as subscriber,
        dispatching(tmp_path, settings) as dispatcher,
    ):
        dispatcher.submit(make_alert(station="north/1 #+", image=PICTURE))
        (message,) = subscriber.wait_until(lambda messages: len(messages) == 1)
    assert message.topic == "police/north-1 --/gate/violence"
    assert "image" not in message.json


@pytest.mark.parametrize("topic", ["a/{city}", "a/#", "a/+/b", "a/{", "$SYS/a", "a/{}", ""])
def test_topics_nobody_could_publish_to_are_refused(topic: str) -> None:
    with pytest.raises(ValidationError):
        MqttOptions(host="broker", topic=topic)


@pytest.mark.slow
def test_availability_and_camera_state_are_retained_and_outlive_the_broker(
    tmp_path: Path, broker: MqttBroker
) -> None:
    def retained(topic: str) -> bytes:
        with Subscriber(broker, topic) as late_comer:
            # amqtt sends every retained message to every new subscriber
            found = late_comer.wait_until(lambda messages: any(m.topic == topic for m in messages))
            return next(m.payload for m in reversed(found) if m.topic == topic)

    notice = CameraNotice("gate", "yard", "live", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    with dispatching(tmp_path, station(broker)) as dispatcher:
        dispatcher.cameras.show(notice)
        assert retained("jikimi/yard/availability") == b"online"
        assert b'"state": "live"' in retained("jikimi/yard/gate/state")
        broker.kill()
        for stored in tmp_path.glob("mosquitto.db*"):
            stored.unlink()  # a broker that forgot everything
        broker.start()
        assert b"2026-01-02T03:04:05Z" in retained("jikimi/yard/gate/state")
        assert retained("jikimi/yard/availability") == b"online"
    assert retained("jikimi/yard/availability") == b"offline"


def test_after_a_stop_nobody_takes_a_camera_for_watched(tmp_path: Path, broker: MqttBroker) -> None:
    with dispatching(tmp_path, station(broker)) as dispatcher:
        for number in range(30):  # more than the client has under way at once
            dispatcher.cameras.show(live(f"camera-{number}"))
        wait_for(lambda: len(retained(broker)) == 31)
    assert retained(broker) == {"jikimi/yard/availability": b"offline"}


def test_a_camera_that_is_removed_leaves_nothing_on_the_broker(
    tmp_path: Path, broker: MqttBroker
) -> None:
    with dispatching(tmp_path, station(broker)) as dispatcher:
        dispatcher.cameras.show(live("gate"))
        dispatcher.cameras.show(live("door"))
        wait_for(lambda: len(retained(broker)) == 3)
        dispatcher.cameras.forget("gate", "yard")
        wait_for(lambda: "jikimi/yard/gate/state" not in retained(broker))
        assert b"live" in retained(broker)["jikimi/yard/door/state"]
        dispatcher.cameras.show(live("gate"))
        wait_for(lambda: "jikimi/yard/gate/state" in retained(broker))


def test_a_camera_removed_while_the_broker_is_away_leaves_nothing_once_it_is_back(
    broker: MqttBroker,
) -> None:
    options = station(broker).options
    assert isinstance(options, MqttOptions)
    way_out = MqttSink("station", options)
    way_out.start()
    way_out.show_camera(live("gate"))
    wait_for(lambda: len(retained(broker)) == 2)
    broker.freeze()
    way_out.show_camera(replace(live("gate"), state="stalled"))  # which paho will send again
    broker.kill()
    wait_for(way_out.trouble)
    way_out.forget_camera("gate", "yard")
    broker.start()
    wait_for(lambda: not way_out.trouble())
    way_out.deliver(make_alert())  # after all that waited
    wait_for(lambda: set(retained(broker)) == {"jikimi/yard/availability"})
    way_out.close()


@pytest.mark.slow
def test_broker_down_for_the_whole_incident(tmp_path: Path, broker: MqttBroker) -> None:
    clock = Clock()
    opened = make_alert(image=PICTURE)
    updates = [follow_up(opened, AlertPhase.UPDATED, n, score=0.9 + n / 100) for n in range(1, 5)]
    closed = follow_up(opened, AlertPhase.CLOSED, 5)
    fresh = make_alert(camera="door")
    with (
        Subscriber(broker) as subscriber,
        dispatching(tmp_path, station(broker), clock=clock) as dispatcher,
    ):
        subscriber.wait_until(lambda messages: any(m.payload == b"online" for m in messages))
        broker.kill()
        for alert in (opened, *updates):
            dispatcher.submit(alert)
        clock.advance(300)
        for alert in (closed, fresh):
            dispatcher.submit(alert)
        wait_for(lambda: dispatcher.status()[0].counts.get("failed"))
        assert dispatcher.status()[0].depth == 4
        broker.start()
        subscriber.wait_for_incidents(4)
        wait_for(lambda: dispatcher.status()[0].depth == 0)
        got = subscriber.incidents()
    ours = [m for m in got if m["incident_id"] == str(opened.incident_id)]
    assert [m["phase"] for m in ours] == ["opened", "updated", "closed"]
    assert [m["late"] for m in ours] == [True, True, False]
    assert [m["alert_id"] for m in ours] == [
        str(alert.alert_id) for alert in (opened, updates[-1], closed)
    ]
    assert {m["phase"] for m in got if m["camera"] == "door"} == {"opened"}


@pytest.mark.slow
def test_a_broker_that_hangs_gets_the_alert_once_it_answers(
    tmp_path: Path, broker: MqttBroker
) -> None:
    settings = station(broker, timeout_s=1)
    with Subscriber(broker) as subscriber, dispatching(tmp_path, settings) as dispatcher:
        subscriber.wait_until(lambda messages: any(m.payload == b"online" for m in messages))
        broker.freeze()
        alert = make_alert()
        dispatcher.submit(alert)
        wait_for(lambda: dispatcher.status()[0].counts.get("failed"))
        broker.thaw()
        got = subscriber.wait_for_incidents(1)
        wait_for(lambda: delivered(dispatcher))
    assert {m["alert_id"] for m in got} == {str(alert.alert_id)}


@pytest.mark.slow
def test_an_alert_lost_in_a_hung_broker_comes_late_and_says_so(
    tmp_path: Path, broker: MqttBroker
) -> None:
    alert = make_alert()
    clock = Clock()
    with (
        Subscriber(broker) as subscriber,
        dispatching(tmp_path, station(broker, timeout_s=1), clock=clock) as dispatcher,
    ):
        subscriber.wait_until(lambda messages: any(m.payload == b"online" for m in messages))
        broker.freeze()
        dispatcher.submit(alert)
        wait_for(lambda: dispatcher.status()[0].counts.get("failed"))
        broker.kill()
        clock.advance(3600)
        broker.start()
        subscriber.wait_for_incidents(1)
        wait_for(lambda: delivered(dispatcher))
        got = subscriber.incidents()
    assert {(m["alert_id"], m["late"]) for m in got} == {(str(alert.alert_id), True)}


@pytest.mark.slow
def test_wrong_password_is_said_and_shown_nowhere(tmp_path: Path) -> None:
    with MqttBroker(tmp_path, users={"jikimi": "right"}) as broker, capture_logs() as logs:
        settings = station(broker, username="jikimi", password="wr0ng/pass")
        with dispatching(tmp_path, settings) as dispatcher:
            dispatcher.submit(make_alert())
            wait_for(lambda: dispatcher.status()[0].counts.get("failed"))
            (status,) = dispatcher.status()
    assert status.depth == 1
    assert "uthori" in str(status.last_error), status
    assert "wr0ng/pass" not in f"{logs}{status}{settings!r}"


def test_credentials_and_tls(tmp_path: Path) -> None:
    tls = Tls.make(tmp_path)
    with MqttBroker(tmp_path, users={"jikimi": "p@ss/word"}, tls=tls) as broker:
        settings = station(
            broker,
            host="localhost",
            username="jikimi",
            password="p@ss/word",
            tls={"ca": str(tls.ca)},
        )
        with Subscriber(broker) as subscriber, dispatching(tmp_path, settings) as dispatcher:
            dispatcher.submit(make_alert())
            subscriber.wait_for_incidents(1)


@pytest.mark.slow
# paho leaves the socket of a failed handshake to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_broker_nobody_vouches_for_is_not_trusted(tmp_path: Path) -> None:
    with MqttBroker(tmp_path, tls=Tls.make(tmp_path)) as broker:
        settings = station(broker, host="localhost", tls={})
        with dispatching(tmp_path, settings) as dispatcher:
            dispatcher.submit(make_alert())
            wait_for(lambda: dispatcher.status()[0].counts.get("failed"))
            assert "CERTIFICATE_VERIFY_FAILED" in str(dispatcher.status()[0].last_error)


@pytest.mark.skipif(not MOSQUITTO, reason="amqtt has no MQTT 5; 3.1.1 is tested by all the rest")
def test_speaks_3_1_1_too(tmp_path: Path, broker: MqttBroker) -> None:
    settings = station(broker, protocol="3.1.1")
    with Subscriber(broker) as subscriber, dispatching(tmp_path, settings) as dispatcher:
        dispatcher.submit(make_alert())
        subscriber.wait_for_incidents(1)


@pytest.mark.slow
def test_says_when_the_broker_is_back(broker: MqttBroker) -> None:
    ready = threading.Event()
    options = station(broker).options
    assert isinstance(options, MqttOptions)
    way_out = MqttSink("station", options)
    way_out.on_ready(ready.set)
    way_out.start()
    assert ready.wait(20)
    ready.clear()
    broker.restart()
    assert ready.wait(20)
    way_out.close()


@pytest.mark.slow
def test_a_broker_that_went_away_is_seen_before_there_is_an_alert(
    tmp_path: Path, broker: MqttBroker
) -> None:
    registry = CollectorRegistry()
    metrics = AlertMetrics(registry)
    dispatcher = Dispatcher([station(broker)], tmp_path / "outbox.sqlite", metrics)
    dispatcher.start()

    def failing() -> bool:
        return registry.get_sample_value("jikimi_sink_failing", {"sink": "station"}) == 1

    with Subscriber(broker, "jikimi/yard/availability") as subscriber:
        subscriber.wait_until(lambda messages: any(m.payload == b"online" for m in messages))
        assert not failing()
        broker.stop()
        wait_for(failing)
        assert dispatcher.status()[0].state is SinkState.FAILING
        assert dispatcher.status()[0].last_error
        broker.start()
        wait_for(lambda: not failing())
    dispatcher.stop(Deadline.after(5))
