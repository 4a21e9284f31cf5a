"""What is said of a broker that cannot be reached, answers nothing, or lets go again."""

from __future__ import annotations

import ctypes
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from alerting import Dispatching, make_alert, sink, wait_for
from structlog.testing import capture_logs

from alerts.deadline import Deadline
from alerts.delivery import open_sink
from alerts.delivery.status import SinkState
from alerts.dispatcher import Dispatcher
from alerts.message import CameraNotice
from alerts.sinks.mqtt import session
from alerts.sinks.mqtt.options import MqttOptions
from alerts.sinks.mqtt.sink import MqttSink
from config.settings import SinkSettings
from servers.mqtt import MOSQUITTO, PROTOCOL, MqttBroker, Subscriber, Tls
from servers.ports import free_port
from servers.scripted_mqtt import ScriptedBroker

needs_mosquitto = pytest.mark.skipif(not MOSQUITTO, reason="amqtt speaks MQTT 3.1.1 alone")


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker that answers nothing is noticed after two seconds."""
    monkeypatch.setattr(session, "KEEPALIVE_S", 1)


def station(port: int, name: str = "station", **options: Any) -> SinkSettings:
    values = {"host": "127.0.0.1", "port": port, "site": "yard"}
    return sink("mqtt", name, **values | options)


def trouble(dispatcher: Dispatcher) -> str:
    """What is said once the sink is failing."""
    wait_for(lambda: dispatcher.status()[0].state is SinkState.FAILING)
    return str(dispatcher.status()[0].last_error)


@contextmanager
def listener(*, hangs_up: bool) -> Iterator[int]:
    """A port that takes connections and says nothing on them."""
    kept = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                if hangs_up:
                    connection.close()
                else:
                    kept.append(connection)

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        thread.join(20)
    for connection in kept:
        connection.close()


@pytest.mark.slow
@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_a_port_that_answers_nothing_is_said_before_there_is_an_alarm(
    dispatching: Dispatching, protocol: str
) -> None:
    with listener(hangs_up=False) as port:
        dispatcher = dispatching(station(port, protocol=protocol))
        wait_for(lambda: dispatcher.status()[0].state is SinkState.CONNECTING)
        said = trouble(dispatcher)
        assert "takes the connection and does not answer" in said
        assert "add tls:" in said
        assert ("write protocol: 3.1.1" in said) is (protocol == "5")
        dispatcher.stop(Deadline.after(5))


def test_a_port_that_hangs_up_is_said_with_what_it_may_be(dispatching: Dispatching) -> None:
    with listener(hangs_up=True) as port:
        dispatcher = dispatching(station(port))
        said = trouble(dispatcher)
        assert "hangs up" in said
        assert "add tls:" in said
        assert "write protocol: 3.1.1" in said
        dispatcher.stop(Deadline.after(5))


@pytest.mark.slow
def test_a_broker_that_knows_another_version_is_said(dispatching: Dispatching) -> None:
    with ScriptedBroker() as broker:
        broker.connack = lambda connect: 0x84 if connect.level == 5 else 0
        dispatcher = dispatching(station(broker.port))
        assert "write protocol: 3.1.1" in trouble(dispatcher)
        dispatcher.stop(Deadline.after(5))
        dispatcher = dispatching(station(broker.port, protocol="3.1.1"))
        dispatcher.submit(make_alert())
        wait_for(lambda: dispatcher.status()[0].counts.get("delivered"))


@pytest.mark.slow
# paho leaves the socket of a failed handshake to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_plain_mqtt_to_a_tls_port_and_the_reverse_are_said(
    dispatching: Dispatching, tmp_path: Path
) -> None:
    with MqttBroker(tmp_path, tls=Tls.make(tmp_path)) as broker:
        dispatcher = dispatching(station(broker.port, protocol=PROTOCOL))
        assert "add tls:" in trouble(dispatcher)
        dispatcher.stop(Deadline.after(5))
    with listener(hangs_up=True) as port:
        dispatcher = dispatching(station(port, tls={}))
        assert "take tls: out" in trouble(dispatcher)
        dispatcher.stop(Deadline.after(5))


@pytest.mark.slow
@pytest.mark.parametrize("protocol", ["5", "3.1.1"] if MOSQUITTO else ["3.1.1"])
def test_two_clients_of_one_id_are_said_for_as_long_as_they_take_turns(
    dispatching: Dispatching, tmp_path: Path, protocol: str
) -> None:
    options = {"client_id": "box", "protocol": protocol}
    with MqttBroker(tmp_path) as broker:
        dispatcher = dispatching(
            station(broker.port, "one", **options), station(broker.port, "two", **options)
        )

        def said(number: int) -> bool:
            status = dispatcher.status()[number]
            return (
                status.state is SinkState.FAILING
                and "does another client use client_id box" in str(status.last_error)
            )

        wait_for(lambda: said(0) and said(1), 60)
        assert all(
            said(0) and said(1) for _ in range(3) if wait_for(lambda: said(0) and said(1), 60)
        )
        dispatcher.reconfigure([station(broker.port, "one", **options)], Deadline.after(5))
        wait_for(lambda: dispatcher.status()[0].state is SinkState.WORKING, 60)


@pytest.mark.slow
def test_two_sinks_of_one_id_that_start_at_once_do_not_mistake_each_others_connection() -> None:
    for _ in range(4):
        options = MqttOptions(host="127.0.0.1", port=free_port(), site="yard", client_id="box")
        pair = [MqttSink(name, options) for name in ("one", "two")]
        both = threading.Barrier(2)

        def start(each: MqttSink, both: threading.Barrier = both) -> None:
            both.wait()
            each.start()

        with ThreadPoolExecutor(2) as pool:
            list(pool.map(start, pair))
        pair[1].close()
        assert "has ended" not in str(pair[0].trouble())
        pair[0].close()


@needs_mosquitto
@pytest.mark.slow
def test_a_broker_that_freezes_later_is_said_without_an_alarm(
    dispatching: Dispatching, tmp_path: Path
) -> None:
    with MqttBroker(tmp_path) as broker:
        dispatcher = dispatching(station(broker.port))
        wait_for(lambda: dispatcher.status()[0].state is SinkState.WORKING)
        with capture_logs() as logs:
            broker.freeze()
            assert "answer" in trouble(dispatcher)
        assert any("does not answer any more" in str(entry) for entry in logs)
        broker.thaw()
        wait_for(lambda: dispatcher.status()[0].state is SinkState.WORKING)


@pytest.mark.slow
def test_a_sink_that_never_gets_a_connection_is_failing_after_a_while(
    dispatching: Dispatching, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_sink, "CONNECT_WITHIN_S", 0.2)
    with ScriptedBroker() as broker:
        broker.answering.clear()
        dispatcher = dispatching(station(broker.port))
        assert "no connection within" in trouble(dispatcher)
        broker.answering.set()
        wait_for(lambda: dispatcher.status()[0].state is SinkState.WORKING)


@pytest.mark.slow
# What ends a thread is shown by threading.excepthook.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_connection_whose_thread_has_ended_is_said_and_made_anew(
    dispatching: Dispatching,
) -> None:
    with ScriptedBroker() as broker:
        dispatcher = dispatching(station(broker.port, timeout_s=60))
        wait_for(lambda: dispatcher.status()[0].state is SinkState.WORKING)
        (thread,) = [one for one in threading.enumerate() if one.name.startswith("paho-mqtt")]
        ctypes.pythonapi.PyThreadState_SetAsyncExc(
            ctypes.c_ulong(thread.ident or 0), ctypes.py_object(SystemExit)
        )
        assert "thread of its connection has ended" in trouble(dispatcher)
        dispatcher.submit(make_alert())
        wait_for(lambda: dispatcher.status()[0].counts.get("delivered"))
        assert dispatcher.status()[0].state is SinkState.WORKING


def test_of_two_sinks_at_one_broker_one_that_leaves_takes_nothing_of_the_other(
    dispatching: Dispatching, tmp_path: Path
) -> None:
    with MqttBroker(tmp_path) as broker, Subscriber(broker) as subscriber:
        one, two = (station(broker.port, name, protocol=PROTOCOL) for name in ("one", "two"))
        dispatcher = dispatching(one, two)
        dispatcher.cameras.show(CameraNotice("gate", "yard", "live", datetime.now(UTC)))

        def shown() -> dict[str, bytes]:
            return {message.topic: message.payload for message in subscriber.messages}

        def all_shown() -> bool:
            now = shown()
            return now.get("jikimi/yard/availability") == b"online" and b"live" in now.get(
                "jikimi/yard/gate/state", b""
            )

        subscriber.wait_until(  # from both
            lambda messages: (
                sum(m.payload == b"online" for m in messages) >= 2
                and sum(b"live" in m.payload for m in messages) >= 2
            )
        )
        count = len(subscriber.messages)
        dispatcher.reconfigure([one], Deadline.after(5))
        subscriber.wait_until(lambda messages: any(m.payload == b"offline" for m in messages))
        subscriber.wait_until(lambda messages: len(messages) >= count + 4)
        wait_for(all_shown)


@pytest.mark.parametrize("host", ["a..b", "x" * 64, ""])
def test_a_host_that_is_no_name_is_refused(host: str) -> None:
    with pytest.raises(ValueError, match="host"):
        station(1883, host=host)
