"""A receiver of alerts over HTTP, which can refuse them, or take them and not say so."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


class Answer(Enum):
    """What the receiver does with a request."""

    TAKE = "take"
    REFUSE = "refuse"
    """Status 503."""
    TAKE_SILENTLY = "take silently"
    """Take the alert and break the connection off without an answer."""


class WebhookServer:
    """Listens on 127.0.0.1 from `__enter__` to `__exit__`; `answer` is asked at each request."""

    def __init__(self, answer: Callable[[], Answer] = lambda: Answer.TAKE) -> None:
        self.answer = answer
        self._taken: list[dict[str, Any]] = []
        taken = self._taken
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                answer = server.answer()
                if answer is not Answer.REFUSE:
                    taken.append(json.loads(body))
                if answer is Answer.TAKE_SILENTLY:
                    self.close_connection = True
                    return
                self.send_response(204 if answer is Answer.TAKE else 503)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Nothing to tell."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: Any) -> None:
                """A sender that was killed in the middle of a request is no fault of this one."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/alerts"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def incidents(self) -> list[dict[str, Any]]:
        """The alerts taken so far, in order."""
        return list(self._taken)
