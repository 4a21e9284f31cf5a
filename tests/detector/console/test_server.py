"""What Prometheus, containers and people get from the one port."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from alerting import wait_for
from prometheus_client.parser import text_string_to_metric_families
from structlog.testing import capture_logs

from config.errors import ConfigError
from config.settings import HttpSettings, Settings
from detector.console import connections
from detector.console.connections import MAX_CONNECTIONS
from detector.console.server import MAX_THREADS, ConsoleServer
from servers.mqtt import Tls
from servers.small_monitor import SmallMonitor

DEADLINE_S = 10.0


class Running:
    """A server whose health a test can change."""

    def __init__(self, folder: Path, **http: Any) -> None:
        settings = Settings(http=HttpSettings(port=0, **http), state_dir=folder)
        self.monitor = SmallMonitor(settings, folder)
        self.server = ConsoleServer(settings.http, self.monitor)
        self.server.start()

    def get(self, path: str) -> tuple[int, str, str]:
        """Status, content type and body."""
        try:
            with urlopen(self.server.url + path, timeout=DEADLINE_S) as answer:
                return answer.status, answer.headers["Content-Type"], answer.read().decode()
        except HTTPError as error:
            with error:
                return error.code, error.headers["Content-Type"], error.read().decode()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    one = Running(tmp_path_factory.mktemp("state"))
    yield one
    one.server.stop()


@pytest.fixture
def running(server: Running) -> Running:
    server.monitor.live = True
    server.monitor.threads = []
    server.monitor.found_health = {"live": True, "status": "ok", "reasons": []}
    return server


def test_metrics_are_what_prometheus_reads(running: Running) -> None:
    status, kind, body = running.get("/metrics")
    assert (status, kind.partition(";")[0]) == (200, "text/plain")
    families = {family.name for family in text_string_to_metric_families(body)}
    assert {"jikimi_camera_state", "jikimi_samples_due", "jikimi_score"} <= families


def test_livez_says_whether_the_daemon_makes_progress(running: Running) -> None:
    running.monitor.found_health = {}  # which may be slow to tell, and is not asked
    assert running.get("/livez")[::2] == (200, "ok\n")
    running.monitor.live = False
    assert running.get("/livez")[::2] == (503, "stuck\n")


def test_healthz_gives_the_reasons_as_json(running: Running) -> None:
    running.monitor.found_health |= {"status": "degraded", "reasons": ["camera 정문 is offline"]}
    status, kind, body = running.get("/healthz?verbose=1")
    assert (status, kind) == (200, "application/json")
    assert json.loads(body) == running.monitor.found_health
    running.monitor.found_health["live"] = False
    assert running.get("/healthz")[0] == 503


@pytest.mark.parametrize("path", ["/metricsx", "/healthz/", "/../etc/passwd"])
def test_anything_else_is_not_found_and_told_what_there_is(running: Running, path: str) -> None:
    status, _, body = running.get(path)
    assert status == 404
    assert "/healthz" in body


def asked(running: Running, method: str, path: str) -> HTTPResponse:
    connection = HTTPConnection(running.server.url.removeprefix("http://"), timeout=DEADLINE_S)
    body = b"x" * 10 if method == "POST" else None
    connection.request(method, path, body, headers={"Connection": "close"})
    return connection.getresponse()


@pytest.mark.parametrize("path", ["/livez", "/healthz", "/metrics", "/nothing"])
def test_head_is_get_without_the_body(running: Running, path: str) -> None:
    for live in (True, False):
        running.monitor.live = running.monitor.found_health["live"] = live
        got, head = (asked(running, method, path) for method in ("GET", "HEAD"))
        assert (head.status, head.read()) == (got.status, b"")
        assert head.headers["Content-Type"] == got.headers["Content-Type"]
        if path != "/metrics":  # which changes from one moment to the next
            assert int(head.headers["Content-Length"]) == len(got.read())


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_nothing_is_changed_over_http(running: Running, method: str) -> None:
    with asked(running, method, "/healthz") as answer:
        assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize(
    "junk",
    [b"\r\n\r\n", b"\x16\x03\x01\x02\x00\x01", b"GET\r\n\r\n", b"A" * 70_000, b"\xff \xff\n\n"],
)
def test_junk_harms_nothing(
    running: Running, junk: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    host, _, port = running.server.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), DEADLINE_S) as connection:
        connection.sendall(junk)
        connection.shutdown(socket.SHUT_WR)
        with suppress(ConnectionError):
            while connection.recv(65536):
                pass
    assert running.get("/livez")[0] == 200
    assert "Traceback" not in capfd.readouterr().err


def test_a_port_in_use_is_a_mistake_of_the_configuration(running: Running) -> None:
    port = int(running.server.url.rpartition(":")[2])
    with pytest.raises(ConfigError, match=f"{port}.*Choose another http.port") as caught:
        ConsoleServer(HttpSettings(port=port), running.monitor)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("host", ["192.0.2.77", "no-such-host.invalid"])
def test_an_address_that_is_not_ours_is_a_mistake_of_the_configuration(
    running: Running, host: str
) -> None:
    with pytest.raises(ConfigError, match=host):
        ConsoleServer(HttpSettings(host=host, port=0), running.monitor)


def test_clients_that_send_nothing_block_nobody(running: Running) -> None:
    host, _, port = running.server.url.removeprefix("http://").partition(":")
    silent = [socket.create_connection((host, int(port)), DEADLINE_S) for _ in range(5)]
    silent[0].sendall(b"GET /metr")  # breaks off
    assert running.get("/livez")[0] == 200
    for connection in silent:
        connection.close()


def test_of_too_many_idle_clients_the_oldest_are_dropped(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "REQUEST_S", 10 * DEADLINE_S)  # so that time drops none
    host, _, port = running.server.url.removeprefix("http://").partition(":")
    before = threading.active_count()
    with ExitStack() as open_ones:
        clients = [
            open_ones.enter_context(socket.create_connection((host, int(port)), DEADLINE_S))
            for _ in range(3 * MAX_CONNECTIONS)
        ]
        assert running.get("/livez")[0] == 200
        assert clients[0].recv(1) == b""
        assert threading.active_count() - before <= MAX_CONNECTIONS + 2


def test_without_room_for_a_thread_it_answers_all_the_same(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    host, _, port = running.server.url.removeprefix("http://").partition(":")
    with monkeypatch.context() as patch, ExitStack() as open_ones:
        patch.setattr(threading, "_start_new_thread", refuse)
        for _ in range(3):
            open_ones.enter_context(socket.create_connection((host, int(port)), DEADLINE_S))
        assert running.get("/livez")[::2] == (200, "ok\n")


def test_livez_names_the_threads_that_are_not_as_they_should_be(running: Running) -> None:
    running.monitor.threads = ["capture-정문 died (ValueError: x), started anew 2 s ago"]
    assert running.get("/livez")[2] == "ok\n" + running.monitor.threads[0] + "\n"
    running.monitor.live = False
    assert running.get("/livez")[2] == "stuck\n" + running.monitor.threads[0] + "\n"


def test_a_failing_health_check_is_logged_and_does_not_end_the_server(
    running: Running, capfd: pytest.CaptureFixture[str]
) -> None:
    whole = running.monitor.found_health
    running.monitor.found_health = {}
    with capture_logs() as logs:
        assert running.get("/healthz")[0] == 500
        wait_for(lambda: logs)  # it is answered first
    assert [(line["event"], line["path"]) for line in logs] == [("http request failed", "/healthz")]
    running.monitor.found_health = whole
    assert running.get("/healthz")[0] == 200
    assert "Traceback" not in capfd.readouterr().err


def test_the_port_is_free_again_after_stop(tmp_path: Path) -> None:
    first = Running(tmp_path)
    assert first.get("/livez")[0] == 200
    port = int(first.server.url.rpartition(":")[2])
    first.server.stop()
    again = ConsoleServer(HttpSettings(port=port), first.monitor)
    again.start()
    again.stop()


def test_an_ipv6_address_is_served(tmp_path: Path) -> None:
    one = Running(tmp_path, host="::1")
    assert one.get("/livez")[0] == 200
    one.server.stop()


def address(running: Running) -> tuple[str, int]:
    host, _, port = running.server.url.removeprefix("http://").partition(":")
    return host, int(port)


@pytest.mark.slow
def test_who_sends_no_whole_request_in_time_is_dropped(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "REQUEST_S", 0.3)
    begun = b"POST /livez HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n"
    for sent in (b"", b"GET /livez HT", begun + b"x", begun[:-20]):
        with socket.create_connection(address(running), DEADLINE_S) as client:
            client.sendall(sent)
            while client.recv(65536):
                pass


def test_who_is_being_answered_is_dropped_after_who_only_waits(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered, go_on = threading.Event(), threading.Event()

    def slow() -> bytes:
        entered.set()
        assert go_on.wait(DEADLINE_S)
        return b"at last"

    monkeypatch.setattr(running.monitor, "metrics", slow)
    connection = HTTPConnection(*address(running), timeout=DEADLINE_S)
    connection.request("GET", "/metrics", headers={"Connection": "close"})
    assert entered.wait(DEADLINE_S)
    with ExitStack() as open_ones:
        for _ in range(2 * MAX_CONNECTIONS):
            open_ones.enter_context(socket.create_connection(address(running), DEADLINE_S))
        assert running.get("/livez")[0] == 200
        go_on.set()
        assert connection.getresponse().read() == b"at last"


def test_livez_answers_while_every_thread_hangs(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()
    monkeypatch.setattr(running.monitor, "metrics", lambda: str(go_on.wait(DEADLINE_S)).encode())
    before = threading.active_count()
    askers = [HTTPConnection(*address(running), timeout=DEADLINE_S) for _ in range(20)]
    for asker in askers:
        asker.request("GET", "/metrics", headers={"Connection": "close"})
    for _ in range(3):
        assert running.get("/livez")[::2] == (200, "ok\n")
    assert threading.active_count() - before <= MAX_THREADS
    go_on.set()
    assert {asker.getresponse().read() for asker in askers} == {b"True"}


def test_headers_without_end_are_refused(running: Running) -> None:
    with socket.create_connection(address(running), DEADLINE_S) as client:
        with suppress(ConnectionError):
            client.sendall(b"GET /livez HTTP/1.1\r\nX: " + b"x" * 100_000)
        assert client.recv(65536).startswith(b"HTTP/1.1 400 ")


def test_a_certificate_makes_it_https(tmp_path: Path) -> None:
    tls = Tls.make(tmp_path)
    one = Running(tmp_path, host="localhost", tls_certificate=tls.certificate, tls_key=tls.key)
    assert one.server.url.startswith("https://localhost:")
    context = ssl.create_default_context(cafile=tls.ca)
    port = int(one.server.url.rpartition(":")[2])
    with socket.create_connection(("localhost", port), DEADLINE_S):  # one that never shakes hands
        with urlopen(f"{one.server.url}/livez", timeout=DEADLINE_S, context=context) as answer:
            assert answer.read() == b"ok\n"
        with socket.create_connection(("localhost", port), DEADLINE_S) as plain:
            plain.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
            with suppress(ConnectionError):
                assert b"ok" not in plain.recv(65536)
    one.server.stop()


@pytest.mark.parametrize("what", ["another's key", "no key", "no certificate"])
def test_a_certificate_that_cannot_be_used_is_said_at_the_start(
    running: Running, tmp_path: Path, what: str
) -> None:
    tls = Tls.make(tmp_path)
    (tmp_path / "other").mkdir()
    key: Path | None = Tls.make(tmp_path / "other").key if what == "another's key" else tls.key
    certificate = tls.certificate
    if what == "no certificate":
        certificate.write_text("nothing")
    if what == "no key":
        key = None
    settings = HttpSettings(port=0, tls_certificate=certificate, tls_key=key)
    with pytest.raises(ConfigError, match=r"http\.tls_certificate: .* cannot be used \("):
        ConsoleServer(settings, running.monitor)
