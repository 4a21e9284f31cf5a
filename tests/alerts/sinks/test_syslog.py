"""Alerts to a syslog receiver: rsyslog from Debian, and one that behaves badly."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from alerting import PICTURE, Dispatching, follow_up, make_alert, sink, wait_for
from pydantic import ValidationError

from alerts.delivery import attempts
from alerts.message import AlertPhase
from alerts.sink import RemarkingSink
from alerts.sinks.syslog import line
from alerts.sinks.syslog.message import syslog_message
from alerts.sinks.syslog.options import SyslogOptions
from alerts.sinks.syslog.sink import SyslogSink
from config.errors import DeliveryError
from config.settings import Location
from servers.mqtt import Tls
from servers.ports import free_port
from servers.syslog import Rsyslog, SyslogServer, break_off, hang_up, why_no_rsyslog

Receiver = Callable[..., SyslogServer]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    return Tls.make(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that was kept for a moment is kept."""
    monkeypatch.setattr(line, "PROBATION_S", 0.1)


@pytest.fixture
def made() -> Iterator[Callable[..., SyslogSink]]:
    sinks = []

    def make(port: int, **options: Any) -> SyslogSink:
        values = {"host": "127.0.0.1", "port": port, "protocol": "tcp", "timeout_s": 2, **options}
        sinks.append(SyslogSink("control", SyslogOptions.model_validate(values)))
        return sinks[-1]

    yield make
    for one in sinks:
        one.close()


def test_a_message_is_as_rfc_5424_has_it() -> None:
    alert = make_alert(
        sent_at=datetime(2026, 11, 27, 3, 4, 5, 678_901, UTC),
        opened_at=datetime(2026, 11, 27, 3, 4, 3, tzinfo=UTC),
        location=Location(text='the "north" gate [A]\\B\x1b\n', latitude=35.1, longitude=129),
        image=PICTURE,
    )
    text = syslog_message(alert, "local0", "box one.example").decode()
    assert text == (
        "<129>1 2026-11-27T03:04:05.678Z boxone.example jikimi - opened "
        f'[jikimi@32473 alert="{alert.alert_id}" incident="{alert.incident_id}" sequence="0" '
        'phase="opened" exercise="false" late="false" label="violence" score="0.900" '
        'camera="gate" site="yard" place="the \\"north\\" gate [A\\]\\\\B  " '
        'latitude="35.100000" longitude="129.000000" opened_at="2026-11-27T03:04:03+00:00"] '
        'Violence at camera gate, site yard, the "north" gate [A]\\B , score 0.90'
    )


def test_letters_beyond_ascii_come_behind_a_byte_order_mark() -> None:
    message = syslog_message(make_alert(camera="정문", exercise=True), "daemon", "")
    head, text = message.split(b"] \xef\xbb\xbf")
    assert head.startswith(b"<25>1 ")
    assert b" - jikimi - opened [" in head
    assert text.decode().startswith("EXERCISE: Violence at camera 정문")


@pytest.mark.parametrize(
    ("phase", "score", "severity"),
    [
        (AlertPhase.OPENED, 0.95, 1),
        (AlertPhase.UPDATED, 0.6, 2),
        (AlertPhase.CLOSED, 0.95, 5),
        (AlertPhase.CAMERA_LOST, 0, 3),
        (AlertPhase.CAMERA_BACK, 0, 5),
    ],
)
def test_severity_goes_by_phase_and_score(phase: AlertPhase, score: float, severity: int) -> None:
    message = syslog_message(make_alert(phase=phase, score=score, reason="x"), "local7", "h")
    assert int(re.findall(rb"^<(\d+)>", message)[0]) == 23 * 8 + severity


@pytest.mark.slow
@pytest.mark.skipif(bool(why_no_rsyslog()), reason=why_no_rsyslog())
@pytest.mark.parametrize("protocol", ["tls", "tcp", "udp"])
def test_rsyslog_takes_an_incident_and_the_next_after_it_was_killed(
    protocol: str, tmp_path: Path, certificate: Tls, dispatching: Dispatching
) -> None:
    tls = certificate if protocol == "tls" else None
    receiver = Rsyslog(tmp_path, protocol, tls)
    options: dict[str, Any] = {"host": "127.0.0.1", "protocol": protocol, "port": receiver.port}
    if tls:
        options |= {"host": "localhost", "tls": {"ca": tls.ca}}
    with receiver:
        dispatcher = dispatching(sink("syslog", **options))
        alert = make_alert(camera="정문")
        dispatcher.submit(alert)
        dispatcher.submit(follow_up(alert, AlertPhase.CLOSED, 1, reason="quiet"))
        wait_for(lambda: len(receiver.received()) == 2)
        receiver.kill()
        receiver.start()
        dispatcher.submit(make_alert(camera="yard"))
        wait_for(lambda: len(receiver.received()) == 3)
    opened, closed, after = receiver.received()
    assert opened[:3] == ["129", "jikimi", "opened"]
    assert f'incident="{alert.incident_id}"' in opened[3]
    assert "Violence at camera 정문, site yard" in opened[4]
    assert closed[0] == "133"
    assert closed[4].endswith("quiet")
    assert 'camera="yard"' in after[3]


@pytest.mark.usefixtures("quick")
def test_a_connection_that_was_ended_meanwhile_swallows_nothing(
    made: Callable[..., SyslogSink],
) -> None:
    with SyslogServer() as server:
        control = made(server.port)
        control.start()
        for count in range(1, 4):
            control.deliver(make_alert())
            wait_for(lambda count=count: len(server.messages) == count)
            server.hang_up()
    with pytest.raises(DeliveryError, match="cannot be reached: Connection refused"):
        control.deliver(make_alert())


@pytest.mark.parametrize("end", [hang_up, break_off])
def test_a_receiver_that_takes_connections_and_hangs_up_acknowledges_nothing(
    end: Any, made: Callable[..., SyslogSink]
) -> None:
    with SyslogServer(end, end) as server:
        control = made(server.port)
        with pytest.raises(DeliveryError, match=r"127\.0\.0\.1:"):
            control.start()
        with pytest.raises(DeliveryError, match=r"127\.0\.0\.1:"):
            control.deliver(make_alert())
        control.deliver(make_alert())
        wait_for(lambda: len(server.messages) == 1)


def test_a_certificate_that_is_not_wanted_is_no_acknowledgement(
    certificate: Tls, made: Callable[..., SyslogSink]
) -> None:
    """TLS 1.3 tells a client so after its handshake, and after it may have sent its alert."""
    with SyslogServer(tls=certificate, clients=True) as server:
        options = {"host": "localhost", "protocol": "tls", "tls": {"ca": certificate.ca}}
        control = made(server.port, **options)
        with pytest.raises(DeliveryError, match=r"fails at TLS .*certificate required"):
            control.start()
        for _ in range(3):
            with pytest.raises(DeliveryError, match=r"fails at TLS|broken off|hangs up"):
                control.deliver(make_alert())
        assert server.messages == []
        own = {"certificate": certificate.certificate, "key": certificate.key}
        made(server.port, **{**options, "tls": {"ca": certificate.ca, **own}}).deliver(make_alert())
        wait_for(lambda: len(server.messages) == 1)


@pytest.mark.usefixtures("quick")
def test_a_machine_that_takes_nothing_more_acknowledges_nothing(
    made: Callable[..., SyslogSink],
) -> None:
    """Its window is full, as of one that is frozen, or behind a line that is cut."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        control = made(listener.getsockname()[1], timeout_s=0.2)
        control.start()
        more_than_it_takes = make_alert(location=Location(text="x" * 5000))
        with pytest.raises(DeliveryError, match=r"did not answer within 0\.2 s$"):
            control.deliver(more_than_it_takes)


def test_a_connection_that_is_ended_soon_after_it_was_made_acknowledges_nothing(
    made: Callable[..., SyslogSink], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by a proxy that finds nobody behind it, when its machine has taken the alert."""
    with SyslogServer() as server:

        def then_hang_up(of: line.Line) -> None:
            wait_for(lambda: server.messages)
            server.hang_up()

        control = made(server.port)
        monkeypatch.setattr(line.Line, "_wait_taken", then_hang_up)
        with pytest.raises(DeliveryError, match="and hangs up"):
            control.deliver(make_alert())


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("text", [b"", b"garbage \xff\n" * 1000])
def test_what_a_receiver_says_is_thrown_away(text: bytes, made: Callable[..., SyslogSink]) -> None:
    with SyslogServer(lambda connection: connection.sendall(text)) as server:
        control = made(server.port)
        control.start()
        control.deliver(make_alert())
        wait_for(lambda: len(server.messages) == 1)


@pytest.mark.slow
def test_who_speaks_no_tls_and_who_cannot_be_trusted_is_told(
    certificate: Tls, made: Callable[..., SyslogSink]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        control = made(silent.getsockname()[1], protocol="tls", timeout_s=0.2)
        with pytest.raises(DeliveryError, match="does that port speak TLS"):
            control.start()
    hello = SyslogServer(lambda one: one.sendall(b"220 hello\r\n" * 9))
    with hello, pytest.raises(DeliveryError, match="write protocol: tcp if it speaks none"):
        made(hello.port, protocol="tls").start()
    with SyslogServer(tls=certificate) as server:
        with pytest.raises(DeliveryError, match="a certificate that is not trusted"):
            made(server.port, host="localhost", protocol="tls").start()
        ca = {"ca": certificate.ca}
        with pytest.raises(DeliveryError, match="not trusted: IP address mismatch"):
            made(server.port, protocol="tls", tls=ca).start()
        made(server.port, protocol="tls", tls={**ca, "insecure": True}).deliver(make_alert())
        wait_for(lambda: server.messages)


def test_udp_sends_one_message_a_datagram_and_hears_of_nobody(
    made: Callable[..., SyslogSink],
) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(20)
        control = made(receiver.getsockname()[1], protocol="udp")
        control.start()
        control.deliver(make_alert())
        assert receiver.recv(65536).startswith(b"<129>1 ")
    with pytest.raises(DeliveryError, match="Connection refused"):
        control.deliver(make_alert())
    assert isinstance(control, RemarkingSink)
    assert "UDP does not say" in str(control.remark())


@pytest.mark.usefixtures("quick")
def test_an_outage_is_weathered_in_order_and_marked_late(
    dispatching: Dispatching, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempts, "LATE_AFTER_S", 0.0)
    port = free_port()
    dispatcher = dispatching(sink("syslog", host="127.0.0.1", port=port, protocol="tcp"))
    alert = make_alert(image=PICTURE)
    for phase in (AlertPhase.OPENED, AlertPhase.UPDATED, AlertPhase.CLOSED):
        dispatcher.submit(follow_up(alert, phase, 0))
    wait_for(lambda: dispatcher.status()[0].last_error)
    with SyslogServer(port=port) as server:
        wait_for(lambda: len(server.messages) == 3)
    phases = [re.findall(rb' phase="(\w+)" .* late="true"', text) for text in server.messages]
    assert phases == [[b"opened"], [b"updated"], [b"closed"]]


@pytest.mark.parametrize(
    "wrong",
    [
        {"protocol": "udp", "tls": {}},
        {"facility": "kern"},
        {"protocol": "relp"},
        {"host": "a b"},
        {"port": 0},
    ],
)
def test_receivers_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        SyslogOptions.model_validate({"host": "logs.example", **wrong})
