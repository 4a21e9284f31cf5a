"""Alerts to a real HTTP server."""

from __future__ import annotations

import base64
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from uuid import UUID

import pytest
from alerting import PICTURE, Dispatching, make_alert, sink, wait_for
from pydantic import ValidationError
from structlog.testing import capture_logs

from alerts.message import Alert
from alerts.sink import BusyError, RefusedError, TimedOutError, TooLargeError, UnclearError
from alerts.sinks.http.webhook import WebhookOptions, WebhookSink
from alerts.sinks.recording import RecordingOptions, RecordingSink
from config.errors import DeliveryError


@dataclass
class Receiver:
    """What came, and what to answer: `answers` first, then 200."""

    port: int = 0
    answers: list[int] = field(default_factory=list)
    retry_after: str | None = None
    paths: list[str] = field(default_factory=list)
    requests: list[tuple[dict[str, str], Any]] = field(default_factory=list)

    def post(self, alert: Alert, **options: Any) -> None:
        values = {"url": f"http://127.0.0.1:{self.port}/hook?key=s3cret", **options}
        WebhookSink("hook", WebhookOptions.model_validate(values)).deliver(alert)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    seen = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            seen.requests.append(({k.lower(): v for k, v in self.headers.items()}, body))
            seen.paths.append(self.path)
            self.send_response(seen.answers.pop(0) if seen.answers else 200)
            self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            if seen.retry_after is not None:
                self.send_header("Retry-After", seen.retry_after)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        seen.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield seen
        server.shutdown()
        thread.join()


def test_an_alert_is_posted_as_json(receiver: Receiver) -> None:
    alert = make_alert(image=PICTURE)
    receiver.post(alert, bearer_token="t0ken", headers={"X-Box": "7"})
    ((headers, body),) = receiver.requests
    assert Alert.model_validate(body) == alert
    assert headers["authorization"] == "Bearer t0ken"
    assert headers["content-type"] == "application/json"
    assert headers["x-box"] == "7"


def test_a_password_in_the_url_becomes_a_header(receiver: Receiver) -> None:
    receiver.post(make_alert(), url=f"http://me:p%40ss@127.0.0.1:{receiver.port}/", image=False)
    ((headers, body),) = receiver.requests
    assert headers["authorization"] == "Basic " + base64.b64encode(b"me:p@ss").decode()
    assert "image" not in body


CONNECTION = {301, 302, 308, 401, 404, 405, 407, 410, 429}
UNCLEAR = {403, 408, 425, 500, 502, 503, 504, 507}
FOR_GOOD = {400, 406, 409, 411, 415, 422}


@pytest.mark.parametrize("status", sorted(CONNECTION | UNCLEAR | FOR_GOOD | {413}))
def test_only_2xx_is_an_acknowledgement_and_the_rest_is_sorted(
    receiver: Receiver, status: int
) -> None:
    receiver.answers = [status]
    with pytest.raises(DeliveryError, match=str(status)) as raised:
        receiver.post(make_alert())
    kinds = {DeliveryError: CONNECTION, UnclearError: UNCLEAR, RefusedError: FOR_GOOD}
    kinds[TooLargeError] = {413}
    assert status in kinds[raised.type]
    assert len(receiver.requests) == 1
    assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize("status", [429, 503])
def test_a_receiver_that_says_how_long_to_wait_is_heard(receiver: Receiver, status: int) -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    for retry_after, least_s, most_s in (("7", 7, 7), (soon, 20, 30)):
        receiver.answers = [status]
        receiver.retry_after = retry_after
        with pytest.raises(BusyError) as raised:
            receiver.post(make_alert())
        assert least_s <= raised.value.after_s <= most_s
    receiver.answers = [status]
    receiver.retry_after = "soon"
    with pytest.raises(DeliveryError) as plain:
        receiver.post(make_alert())
    assert not isinstance(plain.value, BusyError)


@pytest.mark.parametrize(
    "retry_after", ["", "-5", "soon", "Fri, 31 Dec 9999 23:59:59 -2300", "Mon, 31 Feb 2026"]
)
def test_a_wait_that_is_none_is_no_fault_of_the_sink(receiver: Receiver, retry_after: str) -> None:
    receiver.answers, receiver.retry_after = [503], retry_after
    with pytest.raises(UnclearError, match="503"):
        receiver.post(make_alert())


@dataclass
class Curt:
    """Reads the beginning of a request, says `answer` and leaves: the rest is never read."""

    answer: bytes

    def __enter__(self) -> str:
        self._listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._serve, daemon=True).start()
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}/"

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def _serve(self) -> None:
        connection, _ = self._listener.accept()
        with connection:
            connection.recv(200)
            connection.sendall(self.answer)


def test_an_answer_that_comes_before_the_alert_was_read_is_heard() -> None:
    with Curt(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n") as url:
        sink = WebhookSink("hook", WebhookOptions.model_validate({"url": url}))
        with pytest.raises(TooLargeError):
            sink.deliver(make_alert(image=b"x" * 8_000_000))


@pytest.mark.parametrize(
    ("answer", "kind", "said"),
    [
        (b"", UnclearError, "127.0.0.1 hung up without an answer"),
        (b"SSH-2.0-OpenSSH\r\n", DeliveryError, "does not answer in HTTP; check the port"),
        (b"HTTP/1.1 99999 X\r\n\r\n", DeliveryError, "does not answer in HTTP"),
        (b"HTTP/1.1 302 X\r\nLocation: http://[\r\n\r\n", DeliveryError, "302, a redirect"),
    ],
)
def test_what_is_no_good_answer_is_told_in_words(
    answer: bytes, kind: type[DeliveryError], said: str
) -> None:
    with Curt(answer) as url, pytest.raises(kind, match=said):
        WebhookSink("hook", WebhookOptions.model_validate({"url": url})).deliver(make_alert())


def test_a_port_without_tls_is_told_from_one_that_is_down(receiver: Receiver) -> None:
    with pytest.raises(DeliveryError, match="if that port speaks none, write http:"):
        receiver.post(make_alert(), url=f"https://127.0.0.1:{receiver.port}/")


def test_too_large_a_picture_is_left_out(receiver: Receiver, dispatching: Dispatching) -> None:
    receiver.answers = [413]
    dispatcher = dispatching(sink("webhook", url=f"http://127.0.0.1:{receiver.port}/"))
    dispatcher.submit(make_alert(image=PICTURE))
    wait_for(lambda: dispatcher.status()[0].counts.get("delivered"))
    assert [bool(body["image"]) for _, body in receiver.requests] == [True, False]
    assert dispatcher.refused() == []


def test_an_alert_that_is_refused_for_good_holds_up_no_other(
    receiver: Receiver, dispatching: Dispatching
) -> None:
    receiver.answers = [422]
    dispatcher = dispatching(sink("webhook", url=f"http://127.0.0.1:{receiver.port}/"))
    refused, other = make_alert(), make_alert()
    dispatcher.submit(refused)
    dispatcher.submit(other)
    wait_for(lambda: dispatcher.status()[0].counts == {"refused": 1, "delivered": 1})
    (kept,) = dispatcher.refused()
    assert kept.alert.alert_id == UUID(receiver.requests[0][1]["alert_id"])
    assert kept.reason == "127.0.0.1 answered HTTP 422: cannot process the alert"


@dataclass
class Trickle:
    """A server that answers a byte at a time, or not at all, and never to an end."""

    first: bytes = b""
    then: bytes = b"x"
    every_s: float = 0.05
    port: int = 0
    ended: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self._listener.close()

    def _serve(self) -> None:
        connection, _ = self._listener.accept()
        with connection, suppress(OSError):
            connection.sendall(self.first)
            connection.settimeout(self.every_s)
            while True:
                try:
                    if not connection.recv(65536):
                        break
                except TimeoutError:
                    connection.sendall(self.then)
        self.ended.set()


@pytest.mark.parametrize(
    "options",
    [
        {"first": b"HTTP/1.1 200 "},
        {"first": b"HTTP/1.1 100 Continue\r\n\r\n", "then": b"HTTP/1.1 100 C\r\n\r\n"},
        {"then": b""},
    ],
    ids=["a byte at a time", "one interim answer after another", "silence"],
)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_whole_request_has_one_deadline_and_leaves_no_thread(
    scheme: str, options: dict[str, Any]
) -> None:
    before = threading.active_count()
    with Trickle(**options) as server:
        post = WebhookSink(
            "hook",
            WebhookOptions.model_validate(
                {"url": f"{scheme}://127.0.0.1:{server.port}/", "timeout_s": 0.3}
            ),
        )
        with pytest.raises(DeliveryError):
            post.deliver(make_alert())
        assert server.ended.wait(20), "the connection was left open"
        wait_for(lambda: threading.active_count() <= before)


@pytest.mark.parametrize("first", [b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc", b"HTTP/1.1 200 "])
def test_a_handshake_and_a_proxy_that_trickle_end_in_time(
    monkeypatch: pytest.MonkeyPatch, first: bytes
) -> None:
    """A server's part of the TLS handshake, and a proxy's answer to CONNECT, byte by byte."""
    with Trickle(first=first, then=first[-1:]) as server:
        url = f"https://127.0.0.1:{server.port}/"
        if first.startswith(b"HTTP"):
            monkeypatch.setenv("https_proxy", url.replace("https:", "http:"))
            url = "https://receiver.example/"
        hook = WebhookSink("hook", WebhookOptions.model_validate({"url": url, "timeout_s": 0.5}))
        with pytest.raises(TimedOutError, match=r"did not answer within 0\.5 s"):
            hook.deliver(make_alert())
        assert server.ended.wait(20), "the connection was left open"


def test_a_name_server_that_hangs_leaves_one_thread_at_most(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answering = threading.Event()

    def never(*_: Any, **__: Any) -> Any:
        answering.wait(60)
        raise socket.gaierror(socket.EAI_AGAIN, "no answer")

    monkeypatch.setattr(socket, "getaddrinfo", never)
    before = threading.active_count()
    hook = WebhookSink(
        "hook", WebhookOptions.model_validate({"url": "http://receiver.example/", "timeout_s": 0.1})
    )
    for _ in range(5):
        with pytest.raises(DeliveryError) as raised:
            hook.deliver(make_alert())
        assert not isinstance(raised.value, TimedOutError)
        assert threading.active_count() <= before + 1
    assert "name server" in str(raised.value)
    answering.set()
    wait_for(lambda: threading.active_count() == before)
    with pytest.raises(DeliveryError, match="its name is not known"):
        hook.deliver(make_alert())


def test_letters_of_any_alphabet_arrive_encoded(receiver: Receiver) -> None:
    receiver.post(
        make_alert(),
        url=f"http://127.0.0.1:{receiver.port}/경보/a%20b?현장=정문&k=v",
        headers={"X-Site": "정문"},
        bearer_token="abcdefgh\n",
    )
    ((headers, _),) = receiver.requests
    assert receiver.paths == ["/%EA%B2%BD%EB%B3%B4/a%20b?%ED%98%84%EC%9E%A5=%EC%A0%95%EB%AC%B8&k=v"]
    assert headers["x-site"].encode("latin-1").decode() == "정문"
    assert headers["authorization"] == "Bearer abcdefgh"


@pytest.mark.parametrize("name", ["Content-Length", "transfer-encoding", "Connection"])
def test_a_header_that_would_leave_no_alert_readable_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match=f"{name}' is set by each request itself"):
        WebhookOptions.model_validate({"url": "https://host/", "headers": {name: "7"}})


def test_check_says_which_header_not_everyone_can_read() -> None:
    options = WebhookOptions.model_validate(
        {"url": "https://host/", "headers": {"X-Site": "정문", "X-Box": "7"}}
    )
    (problem,) = options.problems()
    assert (problem.key, problem.severity) == (("headers", "X-Site"), "warning")
    assert "정문" not in problem.text


@pytest.mark.parametrize(
    "wrong",
    [
        {"headers": {"X-Site": "a\r\nX-Evil: 1"}},
        {"headers": {"X Site": "a"}},
        {"headers": {"현장": "a"}},
        {"bearer_token": "abc\ndef"},
        {"url": "https://host/a\nb"},
        {"url": "https://host:port/"},
        {"url": "https://host:99999/"},
        {"url": f"https://{'a' * 64}.example/"},
        {"url": "https://a..example/"},
    ],
)
def test_what_could_never_be_sent_is_refused_without_being_quoted(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as raised:
        WebhookOptions.model_validate({"url": "https://host/", **wrong})
    assert not any(part in str(raised.value.errors()[0]["msg"]) for part in ("Evil", "def"))


def test_nobody_there_is_said_without_the_url() -> None:
    receiver = Receiver(port=1)
    with pytest.raises(DeliveryError, match=r"127\.0\.0\.1 cannot be reached") as raised:
        receiver.post(make_alert())
    assert "s3cret" not in str(raised.value)


def test_an_outage_is_weathered_and_no_secret_shown(
    receiver: Receiver, dispatching: Dispatching
) -> None:
    receiver.answers = [503, 408]
    url = f"http://u:pa55@127.0.0.1:{receiver.port}/k3y"
    with capture_logs() as logs:
        settings = sink("webhook", url=url, bearer_token="t0ken")
        dispatcher = dispatching(settings)
        dispatcher.submit(make_alert())
        wait_for(lambda: dispatcher.status()[0].counts.get("delivered"))
    shown = f"{logs}{dispatcher.status()}{settings!r}{settings.model_dump_json()}"
    assert not [secret for secret in ("pa55", "k3y", "t0ken") if secret in shown]


@pytest.mark.parametrize("url", ["ftp://host/", "host/path", "file:///etc/passwd", "https://"])
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(ValidationError):
        WebhookOptions.model_validate({"url": url})


def test_recording_writes_a_line_an_alert(tmp_path: Path) -> None:
    path = tmp_path / "alerts.jsonl"
    recorder = RecordingSink("recorder", RecordingOptions(path=path))
    alerts = [make_alert(image=PICTURE), make_alert(exercise=True)]
    for alert in alerts:
        recorder.deliver(alert)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["alert_id"] for line in lines] == [str(alert.alert_id) for alert in alerts]
    path.unlink()
    path.mkdir()
    with pytest.raises(DeliveryError):
        recorder.deliver(make_alert())


def test_log_shows_the_alert_without_its_picture(dispatching: Dispatching) -> None:
    with capture_logs() as logs:
        dispatcher = dispatching(sink("log"))
        dispatcher.submit(make_alert(image=PICTURE))
        wait_for(lambda: dispatcher.status()[0].counts.get("delivered"))
    (entry,) = [entry for entry in logs if entry["event"] == "alert"]
    assert entry["camera"] == "gate"
    assert "image" not in entry
