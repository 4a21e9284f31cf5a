"""A phone service in trouble, or with little patience: what a person still gets, and how marked."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from alerting import PICTURE, Clock, Dispatching, follow_up, make_alert, settled, sink, wait_for

from alerts.delivery import grouping
from alerts.delivery.status import SinkState
from alerts.dispatcher import Dispatcher
from alerts.message import Alert, AlertPhase
from alerts.sinks.notify.service import Service as Loaded
from servers.mqtt import PROTOCOL, MqttBroker, Subscriber
from servers.ports import free_port
from servers.services import Answer, Service, Told, ntfy

DAY_S = 86_400.0


@pytest.fixture
def phone(monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    Loaded("json://127.0.0.1", 1)  # Apprise reads its services once
    monkeypatch.setattr(grouping, "ALARM_GAP_S", 0.0)
    monkeypatch.setattr(grouping, "NEWS_GAP_S", 0.0)
    with ntfy() as service:
        yield service


def incident() -> tuple[Alert, ...]:
    """As the daemon tells it: every message but the last with a picture."""
    opened = make_alert(image=PICTURE)
    updated = follow_up(opened, AlertPhase.UPDATED, 1, image=PICTURE)
    return opened, updated, follow_up(opened, AlertPhase.CLOSED, 2)


def submit_while_failing(dispatcher: Dispatcher, error: str) -> None:
    """One incident, from its beginning to its end, none of which gets through."""
    opened, *rest = incident()
    dispatcher.submit(opened)
    wait_for(lambda: error in str(dispatcher.status()[0].last_error))
    for alert in rest:
        dispatcher.submit(alert)
    assert dispatcher.status()[0].state is SinkState.FAILING


def table(phone: Service) -> list[tuple[str, bool, bool]]:
    """What arrived: its title, whether it says that it is over, and whether with a picture."""
    return [
        (told.title, told.text.endswith("over"), told.picture is not None) for told in phone.took
    ]


WHOLE = ("Violence: gate (yard)", True, True)
BARE = ("Violence: gate (yard)", True, False)


@pytest.mark.parametrize("late", [False, True])
def test_down_for_the_whole_incident_or_for_a_day(dispatching: Dispatching, late: bool) -> None:
    port, clock = free_port(), Clock()
    dispatcher = dispatching(sink("notify", url=f"ntfy://127.0.0.1:{port}/topic"), clock=clock)
    submit_while_failing(dispatcher, "Connection refused")
    if late:
        clock.advance(DAY_S)
    with ntfy(port) as phone:
        settled(dispatcher)
    mark = "[LATE] " if late else ""
    assert [told.title for told in phone.took] == [f"{mark}Violence: gate (yard)"]
    assert phone.took[0].picture == PICTURE
    assert ", over" in phone.took[0].text
    assert dispatcher.status()[0].counts["late" if late else "delivered"] == 3


@pytest.mark.parametrize(
    ("answer", "error", "arrived"),
    [
        (Answer(raw=b"\x00garbage\r\n\r\n"), "does not answer in HTTP", [WHOLE]),
        (Answer(503), "HTTP 503", [WHOLE]),
        (Answer(401), "HTTP 401: check user, password or token in the url", [WHOLE]),
        (Answer(404), "HTTP 404: check chat, room or topic in the url", [WHOLE]),
    ],
)
def test_it_answers_garbage_fails_or_takes_nobody_until_it_is_mended(
    dispatching: Dispatching,
    phone: Service,
    answer: Answer,
    error: str,
    arrived: list[tuple[str, bool, bool]],
) -> None:
    phone.answer = lambda _: answer
    dispatcher = dispatching(sink("notify", url=f"ntfy://127.0.0.1:{phone.port}/topic"))
    submit_while_failing(dispatcher, error)
    assert phone.took == []
    phone.answer = lambda _: Answer()
    settled(dispatcher)
    assert table(phone) == arrived
    assert dispatcher.refused() == []


def test_it_hangs(dispatching: Dispatching, phone: Service) -> None:
    goes_on = threading.Event()

    def hang(_: Told) -> Answer:
        goes_on.wait(20)
        return Answer(503)

    phone.answer = hang
    url = f"ntfy://127.0.0.1:{phone.port}/topic"
    dispatcher = dispatching(sink("notify", url=url, timeout_s=0.3))
    submit_while_failing(dispatcher, "within 0.3 s")
    phone.answer = lambda _: Answer()
    settled(dispatcher)
    goes_on.set()
    assert [told.title for told in phone.took] == ["Violence: gate (yard)"]
    assert dispatcher.refused() == []


def test_it_refuses_one_message_for_its_picture(dispatching: Dispatching, phone: Service) -> None:
    phone.answer = lambda told: Answer(413 if told.picture else 200)
    dispatcher = dispatching(sink("notify", url=f"ntfy://127.0.0.1:{phone.port}/topic"))
    dispatcher.submit(make_alert(image=PICTURE))
    settled(dispatcher)
    assert [told.picture for told in phone.refused] == [PICTURE]
    assert table(phone) == [("Violence: gate (yard)", False, False)]


def test_it_refuses_one_message_for_good(dispatching: Dispatching, phone: Service) -> None:
    phone.answer = lambda told: Answer(422 if "cellar" in told.text else 200)
    dispatcher = dispatching(sink("notify", url=f"ntfy://127.0.0.1:{phone.port}/topic"))
    for camera in ("gate", "cellar", "hall"):
        dispatcher.submit(make_alert(camera=camera))
    settled(dispatcher)
    assert [refused.alert.camera for refused in dispatcher.refused()] == ["cellar"]
    assert "HTTP 422" in dispatcher.refused()[0].reason
    told = "".join(told.text for told in phone.took)
    assert "gate" in told
    assert "hall" in told
    phone.answer = lambda _: Answer()
    dispatcher.send_again(None)
    settled(dispatcher)
    assert "cellar" in phone.took[-1].text


@pytest.mark.slow
def test_two_hundred_incidents_in_ten_seconds_are_few_messages_and_none_is_lost(
    tmp_path: Path, dispatching: Dispatching, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grouping, "NEWS_GAP_S", grouping.ALARM_GAP_S)  # sooner, and more often
    cameras = [f"camera-{n:02}" for n in range(40)]
    last_s = [time.monotonic()]  # somebody else has just used up the allowance

    def once_a_second(_: Told) -> Answer:
        now_s = time.monotonic()
        if now_s - last_s[0] < 1:
            return Answer(429, retry_after="1")
        last_s[0] = now_s
        return Answer()

    with ExitStack() as stack:
        phone = stack.enter_context(ntfy())
        phone.answer = once_a_second
        broker = stack.enter_context(MqttBroker(tmp_path))
        police = stack.enter_context(Subscriber(broker))
        dispatcher = dispatching(
            sink("notify", url=f"ntfy://127.0.0.1:{phone.port}/topic"),
            sink("mqtt", host="127.0.0.1", port=broker.port, protocol=PROTOCOL),
            sink("siren", pin=27, pin_factory="mock", on_s=1.0),
        )
        wait_for(lambda: all(status.state is SinkState.WORKING for status in dispatcher.status()))
        last_s[0] = time.monotonic()
        pause = threading.Event()
        began_s = time.monotonic()
        opened = []
        for number in range(200):
            opened.append(make_alert(camera=cameras[number % 40], image=PICTURE))
            dispatcher.submit(opened[-1])
            if number >= 20:
                dispatcher.submit(follow_up(opened[number - 20], AlertPhase.UPDATED, 1))
                dispatcher.submit(follow_up(opened[number - 20], AlertPhase.CLOSED, 2))
            pause.wait(max(0.0, began_s + (number + 1) / 20 - time.monotonic()))
        wait_for(lambda: not any(status.depth for status in dispatcher.status()[1:]))
        wait_for(lambda: dispatcher.status()[0].depth == 0, timeout_s=40)
        named = [camera for camera in cameras if any(camera in told.text for told in phone.took)]
        assert named == cameras
        assert len(phone.took) <= 10
        assert phone.refused  # the limit was met
        assert dispatcher.refused() == []
        assert len(police.wait_for_incidents(200 + 2 * 180)) == 560
        assert dispatcher.status()[2].counts == {"delivered": 200}
