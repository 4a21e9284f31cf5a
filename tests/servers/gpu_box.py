"""A GPU box for tests: takes views over HTTP and answers as it should, or in some wrong way."""

from __future__ import annotations

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from detector.inference.engine import Engine
from detector.inference.serve_protocol import (
    PATH,
    WEIGHTS_HEADER,
    as_answer,
    read_request,
    views_of,
)

WAYS = {
    "broken": lambda box, body: (500, b"out of memory"),
    "cut short": lambda box, body: (200, box.embedded(body)[:-4]),
    "no numbers": lambda box, body: (200, b"\xff" * len(box.embedded(body))),
    "too long": lambda box, body: (200, box.embedded(body) + bytes(4)),
    "works": lambda box, body: (200, box.embedded(body)),
}
"""By name, what the answer is; beside `silent`, `drips`, `hangs up` and `no HTTP`."""


class GpuBox:
    """At `url` from `__enter__` to `__exit__`; `way` may be set to another at any time."""

    def __init__(self, engine: Engine, weights: str = "w" * 64, port: int = 0) -> None:
        self.way = "works"
        self.weights = weights
        self.requests = 0
        self.connections = 0
        self.closes_after_each = False
        self._engine = engine
        self._leaving = threading.Event()
        self._server = _Server(("127.0.0.1", port), _handler(self))
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def embedded(self, body: bytes) -> bytes:
        """The right answer."""
        return as_answer(self._engine.embed(views_of(read_request(body))))

    def wait(self) -> None:
        """Until the end, or a minute."""
        self._leaving.wait(60)

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._leaving.set()
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True


def _handler(box: GpuBox) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def setup(self) -> None:
            super().setup()
            box.connections += 1

        def do_POST(self) -> None:
            box.requests += 1
            body = self.rfile.read(int(self.headers["Content-Length"]))
            assert self.path == PATH
            if self.headers[WEIGHTS_HEADER] != box.weights:
                self._send(409, b"has other weights")
            elif way := _RAW.get(box.way):
                self.close_connection = True
                way(box, self.wfile, body)
            else:
                self._send(*WAYS[box.way](box, body))
            # unseen by who asked: as of a connection that was not used for long
            self.close_connection |= box.closes_after_each

        def _send(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    return Handler


def _drip(box: GpuBox, out: Any, body: bytes) -> None:
    """A byte now and then, each in time, and never all."""
    out.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4000000\r\n\r\n")
    while not box._leaving.wait(0.05):
        out.write(b"x")


_RAW: dict[str, Callable[[GpuBox, Any, bytes], object]] = {
    "drips": _drip,
    "hangs up": lambda box, out, body: None,
    "no HTTP": lambda box, out, body: out.write(b"\x00\x01hello"),
    "silent": lambda box, out, body: box.wait(),
}

WRONG = (*(way for way in WAYS if way != "works"), *_RAW)
