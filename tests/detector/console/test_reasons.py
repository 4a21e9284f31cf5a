"""Whoever reads Korean is told in Korean why something is wrong."""

from __future__ import annotations

import ast
import errno
import inspect
import os
import re
import socket
import sqlite3
import ssl
import textwrap
from collections.abc import Callable, Iterator
from contextlib import closing
from http.client import BadStatusLine
from smtplib import SMTPException, SMTPServerDisconnected
from types import ModuleType, SimpleNamespace

import av
import pytest
from alerting import make_alert
from console.cluster_views import WHOLE
from console.wall_monitor import ManyCameras

from alerts.delivery.open_sink import NOT_CONNECTED
from alerts.dispatcher import Dispatcher
from alerts.sinks import certificates, program, relay
from alerts.sinks.exec import ExecSink, _first_line
from alerts.sinks.http import webhook
from alerts.sinks.http.options import WebhookOptions
from alerts.sinks.http.post import Answer, _reason
from alerts.sinks.mqtt import connection, reasons
from alerts.sinks.mqtt.failures import Failures
from alerts.sinks.mqtt.options import MqttOptions
from alerts.sinks.notify import failures
from alerts.sinks.relays import off_timer, sound
from alerts.sinks.relays.options import RelayOptions
from alerts.sinks.syslog import line
from alerts.sinks.syslog.sink import SyslogSink
from alerts.storage import database, files, state_file, takeover, write_behind
from alerts.storage.faults import FILES, StorageFaults
from config.urls import StreamUrl
from detector.capture import device, errors, network, reader
from detector.capture.opening import container
from detector.cluster import assignment, summary
from detector.console.access.user import Role, User
from detector.console.words.reasons import KOREAN, said
from detector.daemon import calibration_store
from detector.daemon.forwarding.reach import NO_JOURNAL, Reach
from detector.daemon.health import OVERLOADED
from detector.daemon.observability import log_writer
from detector.daemon.operators import control, zones
from detector.daemon.watched.loss import SampleCounts
from detector.evidence import collector, recorder
from detector.journal import database as journal
from detector.journal import feeder
from detector.types import CameraState

GATE = StreamUrl.parse("rtsp://10.0.0.1:554/live")
VALUE = "7"
"""Stands for whatever the daemon fills in."""

ASIDE = re.compile(r"\([^()]*\)|\S*/\S*|h\.example|openssl pkey [-A-Za-z ]+|pip install '\S+'")
"""What nobody translates: what is in parentheses, addresses, topics, command lines."""

SAME = frozenset(
    re.findall(
        r"\w+",
        "HTTP TLS DNS MD5 MQTT QoS RTSP POST Telegram Basic NTLM digest journal url video from to "
        "box form transport tcp udp tls topic host username password client_id protocol "
        "bearer_token signing_secret http_proxy no_proxy http https quay west gate pier UDP syslog "
        "lgpio TasksMax FIFO state_dir Errno MP4 PostgreSQL",
    )
)
"""Words that are the same in both languages: keys, names, protocols."""


LOGS = frozenset({"info", "warning", "error", "exception"})


def english(text: str) -> set[str]:
    """What of it is in English."""
    return set(re.findall(r"[A-Za-z][A-Za-z_0-9]+", ASIDE.sub("", text))) - SAME


def filled(node: ast.AST) -> str:
    """The text that a literal is, each gap with `VALUE`; empty where it is none."""
    if isinstance(node, ast.JoinedStr):
        return "".join(filled(part) or VALUE for part in node.values)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def literals(node: ast.AST) -> Iterator[str]:
    """Its texts of more than one word; not those that it documents, logs or compares with."""
    is_documentation = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    is_log = isinstance(node, ast.Call) and getattr(node.func, "attr", "") in LOGS
    if is_documentation or is_log or isinstance(node, ast.Compare):
        return
    if " " in filled(node).strip():
        yield filled(node)
    for inner in ast.iter_child_nodes(node):
        if not isinstance(node, ast.JoinedStr) or isinstance(inner, ast.FormattedValue):
            yield from literals(inner)


def in_parentheses(tree: ast.AST) -> Iterator[str]:
    """The names whose values its texts have in parentheses."""
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts = node.values
            for before, gap, behind in zip(parts, parts[1:], parts[2:], strict=False):
                is_aside = filled(before).endswith("(") and filled(behind).startswith(")")
                if is_aside and isinstance(gap, ast.FormattedValue):
                    yield ast.unparse(gap.value)


def texts(code: Callable[..., object], head: str = "") -> Iterator[str]:
    """`literals` of a function or class behind `head`.

    What stands in parentheses within another is a reason of its own, and has no head.
    """
    tree = ast.parse(textwrap.dedent(inspect.getsource(code)))
    names = set(in_parentheses(tree))
    asides: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and names & {ast.unparse(name) for name in node.targets}:
            asides.update(literals(node.value))
    for text in literals(tree):
        yield text if text in asides else head + text


def handed(module: ModuleType, *names: str) -> Iterator[str]:
    """`literals`, and constants, that `module` hands to errors and functions of these names."""
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in names:
            for argument in node.args:
                yield from literals(argument)
                constant = getattr(module, ast.unparse(argument), None)
                if isinstance(constant, str):
                    yield constant


def of_cameras() -> Iterator[str]:
    for module in (reader, network, device, container):
        yield from handed(module, "StreamError", "UnauthorisedError", "StalledError")
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
    yield from texts(assignment._Round._why)
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


def of_syslog() -> Iterator[str]:
    at = "h.example:6514"
    yield from texts(SyslogSink._reason, f"{at} ")
    yield from texts(SyslogSink.remark)
    broken = (*texts(line.Line), *handed(line, "HungUpError"), *handed(certificates, "ValueError"))
    yield from (f"{at} cannot be reached: {text}" for text in broken)


def os_error(number: int) -> OSError:
    return OSError(number, os.strerror(number))


def of_programs() -> Iterator[str]:
    yield from texts(ExecSink, "/x/y ")
    for code in (_first_line, sound.Sound, sound._tail):
        yield from texts(code)
    for error in (os_error(errno.ENOEXEC), MemoryError()):
        yield f"/x/y: {program.reason_of(error)}"


def of_relays() -> Iterator[str]:
    pin = relay.Relay(RelayOptions(pin=17))
    for what in handed(relay, "_cannot"):
        for error in (ModuleNotFoundError("No module named 'lgpio'"), os_error(errno.EIO)):
            yield str(pin._cannot(what, error))
    switched = [*handed(relay, "OffTimer"), *handed(sound, "OffTimer")]
    for text in handed(off_timer, "DeliveryError"):
        yield from (text.replace(VALUE, what, 1) for what in switched)


def of_disks() -> Iterator[str]:
    faults = StorageFaults()
    for file in FILES:
        faults.fails(file, "/x/y", write_behind.NO_ANSWER)
    yield from faults.reasons()
    yield from texts(StorageFaults)
    yield from (f"{what} is there" for what in texts(files.in_the_way))
    told = ("fails", "_fails", "unread", "set_aside", "_set_aside", "_begin_anew", "NotOursError")
    own = (write_behind, state_file, takeover, database)
    for module in (*own, zones, calibration_store, control, feeder):
        yield from (text for text in handed(module, *told) if text != f"{VALUE} is there")
    for code in (files.within, files.FileLock, control.ControlServer._clear_the_way):
        yield from texts(code)
    for unreadable in (1, 2):
        outbox = SimpleNamespace(unreadable=lambda count=unreadable: count)
        yield from Dispatcher.trouble(SimpleNamespace(_outbox=outbox, faults=StorageFaults()))
    yield from texts(log_writer.LogWriter.trouble)
    yield from handed(log_writer, "OSError")


def of_journals() -> Iterator[str]:
    yield from texts(feeder.JournalFeeder._hangs)
    yield from texts(journal.in_words)
    yield from handed(journal, "JournalError", "NotOursError", "_refuse")


def of_evidence() -> Iterator[str]:
    yield from (f"evidence: {what}" for what in handed(collector, "_miss"))
    yield from (f"evidence: {what}" for what in handed(recorder, "_on_lost"))


def of_the_system() -> Iterator[str]:
    refused = "ENOSPC EDQUOT EIO EROFS EACCES EPERM ENOENT ENOTDIR EISDIR ENAMETOOLONG ESTALE"
    short = "ETXTBSY ENOEXEC E2BIG ENOMEM EAGAIN EMFILE ENFILE"
    network = "EPIPE ECONNREFUSED ECONNRESET ETIMEDOUT ENETUNREACH EHOSTUNREACH"
    for name in f"{refused} {short} {network}".split():
        yield f"{os_error(getattr(errno, name))}: '/x/y'"
    for path, statements in (
        ("/dev/null/x", "SELECT * FROM sqlite_master"),
        (__file__, "SELECT * FROM sqlite_master"),
        (":memory:", "PRAGMA query_only = 1; CREATE TABLE full (x)"),
        (":memory:", "PRAGMA max_page_count = 1; CREATE TABLE full (x)"),
    ):
        with pytest.raises(sqlite3.Error) as caught, closing(sqlite3.connect(path)) as opened:
            opened.executescript(statements)
        yield str(caught.value)


OF = [
    of_cameras,
    of_boxes,
    of_brokers,
    of_services,
    of_syslog,
    of_programs,
    of_relays,
    of_disks,
    of_journals,
    of_evidence,
    of_the_system,
]


@pytest.mark.parametrize("reasons_of", OF)
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


def test_of_our_own_words_in_parentheses_none_are_left_in_english() -> None:
    assert said("h:6514 fails at TLS (broken off); look at the receiver", "ko") == (
        "h:6514 TLS 연결 실패 (연결이 끊어짐); 수신 측에서 확인하세요"
    )
    kept = "zones.json.damaged-20261127T030341000000"
    for why, korean in (
        ("a directory is there", "그 자리에 디렉터리가 있음"),
        (
            "[Errno 13] Permission denied: '/x/y'",
            "[Errno 13] 권한이 없음: '/x/y'",
        ),
        ("who knows", "who knows"),
    ):
        assert said(f"storage: zones.json could not be used ({why}), kept as {kept}", "ko") == (
            f"저장: zones.json 사용 불가 ({korean}), {kept} 이름으로 보관함"
        )


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
