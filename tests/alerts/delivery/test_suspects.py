"""A receiver that fails at one alert, in a way that says nothing of the alert."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from alerting import PICTURE, Dispatching, ScriptedSink, follow_up, make_alert, sink, wait_for

from alerts.delivery import attempts
from alerts.message import Alert, AlertPhase
from alerts.sink import BusyError, TimedOutError, UnclearError
from config.errors import DeliveryError
from servers.scripted_mqtt import ACKNOWLEDGE, SILENCE, Answer, ScriptedBroker, disconnect

OPENED, UPDATED, CLOSED = AlertPhase.OPENED, AlertPhase.UPDATED, AlertPhase.CLOSED


@dataclass
class Picky:
    """Answers 200, or `status` (None: hangs up) to what `dislikes` says; keeps what it took."""

    dislikes: Callable[[dict[str, Any]], bool]
    status: int | None
    url: str = ""
    took: list[dict[str, Any]] = field(default_factory=list)

    def cameras(self) -> list[str]:
        return [body["camera"] for body in self.took]


@contextmanager
def picky(dislikes: Callable[[dict[str, Any]], bool], status: int | None) -> Iterator[Picky]:
    receiver = Picky(dislikes, status)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            is_bad = receiver.dislikes(body)
            if not is_bad:
                receiver.took.append(body)
            if is_bad and receiver.status is None:
                return
            self.send_response(receiver.status if is_bad and receiver.status else 200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as server:
        receiver.url = f"http://127.0.0.1:{server.server_port}/"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield receiver
        server.shutdown()


@pytest.mark.parametrize("status", [403, 404, 500, 503, None])
def test_a_receiver_that_fails_at_the_alerts_of_one_camera_gets_all_others(
    dispatching: Dispatching, status: int | None
) -> None:
    with picky(lambda body: body["camera"] == "gate", status) as receiver:
        dispatcher = dispatching(sink("webhook", url=receiver.url))
        for _ in range(3):
            opened = make_alert()
            dispatcher.submit(opened)
            dispatcher.submit(follow_up(opened, CLOSED, 1))
        for camera in ("door", "yard", "hall"):
            dispatcher.submit(make_alert(camera=camera))
        wait_for(lambda: dispatcher.status()[0].depth == 6)
        assert sorted(receiver.cameras()) == ["door", "hall", "yard"]
        assert dispatcher.refused() == []


def test_what_only_its_picture_keeps_from_arriving_arrives_without(
    dispatching: Dispatching, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the picture, which was not to blame in an outage, is tried again behind it."""
    monkeypatch.setattr(attempts, "DEFERRED_AS", 1)
    with picky(lambda body: bool(body["image"]), 403) as receiver:
        dispatcher = dispatching(sink("webhook", url=receiver.url))
        dispatcher.submit(make_alert(image=PICTURE))
        wait_for(lambda: receiver.cameras() == ["gate"])
        dispatcher.submit(make_alert(camera="door"))
        wait_for(lambda: "door" in receiver.cameras())
        receiver.dislikes = lambda _: False
        wait_for(lambda: dispatcher.status()[0].depth == 0)
        phases = [body["phase"] for body in receiver.took if body["camera"] == "gate"]
        assert phases == [OPENED, UPDATED]


def test_an_alert_under_suspicion_goes_without_its_picture_where_others_get_through(
    dispatching: Dispatching, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempts, "DEFERRED_AS", 1)
    with picky(lambda body: body["image"] and body["camera"] == "gate", None) as receiver:
        dispatcher = dispatching(sink("webhook", url=receiver.url))
        opened = make_alert()
        dispatcher.submit(opened)
        dispatcher.submit(follow_up(opened, CLOSED, 1, image=PICTURE))
        for number in itertools.count():
            dispatcher.submit(make_alert(camera=f"door{number}"))
            wait_for(lambda: f"door{number}" in receiver.cameras())  # noqa: B023
            if receiver.cameras().count("gate") == 2:
                break


@pytest.mark.parametrize(
    "answer",
    [
        disconnect(0x93),
        *(pytest.param(one, marks=pytest.mark.slow) for one in (SILENCE, disconnect(0x96))),
    ],
)
def test_a_broker_that_fails_at_one_alert_gets_the_others(
    dispatching: Dispatching, answer: Answer
) -> None:
    with ScriptedBroker() as broker:
        broker.answer = lambda one: answer if "/gate/" in one.topic else ACKNOWLEDGE
        dispatcher = dispatching(sink("mqtt", host="127.0.0.1", port=broker.port, timeout_s=0.3))
        dispatcher.submit(make_alert())
        dispatcher.submit(make_alert(camera="door"))
        wait_for(lambda: any("/door/" in one.topic for one in broker.alerts()))
        wait_for(lambda: dispatcher.status()[0].depth == 1)


@pytest.mark.parametrize(
    "error",
    [
        DeliveryError("away"),
        pytest.param(BusyError("busy", 0.01), marks=pytest.mark.slow),
        pytest.param(TimedOutError("s"), marks=pytest.mark.slow),
        pytest.param(UnclearError("?"), marks=pytest.mark.slow),
    ],
)
def test_what_an_outage_made_suspect_arrives_with_its_picture(
    dispatching: Dispatching, error: Exception
) -> None:
    ScriptedSink.gate.clear()
    ScriptedSink.faults = [error] * 9
    dispatcher = dispatching(sink("scripted"))
    alerts: list[Alert] = [make_alert(camera=f"c{i}", image=PICTURE) for i in range(4)]
    for alert in alerts:
        dispatcher.submit(alert)
    ScriptedSink.gate.set()
    made = ScriptedSink.made["scripted"]
    wait_for(lambda: dispatcher.status()[0].depth == 0)
    opened = [alert for alert in made.got if alert.phase is OPENED]
    assert {alert.alert_id for alert in opened} == {alert.alert_id for alert in alerts}
    if not isinstance(error, TimedOutError):
        assert all(alert.image for alert in opened)
