"""What Prometheus, containers and people get from the one port."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from http.client import HTTPConnection, HTTPResponse
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from config.errors import ConfigError
from config.settings import HttpSettings
from detector.daemon.observability.http import MAX_CLIENTS, HttpServer
from detector.daemon.observability.metrics import DetectorMetrics

DEADLINE_S = 10.0


class Running:
    """A server whose health a test can change."""

    def __init__(self) -> None:
        self.live = True
        self.threads: list[str] = []
        self.health: dict[str, Any] = {}
        registry = CollectorRegistry()
        DetectorMetrics(registry).add_camera("gate", "harbour", ["violence"])
        self.server = HttpServer(
            HttpSettings(port=0),
            registry,
            lambda: (self.live, self.threads),
            lambda: dict(self.health),
        )
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
def server() -> Iterator[Running]:
    one = Running()
    yield one
    one.server.stop()


@pytest.fixture
def running(server: Running) -> Running:
    server.live = True
    server.threads = []
    server.health = {"live": True, "status": "ok", "reasons": []}
    return server


def test_metrics_are_what_prometheus_reads(running: Running) -> None:
    status, kind, body = running.get("/metrics")
    assert (status, kind.partition(";")[0]) == (200, "text/plain")
    families = {family.name for family in text_string_to_metric_families(body)}
    assert {"jikimi_camera_state", "jikimi_samples_due", "jikimi_score"} <= families


def test_livez_says_whether_the_daemon_makes_progress(running: Running) -> None:
    running.health = {}  # which may be slow to tell, and is not asked
    assert running.get("/livez")[::2] == (200, "ok\n")
    running.live = False
    assert running.get("/livez")[::2] == (503, "stuck\n")


def test_healthz_gives_the_reasons_as_json(running: Running) -> None:
    running.health |= {"status": "degraded", "reasons": ["camera 정문 is offline"]}
    status, kind, body = running.get("/healthz?verbose=1")
    assert (status, kind) == (200, "application/json")
    assert json.loads(body) == running.health
    running.health["live"] = False
    assert running.get("/healthz")[0] == 503


@pytest.mark.parametrize("path", ["/", "/metricsx", "/healthz/", "/../etc/passwd"])
def test_anything_else_is_not_found_and_told_what_there_is(running: Running, path: str) -> None:
    status, _, body = running.get(path)
    assert status == 404
    assert "/healthz" in body


def asked(running: Running, method: str, path: str) -> HTTPResponse:
    connection = HTTPConnection(running.server.url.removeprefix("http://"), timeout=DEADLINE_S)
    connection.request(method, path, body=b"x" * 10 if method == "POST" else None)
    return connection.getresponse()


@pytest.mark.parametrize("path", ["/livez", "/healthz", "/metrics", "/nothing"])
def test_head_is_get_without_the_body(running: Running, path: str) -> None:
    for live in (True, False):
        running.live = running.health["live"] = live
        got, head = (asked(running, method, path) for method in ("GET", "HEAD"))
        assert (head.status, head.read()) == (got.status, b"")
        assert head.headers["Content-Type"] == got.headers["Content-Type"]
        if path != "/metrics":  # which changes from one moment to the next
            assert int(head.headers["Content-Length"]) == len(got.read())


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_nothing_is_changed_over_http(running: Running, method: str) -> None:
    answer = asked(running, method, "/healthz")
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
        HttpServer(HttpSettings(port=port), CollectorRegistry(), lambda: (True, []), dict)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("host", ["192.0.2.77", "no-such-host.invalid"])
def test_an_address_that_is_not_ours_is_a_mistake_of_the_configuration(host: str) -> None:
    with pytest.raises(ConfigError, match=host):
        HttpServer(HttpSettings(host=host, port=0), CollectorRegistry(), lambda: (True, []), dict)


def test_clients_that_send_nothing_block_nobody(running: Running) -> None:
    host, _, port = running.server.url.removeprefix("http://").partition(":")
    silent = [socket.create_connection((host, int(port)), DEADLINE_S) for _ in range(5)]
    silent[0].sendall(b"GET /metr")  # breaks off
    assert running.get("/livez")[0] == 200
    for connection in silent:
        connection.close()


def test_of_too_many_idle_clients_the_oldest_are_dropped(running: Running) -> None:
    host, _, port = running.server.url.removeprefix("http://").partition(":")
    before = threading.active_count()
    with ExitStack() as open_ones:
        clients = [
            open_ones.enter_context(socket.create_connection((host, int(port)), DEADLINE_S))
            for _ in range(3 * MAX_CLIENTS)
        ]
        assert running.get("/livez")[0] == 200
        assert clients[0].recv(1) == b""
        assert threading.active_count() - before <= MAX_CLIENTS + 2


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
    running.threads = ["capture-정문 died (ValueError: x), started anew 2 s ago"]
    assert running.get("/livez")[2] == "ok\n" + running.threads[0] + "\n"
    running.live = False
    assert running.get("/livez")[2] == "stuck\n" + running.threads[0] + "\n"


def test_a_failing_health_check_is_logged_and_does_not_end_the_server(
    running: Running, capfd: pytest.CaptureFixture[str]
) -> None:
    whole = running.health
    running.health = {}
    with pytest.raises(OSError, match=r"closed|reset"):
        running.get("/healthz")
    running.health = whole
    assert running.get("/healthz")[0] == 200
    assert "Exception occurred during processing" not in capfd.readouterr().err


def test_the_port_is_free_again_after_stop() -> None:
    first = Running()
    port = int(first.server.url.rpartition(":")[2])
    first.server.stop()
    again = HttpServer(HttpSettings(port=port), CollectorRegistry(), lambda: (True, []), dict)
    again.start()
    again.stop()


def test_an_ipv6_address_is_served() -> None:
    server = HttpServer(
        HttpSettings(host="::1", port=0), CollectorRegistry(), lambda: (True, []), dict
    )
    server.start()
    try:
        with urlopen(f"{server.url}/livez", timeout=5) as answer:
            assert answer.status == 200
    finally:
        server.stop()
