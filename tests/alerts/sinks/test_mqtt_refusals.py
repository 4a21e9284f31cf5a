"""What a broker may say no to, and how: each refusal is about one alert, its size or all."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from alerting import PICTURE, Dispatching, follow_up, make_alert, sink, wait_for
from prometheus_client import CollectorRegistry

from alerts.deadline import Deadline
from alerts.delivery.deliveries import DeliveryState
from alerts.delivery.status import SinkState, SinkStatus
from alerts.dispatcher import Dispatcher
from alerts.message import AlertPhase, CameraNotice
from alerts.metrics import AlertMetrics
from alerts.sinks.mqtt import probe
from alerts.sinks.mqtt.limits import packet_bytes
from alerts.sinks.mqtt.reasons import About, of_answer, of_disconnect, words
from config.settings import SinkSettings
from servers.mqtt import MOSQUITTO, MqttBroker, Subscriber
from servers.scripted_mqtt import (
    ACKNOWLEDGE,
    HANG_UP,
    MAXIMUM_PACKET_SIZE,
    MAXIMUM_QOS,
    RECEIVE_MAXIMUM,
    RETAIN_AVAILABLE,
    Answer,
    Publish,
    ScriptedBroker,
    disconnect,
    refuse,
)

CLOSED = AlertPhase.CLOSED


@pytest.fixture
def dispatching(tmp_path: Path) -> Iterator[Dispatching]:
    """With the waits of the daemon: what follows a hang-up depends on them."""
    made: list[Dispatcher] = []

    def make(*sinks: SinkSettings) -> Dispatcher:
        metrics = AlertMetrics(CollectorRegistry())
        made.append(Dispatcher(sinks, tmp_path / "state" / "outbox.sqlite", metrics))
        made[-1].start()
        return made[-1]

    yield make
    for dispatcher in made:
        dispatcher.stop(Deadline.after(5))


@pytest.fixture
def broker() -> Iterator[ScriptedBroker]:
    with ScriptedBroker() as scripted:
        yield scripted


def station(port: int, **options: Any) -> SinkSettings:
    return sink("mqtt", "station", host="127.0.0.1", port=port, site="yard", **options)


def at(camera: str, answer: Answer) -> Callable[[Publish], Answer]:
    """`answer` to the alerts of `camera`, an acknowledgement to everything else."""
    return lambda one: answer if f"/{camera}/incident" in one.topic else ACKNOWLEDGE


def live(camera: str) -> CameraNotice:
    return CameraNotice(camera, "yard", "live", datetime.now(UTC))


def cameras(broker: ScriptedBroker) -> list[str]:
    return [json.loads(one.payload)["camera"] for one in broker.alerts()]


def test_an_alert_that_is_refused_for_good_is_set_aside_and_can_be_sent_again(
    broker: ScriptedBroker, dispatching: Dispatching
) -> None:
    broker.answer = at("gate", refuse(0x87))
    dispatcher = dispatching(station(broker.port))
    opened = make_alert(image=PICTURE)
    dispatcher.submit(opened)
    dispatcher.submit(follow_up(opened, CLOSED, 1))
    dispatcher.submit(make_alert(camera="door"))
    wait_for(lambda: dispatcher.status()[0].depth == 0)
    assert cameras(broker).count("door") == 1
    assert cameras(broker).count("gate") == 2
    found = dispatcher.refused()
    assert {one.alert.alert_id for one in found} >= {opened.alert_id}
    assert [one.sink for one in found] == ["station"] * 2
    assert "not authorised" in found[0].reason
    assert dispatcher.status()[0].refused == 2
    assert dispatcher.status()[0].counts == {"refused": 2, "delivered": 1}
    broker.answer = lambda _: ACKNOWLEDGE
    assert dispatcher.send_again([opened.alert_id]) == 1
    wait_for(lambda: dispatcher.status()[0].counts["delivered"] == 2)
    assert json.loads(broker.alerts()[-1].payload)["alert_id"] == str(opened.alert_id)
    assert json.loads(broker.alerts()[-1].payload)["image"]
    assert dispatcher.send_again(None) == 1
    wait_for(lambda: dispatcher.status()[0].refused == 0)


@pytest.mark.parametrize("code", [0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99])
def test_whatever_a_broker_answers_to_one_alert_the_next_goes_at_once(
    broker: ScriptedBroker, dispatching: Dispatching, code: int
) -> None:
    broker.answer = at("gate", refuse(code))
    dispatcher = dispatching(station(broker.port))
    dispatcher.submit(make_alert())
    dispatcher.submit(make_alert(camera="door"))
    wait_for(lambda: "door" in cameras(broker))
    assert cameras(broker) == ["gate", "door"]
    status = wait_for(lambda: gone_or_waiting(dispatcher.status()[0]))
    assert "/gate/incident" in status.last_error
    assert f"0x{code:02X}" in status.last_error


def gone_or_waiting(status: SinkStatus) -> SinkStatus | None:
    return status if status.counts.get("delivered") == 1 and status.depth < 2 else None


@pytest.mark.parametrize("code", range(0x80, 0xA3))
def test_every_reason_code_is_sorted(code: int) -> None:
    """One alert's, or the connection's: a code nobody knows is about the one alert."""
    assert of_answer(code, with_image=True) in set(About) - {About.UNCLEAR}
    assert of_answer(code, with_image=False) in set(About) - {About.UNCLEAR}
    assert of_disconnect(code) in set(About) - {About.LATER}
    assert words(code).endswith(f"(0x{code:02X})")


@pytest.mark.slow
@pytest.mark.parametrize("answer", [refuse(0x97), disconnect(0x95)])
def test_what_is_too_large_with_its_picture_goes_without(
    broker: ScriptedBroker, dispatching: Dispatching, answer: Answer
) -> None:
    broker.answer = lambda one: answer if b'"image":"' in one.payload else ACKNOWLEDGE
    dispatcher = dispatching(station(broker.port))
    dispatcher.submit(make_alert(image=PICTURE))
    wait_for(lambda: dispatcher.status()[0].counts.get("delivered"))
    assert [b'"image":"' in one.payload for one in broker.alerts()][-2:] == [True, False]
    assert dispatcher.refused() == []


@pytest.mark.slow
def test_a_packet_that_connack_calls_too_large_is_never_sent(
    broker: ScriptedBroker, dispatching: Dispatching
) -> None:
    alert = make_alert(image=PICTURE)
    dispatcher = dispatching(station(broker.port))
    dispatcher.submit(alert)
    wait_for(lambda: dispatcher.status()[0].counts.get("delivered"))
    (whole,) = broker.alerts()
    assert packet_bytes(whole.topic, whole.payload) == whole.size
    for limit, with_image in ((whole.size, True), (whole.size - 1, False)):
        broker.published.clear()
        broker.properties = {MAXIMUM_PACKET_SIZE: limit}
        broker.hang_up()
        wait_for(lambda: any(one.payload == b"online" for one in broker.published))
        dispatcher.submit(make_alert(image=PICTURE))
        (sent,) = wait_for(broker.alerts)
        assert (b'"image":"' in sent.payload) is with_image
        wait_for(lambda: dispatcher.status()[0].depth == 0)


@pytest.mark.slow
@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_a_broker_that_hangs_up_at_one_alert_takes_the_others(
    broker: ScriptedBroker, dispatching: Dispatching, protocol: str
) -> None:
    broker.answer = at("gate", HANG_UP)
    dispatcher = dispatching(station(broker.port, protocol=protocol))
    dispatcher.submit(make_alert(image=PICTURE))
    dispatcher.submit(make_alert(camera="door"))
    wait_for(lambda: "door" in cameras(broker))
    came = broker.alerts()
    assert [b'"image":"' in one.payload for one in came[:3]] == [True, True, False]
    assert cameras(broker).index("door") <= 4
    assert dispatcher.refused() == []


@pytest.mark.slow
def test_a_broker_that_hangs_up_at_one_alert_each_time_has_refused_it(
    broker: ScriptedBroker, dispatching: Dispatching
) -> None:
    broker.answer = at("gate", HANG_UP)
    dispatcher = dispatching(station(broker.port))
    dispatcher.submit(make_alert())
    wait_for(lambda: dispatcher.status()[0].refused, timeout_s=60)
    (refused,) = dispatcher.refused()
    assert "hung up at the alert" in refused.reason


@pytest.mark.slow
def test_a_broker_that_restarts_is_no_refusal(
    broker: ScriptedBroker, dispatching: Dispatching
) -> None:
    answers = [disconnect(0x8B), disconnect(0x8E), disconnect(0x98)]
    broker.answer = lambda one: (
        answers.pop(0) if answers and one.topic.endswith("incident") else ACKNOWLEDGE
    )
    dispatcher = dispatching(station(broker.port))
    dispatcher.submit(make_alert(image=PICTURE))
    wait_for(lambda: dispatcher.status()[0].counts.get("delivered"))
    assert all(b'"image":"' in one.payload for one in broker.alerts())


@pytest.mark.parametrize("at_once", [1, 2, 7])
def test_no_more_is_under_way_than_the_broker_takes_and_an_alert_waits_for_no_state(
    broker: ScriptedBroker, dispatching: Dispatching, at_once: int
) -> None:
    broker.properties = {RECEIVE_MAXIMUM: at_once}
    dispatcher = dispatching(station(broker.port))
    wait_for(lambda: dispatcher.status()[0].state is SinkState.WORKING)
    broker.answering.clear()
    for number in range(30):
        dispatcher.cameras.show(live(f"camera-{number}"))
    wait_for(lambda: broker.most_at_once >= max(1, at_once - 1))
    dispatcher.submit(make_alert())
    if at_once > 1:
        wait_for(broker.alerts)
    broker.answering.set()
    wait_for(lambda: dispatcher.status()[0].counts.get("delivered"))
    wait_for(lambda: len({one.topic for one in broker.published}) == 32)
    assert broker.most_at_once <= at_once


@pytest.mark.slow
def test_a_broker_without_qos_1_is_told_all_the_same_and_said(
    broker: ScriptedBroker, dispatching: Dispatching
) -> None:
    broker.connack = lambda connect: 0x9B if connect.will_qos else 0
    broker.properties = {MAXIMUM_QOS: 0}
    dispatcher = dispatching(station(broker.port))
    dispatcher.submit(make_alert())
    wait_for(lambda: dispatcher.status()[0].counts.get("delivered"))
    (sent,) = wait_for(broker.alerts)
    assert sent.qos == 0
    status = dispatcher.status()[0]
    assert status.state is SinkState.FAILING
    assert "acknowledges nothing" in str(status.last_error)


@pytest.mark.slow
def test_a_broker_without_retained_messages_gets_none(
    broker: ScriptedBroker, dispatching: Dispatching
) -> None:
    broker.connack = lambda connect: 0x9A if connect.will_retain else 0
    broker.properties = {RETAIN_AVAILABLE: 0}
    dispatcher = dispatching(station(broker.port))
    dispatcher.submit(make_alert())
    wait_for(lambda: dispatcher.status()[0].counts.get("delivered"))
    assert not any(one.retain for one in broker.published)
    assert dispatcher.status()[0].state is SinkState.WORKING


needs_mosquitto = pytest.mark.skipif(not MOSQUITTO, reason="amqtt has neither")


@needs_mosquitto
def test_an_access_list_that_leaves_one_camera_out_keeps_no_other_away(
    tmp_path: Path, dispatching: Dispatching
) -> None:
    acl = tmp_path / "acl"
    acl.write_text(
        "topic read jikimi/#\ntopic write jikimi/yard/door/#\n"
        "topic write jikimi/yard/availability\n"
    )
    acl.chmod(0o600)
    with (
        MqttBroker(tmp_path, settings=[f"acl_file {acl}"]) as broker,
        Subscriber(broker) as subscriber,
    ):
        dispatcher = dispatching(station(broker.port))
        dispatcher.submit(make_alert())
        dispatcher.submit(make_alert(camera="door"))
        (got,) = subscriber.wait_for_incidents(1)
        assert got["camera"] == "door"
        wait_for(lambda: dispatcher.status()[0].refused == 1)


@needs_mosquitto
@pytest.mark.slow
@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_a_real_broker_with_a_limit_gets_the_alert_without_its_picture(
    tmp_path: Path, dispatching: Dispatching, protocol: str
) -> None:
    with (
        MqttBroker(tmp_path, settings=["max_packet_size 2000"]) as broker,
        Subscriber(broker) as subscriber,
    ):
        dispatcher = dispatching(station(broker.port, protocol=protocol))
        dispatcher.submit(make_alert(image=PICTURE * 4))
        (got,) = subscriber.wait_for_incidents(1)
        assert got["image"] is None if "image" in got else True
        dispatcher.submit(make_alert(camera="door"))
        subscriber.wait_for_incidents(2)


@pytest.mark.slow
@needs_mosquitto
def test_a_real_broker_that_takes_one_at_a_time_gets_everything(
    tmp_path: Path, dispatching: Dispatching
) -> None:
    with (
        MqttBroker(tmp_path, settings=["max_inflight_messages 1"]) as broker,
        Subscriber(broker) as subscriber,
    ):
        dispatcher = dispatching(station(broker.port))
        for number in range(30):
            dispatcher.cameras.show(live(f"camera-{number}"))
        dispatcher.submit(make_alert())
        subscriber.wait_until(lambda messages: len({m.topic for m in messages}) == 32)


@pytest.mark.slow
@needs_mosquitto
@pytest.mark.parametrize(
    ("rules", "is_proved"),
    [
        (["readwrite jikimi/#"], True),
        (["read jikimi/#", "write jikimi/yard/availability"], False),
        (["write jikimi/#"], False),
    ],
)
def test_an_exercise_over_mqtt_3_1_1_says_whether_it_was_passed_on(
    tmp_path: Path,
    dispatching: Dispatching,
    rules: list[str],
    is_proved: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(probe, "WAIT_S", 2.0 if is_proved else 0.2)
    acl = tmp_path / "acl"
    acl.write_text("".join(f"topic {rule}\n" for rule in rules))
    acl.chmod(0o600)
    with MqttBroker(tmp_path, settings=[f"acl_file {acl}"]) as broker:
        dispatcher = dispatching(station(broker.port, protocol="3.1.1"))
        exercise = make_alert(exercise=True)
        dispatcher.submit(exercise)
        dispatcher.submit(follow_up(exercise, CLOSED, 1, exercise=True))
        wait_for(lambda: dispatcher.status()[0].depth == 0)
        (made_of_it,) = dispatcher.deliveries(exercise.incident_id)
        assert made_of_it.state is DeliveryState.DELIVERED
        assert (made_of_it.remark is None) is is_proved
        assert is_proved or "did not come back from jikimi/yard/gate/incident" in str(
            made_of_it.remark
        )
