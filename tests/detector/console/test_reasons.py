"""Whoever reads Korean is told in Korean why something is wrong."""

from __future__ import annotations

import ast
import inspect
import re
import socket
import ssl
from collections.abc import Iterator
from http.client import BadStatusLine
from smtplib import SMTPException, SMTPServerDisconnected
from types import ModuleType

import av
import pytest
from alerting import make_alert
from console.cluster_views import WHOLE
from console.wall_monitor import ManyCameras

from alerts.delivery.open_sink import NOT_CONNECTED
from alerts.sinks.http import webhook
from alerts.sinks.http.options import WebhookOptions
from alerts.sinks.http.post import Answer, _reason
from alerts.sinks.mqtt import connection, reasons
from alerts.sinks.mqtt.failures import Failures
from alerts.sinks.mqtt.options import MqttOptions
from alerts.sinks.notify import failures
from config.urls import StreamUrl
from detector.capture import device, errors, network, reader
from detector.capture.opening import container
from detector.cluster import assignment, summary
from detector.console.access.user import Role, User
from detector.console.words.reasons import KOREAN, said
from detector.daemon.forwarding.reach import NO_JOURNAL, Reach
from detector.daemon.health import OVERLOADED
from detector.daemon.watched.loss import SampleCounts
from detector.types import CameraState

GATE = StreamUrl.parse("rtsp://10.0.0.1:554/live")
VALUE = "7"
"""Stands for whatever the daemon fills in."""

ASIDE = re.compile(r"\([^()]*\)|\S*/\S*|h\.example")
"""What nobody translates: what is in parentheses, addresses, topics."""

SAME = frozenset(
    re.findall(
        r"\w+",
        "HTTP TLS DNS MD5 MQTT QoS RTSP POST Telegram Basic NTLM digest journal url video from to "
        "box form transport tcp udp tls topic host username password client_id protocol "
        "bearer_token signing_secret http_proxy no_proxy http https quay west gate pier",
    )
)
"""Words that are the same in both languages: keys, names, protocols."""


def english(text: str) -> set[str]:
    """What of it is in English."""
    return set(re.findall(r"[A-Za-z][A-Za-z_0-9]+", ASIDE.sub("", text))) - SAME


def filled(call: ast.Call) -> Iterator[str]:
    """The text that an error is made of, each gap with `VALUE`."""
    for node in call.args[:1]:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.JoinedStr):
            parts = [
                part.value if isinstance(part, ast.Constant) else VALUE for part in node.values
            ]
            yield "".join(map(str, parts))


def raised(module: ModuleType) -> Iterator[str]:
    """What every error says that `module` makes of a text."""
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        name = (
            node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""
        )
        if name in {"StreamError", "UnauthorisedError", "StalledError"}:
            assert isinstance(node, ast.Call)
            yield from filled(node)


def of_cameras() -> Iterator[str]:
    for module in (reader, network, device, container):
        yield from raised(module)
    yield str(errors.stalled(GATE, 5))
    yield str(errors.too_large(GATE, 9000, 9000))
    yield str(errors.in_circles(GATE))
    yield str(errors.wrong_transport(GATE, "udp"))
    yield str(errors.refused_login(GATE, "Basic"))
    yield from (str(errors.refused_by_status(GATE, status)) for status in (418, *errors._STATUSES))
    yield from (errors.REFUSED, errors.FORBIDDEN, network.NO_PICTURE, container.NO_VIDEO)
    yield from (text for _, text in (*errors._KNOWN, *errors._OF_FILES))
    for url in (GATE, StreamUrl.parse("http://10.0.0.1/x"), StreamUrl.parse("/no/such.mp4")):
        for kind in (av.OSError, av.ConnectionRefusedError, av.FileNotFoundError, av.EOFError):
            yield str(errors.open_failure(url, kind(5, "I/O error"), None))
        yield str(errors.open_failure(url, av.ExitError(5, "x"), 10.0))
    yield str(errors.unsupported_login(GATE, ["Basic", "NTLM"]))
    for taken, late in ((0, 0), (900, 900), (900, 0)):
        counts = SampleCounts()
        counts.tick(0.0)
        counts.taken, counts.late = taken, late
        counts.tick(10.0)
        yield counts.why(GATE)
    yield "an internal error; see the log"
    yield from (f"camera gate is {one.value}" for one in CameraState if one is not CameraState.LIVE)


def of_boxes() -> Iterator[str]:
    yield summary.NOT_GIVEN
    yield "its box is dead: west"
    for node in ast.walk(ast.parse(inspect.getsource(assignment))):
        if isinstance(node, ast.FunctionDef) and node.name == "_why":
            for found in ast.walk(node):
                if isinstance(found, ast.Return) and isinstance(found.value, ast.JoinedStr):
                    yield from filled(ast.Call(found.value, [found.value], []))
    yield from (NO_JOURNAL, OVERLOADED)
    reach = Reach("postgresql://h/x")
    reach.looked({"west": 99.0})
    for box in ("west", "pier"):
        yield f"sink quay: {reach.trouble(box)}"


def of_brokers() -> Iterator[str]:
    for protocol, client_id in (("5", None), ("3.1.1", "gate")):
        options = MqttOptions.model_validate(
            {"host": "h.example", "protocol": protocol, "client_id": client_id}
        )
        made = connection.Connection(options)
        yield from (str(made.refused(code)) for code in reasons.WORDS)
        made.begin()
        for code, from_broker in ((connection.KEEP_ALIVE_TIMEOUT, False), (0, False)):
            yield str(made.lost(code, from_broker, under_way=False) or made.trouble())
        for code, from_broker in ((0x8D, False), (0x82, False), (0x89, True), (0, False)) * 2:
            made.opened(connection.Limits())
            yield str(made.lost(code, from_broker, under_way=False) or made._trouble)
        told = Failures("h.example")
        yield str(told.refusal(make_alert(), "jikimi/yard/gate/incident", 0x87))
        yield str(told.hang_up(make_alert(), (reasons.About.UNCLEAR, "without a reason")))
    yield from (connection.TAKES_QOS_0, NOT_CONNECTED)


def of_services() -> Iterator[str]:
    hook = webhook.WebhookSink("hook", WebhookOptions.model_validate({"url": "http://h.example/x"}))
    statuses = {302, 413, 500, *webhook.REFUSALS, *webhook.REMEDIES}
    yield from (str(hook._error(Answer(status, None))) for status in statuses)
    no_tls = ssl.SSLError(1, "x")
    no_tls.reason = "WRONG_VERSION_NUMBER"
    causes = (socket.gaierror(), no_tls, BadStatusLine("x"))
    yield from (f"h.example cannot be reached: {_reason(cause)}" for cause in causes)
    yield from ("h.example did not answer within 5 s", "h.example hung up without an answer")
    statuses = {200, 302, 500, *failures.REFUSALS, *failures.REMEDIES}
    for status in statuses:
        yield str(failures.failure("Telegram", Answer(status, None), ""))
    mail: list[SMTPException] = [kind.__new__(kind) for kind in failures._MAIL]
    for outcome in (*mail, SMTPServerDisconnected(), *causes[:1], TimeoutError()):
        yield str(failures.failure("Telegram", outcome, ""))


@pytest.mark.parametrize("reasons_of", [of_cameras, of_boxes, of_brokers, of_services])
def test_no_english_is_left_of_what_is_often_wrong(reasons_of: type[Iterator[str]]) -> None:
    left = {}
    for reason in reasons_of():
        korean = said(reason, "ko")
        if found := english(korean):
            left[reason] = (found, korean)
        assert said(reason, "en") == reason
    assert not left, "\n".join(map(str, left.items()))


def test_what_nobody_has_translated_is_read_in_english_behind_a_head_that_is_known() -> None:
    assert said("sink hook: who knows; look at its log", "ko") == (
        "수신처 hook: who knows; 브로커 로그를 확인하세요"
    )
    assert said("rtsp://10.0.0.1/x: connection refused (errno 111)", "ko") == (
        "rtsp://10.0.0.1/x: 연결이 거부됨 (errno 111)"
    )
    assert said("camera journal is offline", "ko") == "카메라 journal 연결 끊김"
    assert said("sink journal: refused: is busy (0x89)", "ko") == (
        "수신처 journal: 거부됨: 바쁨 (0x89)"
    )
    assert said("", "ko") == ""


def test_both_languages_fill_in_the_same() -> None:
    for english, korean in KOREAN.items():
        assert sorted(re.findall(r"{\w+}", english)) == sorted(re.findall(r"{\w+}", korean))


def test_pages_say_it_in_the_language_that_is_asked_for() -> None:
    cameras = ManyCameras(["gate"])
    cameras.in_cluster, cameras.told = True, WHOLE
    client = cameras.client(User("lee", Role.VIEWER))

    def page(language: str) -> str:
        return client.get("/boxes", headers={"accept-language": language}).text

    assert "every box that reaches it is dead: west" in page("en")
    assert "닿는 장비가 모두 응답하지 않음: west" in page("ko")
    cameras.close()
