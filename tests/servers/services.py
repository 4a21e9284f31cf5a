"""Services that tell people: a phone's (ntfy), a chat's (Telegram) and a mail server."""

from __future__ import annotations

import email
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.message import Message
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from aiosmtpd.controller import Controller

from servers.ports import free_port


@dataclass(frozen=True)
class Told:
    """One message as a person gets it; `priority` and `click`: as the service has them."""

    title: str
    text: str
    picture: bytes | None = None
    priority: str | None = None
    click: str | None = None


@dataclass(frozen=True)
class Answer:
    """What a service answers; with `raw`, this and no HTTP."""

    status: int = 200
    retry_after: str | None = None
    body: bytes = b"{}"
    raw: bytes | None = None


@dataclass
class Service:
    """What it took, and what it answers to a message; `took` holds what it answered 200 to."""

    answer: Callable[[Told], Answer] = lambda _: Answer()
    port: int = 0
    took: list[Told] = field(default_factory=list)
    refused: list[Told] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)

    def titles(self) -> list[str]:
        return [told.title for told in self.took]


@contextmanager
def ntfy(port: int = 0) -> Iterator[Service]:
    """As docs.ntfy.sh/publish has it: JSON, or a picture as body and the rest in the URL."""

    def read(path: str, headers: Message, body: bytes) -> Told:
        query = {key: values[0] for key, values in parse_qs(urlsplit(path).query).items()}
        picture = body if query else None
        stated = query or json.loads(body)
        return Told(
            stated.get("title", ""),
            stated.get("message", ""),
            picture,
            headers["X-Priority"],
            headers["X-Click"],
        )

    with _http(read, port) as service:
        yield service


@contextmanager
def telegram() -> Iterator[Service]:
    """As https://core.telegram.org/bots/api has sendMessage and sendPhoto."""

    def read(_path: str, headers: Message, body: bytes) -> Told:
        kind = headers["Content-Type"]
        if kind == "application/json":
            stated = json.loads(body)
            return Told("", stated["text"], None, str(stated.get("disable_notification")))
        mime = b"Content-Type: " + kind.encode() + b"\r\n\r\n" + body
        parts = email.message_from_bytes(mime, policy=default).iter_parts()
        fields = {part.get_param("name", header="content-disposition"): part for part in parts}
        content = {name: part.get_payload(decode=True) for name, part in fields.items()}
        caption = content.get("caption", b"")
        return Told("", caption.decode(), content["photo"])

    with _http(read) as service:
        yield service


@contextmanager
def mail() -> Iterator[Service]:
    """An SMTP server without TLS; `answer` gives the reply to DATA, 200 as 250."""
    service = Service()

    class Handler:
        async def handle_DATA(  # noqa: N802 - aiosmtpd's name
            self, _server: Any, _session: Any, envelope: Any
        ) -> str:
            told = _mail(envelope.content)
            answer = service.answer(told)
            (service.took if answer.status == 200 else service.refused).append(told)
            return "250 taken" if answer.status == 200 else f"{answer.status} not now"

    connections: list[Any] = []

    class Server(Controller):
        def factory(self) -> Any:
            connections.append(super().factory())
            return connections[-1]

    controller = Server(Handler(), hostname="127.0.0.1", port=free_port())
    controller.start()
    try:
        service.port = controller.port
        yield service
    finally:
        for one in connections:  # `stop` leaves open what a client has not closed by then
            if one.transport is not None:
                controller.loop.call_soon_threadsafe(one.transport.abort)
        controller.stop()


def _mail(content: bytes) -> Told:
    parsed = email.message_from_bytes(content, policy=default)
    body = parsed.get_body(("plain", "html"))
    pictures = [part.get_content() for part in parsed.iter_attachments()]
    return Told(parsed["Subject"], body.get_content(), pictures[0] if pictures else None)


@contextmanager
def _http(read: Callable[[str, Message, bytes], Told], port: int = 0) -> Iterator[Service]:
    service = Service()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            service.paths.append(self.path)
            body = self.rfile.read(int(self.headers["Content-Length"]))
            told = read(self.path, self.headers, body)
            answer = service.answer(told)
            is_taken = answer.status == 200 and answer.raw is None
            (service.took if is_taken else service.refused).append(told)
            if answer.raw is not None:
                self.wfile.write(answer.raw)
                return
            with suppress(OSError):
                self.send_response(answer.status)
                if answer.retry_after is not None:
                    self.send_header("Retry-After", answer.retry_after)
                self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", str(len(answer.body)))
                self.end_headers()
                self.wfile.write(answer.body)

        def log_message(self, *_: Any) -> None:
            """Nothing to tell."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: Any) -> None:
            """A sender that hangs up in the middle of a request is no fault of this one."""

    with Server(("127.0.0.1", port), Handler) as server:
        service.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield service
        server.shutdown()
        thread.join()
