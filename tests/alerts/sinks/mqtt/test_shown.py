"""What an `mqtt` sink shows of each camera beside its alerts: picture, alarm, ONVIF events."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from alerting import PICTURE, follow_up, make_alert, wait_for
from paho.mqtt import publish
from structlog.testing import capture_logs

from alerts.deadline import Deadline
from alerts.dispatcher import Dispatcher
from alerts.message import AlertContext, AlertPhase, CameraNotice
from alerts.sinks.mqtt.board import LARGE_BYTES, Board
from servers.mqtt import MqttBroker, Subscriber, retained

Dispatching = Callable[..., Dispatcher]

SNAPSHOT = "jikimi/yard/gate/snapshot"
ALARM = "jikimi/yard/gate/alarm"
EVENT = "jikimi/yard/onvif-ej/RuleEngine/jikimi:IncidentDetector/Incident/&gate/violence"
CLOSED, UPDATED = AlertPhase.CLOSED, AlertPhase.UPDATED
LARGE = PICTURE * 60


def watched(dispatcher: Dispatcher, camera: str = "gate") -> None:
    dispatcher.cameras.show(CameraNotice(camera, "yard", "live", datetime.now(UTC)))


def alarms(subscriber: Subscriber) -> list[str]:
    """The states of the alarm that came, repetitions left out."""
    states: list[str] = []
    for message in subscriber.messages:
        if message.topic == ALARM and message.payload:
            state = message.json["state"]
            states += [] if states[-1:] == [state] else [state]
    return states


def delivered(dispatcher: Dispatcher, count: int) -> None:
    def counted() -> bool:
        counts = dispatcher.status()[0].counts
        return counts.get("delivered", 0) + counts.get("late", 0) == count

    wait_for(counted)


def test_the_picture_of_each_alert_is_kept_as_a_jpeg_behind_it(
    dispatching: Dispatching, broker: MqttBroker, subscriber: Subscriber
) -> None:
    dispatcher = dispatching(snapshot=True)
    watched(dispatcher)
    dispatcher.submit(make_alert(image=LARGE))
    found = subscriber.wait_until(lambda all_: any(m.topic == SNAPSHOT for m in all_))
    topics = [m.topic for m in found if m.topic != "jikimi/yard/availability"]
    assert topics.index("jikimi/yard/gate/incident") < topics.index(SNAPSHOT)
    assert retained(broker)[SNAPSHOT] == LARGE
    dispatcher.submit(make_alert())  # without one: the last one stays
    delivered(dispatcher, 2)
    assert retained(broker)[SNAPSHOT] == LARGE
    dispatcher.cameras.forget("gate", "yard")
    wait_for(lambda: SNAPSHOT not in retained(broker))


def test_a_picture_is_cleared_at_the_stop_one_of_an_earlier_run_too(
    dispatching: Dispatching, broker: MqttBroker
) -> None:
    left = "jikimi/yard/door/snapshot"
    publish.single(left, LARGE, 1, retain=True, port=broker.port)  # as a crash leaves it
    dispatcher = dispatching(snapshot=True)
    for camera in ("gate", "door"):
        watched(dispatcher, camera)
    dispatcher.submit(make_alert(image=LARGE))
    wait_for(lambda: {SNAPSHOT, left} <= set(retained(broker)))
    dispatcher.stop(Deadline.after(5))
    assert not {SNAPSHOT, left} & set(retained(broker))


def test_a_picture_that_is_too_large_is_not_shown_nor_the_one_before(tmp_path: Path) -> None:
    from alerting import sink
    from prometheus_client import CollectorRegistry

    from alerts.metrics import AlertMetrics

    with MqttBroker(tmp_path, settings=["max_packet_size 20000"]) as small:
        options: dict[str, Any] = {"host": "127.0.0.1", "port": small.port, "site": "yard"}
        settings = sink("mqtt", "home", image=False, snapshot=True, **options)
        path = tmp_path / "state" / "outbox.sqlite"
        dispatcher = Dispatcher([settings], path, AlertMetrics(CollectorRegistry()))
        dispatcher.start()
        watched(dispatcher)
        with Subscriber(small) as subscriber, capture_logs() as logs:
            dispatcher.submit(make_alert(image=PICTURE * 10))
            subscriber.wait_until(lambda all_: any(m.topic == SNAPSHOT for m in all_))
            dispatcher.submit(make_alert(image=LARGE))
            wait_for(lambda: any(one["event"] == "picture not shown" for one in logs))
            wait_for(lambda: SNAPSHOT not in retained(small))
            subscriber.wait_for_incidents(2)
        dispatcher.stop(Deadline.after(5))


def test_pictures_go_one_at_a_time_and_behind_everything_else() -> None:
    board = Board("online")
    big = bytes(LARGE_BYTES + 1)
    board.show("gate/snapshot", big)
    board.show("door/snapshot", big)
    board.show("gate/state", b"live")
    first, second = board.next(is_idle=True), board.next(is_idle=False)
    assert [one and one.topic for one in (first, second)] == ["gate/snapshot", "gate/state"]
    assert board.next(is_idle=False) is None
    last = board.next(is_idle=True)
    assert last is not None
    assert last.topic == "door/snapshot"


def test_a_picture_at_which_the_broker_hangs_up_is_not_sent_again_and_again() -> None:
    board = Board("online")
    board.show("gate/snapshot", bytes(LARGE_BYTES + 1))
    assert board.next(is_idle=True)
    board.connection_lost()
    board.show_again()
    posts = [board.next(is_idle=True) for _ in range(2)]
    assert [one and (one.topic, one.payload) for one in posts] == [
        ("online", b"online"),
        ("gate/snapshot", b""),
    ]
    assert board.next(is_idle=True) is None


def test_the_alarm_is_on_while_an_incident_is_open(
    dispatching: Dispatching, broker: MqttBroker, subscriber: Subscriber
) -> None:
    dispatcher = dispatching(homeassistant={})
    watched(dispatcher)
    wait_for(lambda: alarms(subscriber) == ["OFF"])
    one, other = make_alert(score=0.7), make_alert(score=0.9)
    drill = make_alert(exercise=True, score=1.0)
    dispatcher.submit(one)
    wait_for(lambda: alarms(subscriber) == ["OFF", "ON"])
    for alert in (other, drill, follow_up(drill, CLOSED, 1, exercise=True)):
        dispatcher.submit(alert)
    dispatcher.submit(follow_up(one, CLOSED, 1))
    delivered(dispatcher, 5)
    shown = json.loads(retained(broker)[ALARM])
    assert shown["state"] == "ON"
    assert shown["exercise"] is False
    dispatcher.submit(follow_up(other, UPDATED, 1, score=0.95))
    wait_for(lambda: json.loads(retained(broker)[ALARM])["score"] == 0.95)
    dispatcher.submit(follow_up(other, CLOSED, 2))
    wait_for(lambda: alarms(subscriber) == ["OFF", "ON", "OFF"])
    dispatcher.cameras.forget("gate", "yard")
    wait_for(lambda: ALARM not in retained(broker))


def test_a_drill_alone_goes_on_and_off_and_says_what_it_is(
    dispatching: Dispatching, subscriber: Subscriber
) -> None:
    dispatcher = dispatching(homeassistant={})
    watched(dispatcher)
    drill = make_alert(exercise=True)
    dispatcher.submit(drill)
    dispatcher.submit(follow_up(drill, CLOSED, 1, exercise=True))
    wait_for(lambda: alarms(subscriber) == ["OFF", "ON", "OFF"])
    assert subscriber.messages[-1].json["exercise"] is True


def test_what_comes_late_switches_no_alarm_on(
    dispatching: Dispatching, broker: MqttBroker, subscriber: Subscriber
) -> None:
    dispatcher = dispatching(homeassistant={})
    watched(dispatcher)
    wait_for(lambda: alarms(subscriber) == ["OFF"])
    a_day_ago = AlertContext(age_s=86_400)
    over, lasting = make_alert(), make_alert(score=0.8)
    for alert in (over, follow_up(over, CLOSED, 1), lasting):
        dispatcher.submit(alert, a_day_ago)
    delivered(dispatcher, 3)
    dispatcher.submit(follow_up(lasting, UPDATED, 1, score=0.85))
    subscriber.wait_until(lambda all_: any(m.topic == ALARM and b"0.85" in m.payload for m in all_))
    assert [m.json["score"] for m in subscriber.messages if b'"ON"' in m.payload] == [0.85]


def test_what_a_crash_left_on_is_off_at_the_next_start(
    dispatching: Dispatching, broker: MqttBroker
) -> None:
    opened = make_alert()
    before = dispatching(homeassistant={}, onvif_events=True)
    watched(before)
    before.submit(opened)
    wait_for(lambda: b"true" in retained(broker).get(EVENT, b""))
    wait_for(lambda: b"ON" in retained(broker)[ALARM])
    left = {topic: retained(broker)[topic] for topic in (ALARM, EVENT)}
    before.stop(Deadline.after(5))
    for topic, payload in left.items():  # a crash would not have cleared it
        publish.single(topic, payload, 1, retain=True, port=broker.port)
    after = dispatching(homeassistant={}, onvif_events=True)
    after.submit(follow_up(opened, CLOSED, 1, reason="monitor restarted"))
    wait_for(lambda: b"false" in retained(broker)[EVENT])
    watched(after)
    wait_for(lambda: b"OFF" in retained(broker)[ALARM])


def test_onvif_events_are_retained_properties_and_deleted_with_the_camera(
    dispatching: Dispatching, broker: MqttBroker, subscriber: Subscriber
) -> None:
    dispatcher = dispatching(onvif_events=True)
    watched(dispatcher)
    opened = make_alert(image=LARGE)
    dispatcher.submit(opened)
    dispatcher.submit(follow_up(opened, UPDATED, 1))
    dispatcher.submit(make_alert(phase=AlertPhase.CAMERA_LOST, label="camera"))
    delivered(dispatcher, 3)
    lost = "jikimi/yard/onvif-ej/VideoSource/SignalLoss/&gate"
    assert json.loads(retained(broker)[EVENT])["Data"]["State"] is True
    assert json.loads(retained(broker)[lost])["Data"] == {"State": True}
    assert sum(m.topic == EVENT for m in subscriber.messages) == 1
    dispatcher.cameras.forget("gate", "yard")
    wait_for(lambda: EVENT not in retained(broker))
    assert lost not in retained(broker)
    dispatcher.submit(follow_up(opened, CLOSED, 2, reason="camera removed"))
    subscriber.wait_until(
        lambda all_: any(m.topic == EVENT and b"false" in m.payload for m in all_)
    )
    delivered(dispatcher, 4)
    assert EVENT not in retained(broker)


def test_an_onvif_event_that_is_refused_is_set_aside_with_its_alert(tmp_path: Path) -> None:
    from alerting import sink
    from prometheus_client import CollectorRegistry

    from alerts.metrics import AlertMetrics

    acl = tmp_path / "acl"
    acl.write_text("topic readwrite jikimi/yard/+/incident\ntopic write jikimi/yard/+/state\n")
    with MqttBroker(tmp_path, settings=[f"acl_file {acl}"]) as closed:
        options: dict[str, Any] = {"host": "127.0.0.1", "port": closed.port, "site": "yard"}
        settings = sink("mqtt", "vms", onvif_events=True, **options)
        path = tmp_path / "state" / "outbox.sqlite"
        dispatcher = Dispatcher([settings], path, AlertMetrics(CollectorRegistry()))
        with Subscriber(closed) as subscriber, capture_logs() as logs:
            dispatcher.start()
            dispatcher.submit(make_alert())
            subscriber.wait_for_incidents(1)
            (refused,) = wait_for(dispatcher.refused)
            beside = wait_for(
                lambda: [one for one in logs if one["event"].startswith("broker refuses what")]
            )
        dispatcher.stop(Deadline.after(5))
    assert f"refused the alert to {EVENT}: not authorised" in refused.reason
    assert [one["topic"] for one in beside] == ["jikimi/yard/availability"]
