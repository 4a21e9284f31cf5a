"""An ONVIF camera: its device and media services over SOAP, and its answers to multicast.

It does what real ones do in their different ways: logs in by WS-UsernameToken or HTTP digest,
has a clock that is off, names another host than its own, hangs, or answers what is no XML.
"""

from __future__ import annotations

import base64
import hashlib
import re
import socket
import struct
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any, Literal, Self
from xml.etree import ElementTree as ET

from wsdiscovery.actions import constructProbeMatch
from wsdiscovery.message import createSOAPMessage, parseSOAPMessage
from wsdiscovery.namespaces import NS_ACTION_PROBE
from wsdiscovery.qname import QName
from wsdiscovery.scope import Scope
from wsdiscovery.service import Service

from servers import onvif_answers as answers
from servers.onvif_answers import DEVICE, ENVELOPE, MEDIA, Stream

Behaviour = Literal["proper", "garbage", "html", "hangs", "drips", "endless"]
LogIn = Literal["none", "token", "digest"]

WSSE = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
WSU = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
DISCOVERY_GROUP, DISCOVERY_PORT = "239.255.255.250", 3702

TOKEN_AGE_S = 30
NONCE = "d1e2f3"
GARBAGE = b"\x00\xff<<not xml \x1b[31m"


MAIN = Stream("main", 1920, 1080, 25)
SUB = Stream("sub", 640, 360, 15)


class OnvifCamera:
    """Listens on `host` from `__enter__` to `__exit__`; `port` 0 is any.

    `token_first`: no call without a log-in, not even for the time. `clock_off_s`: how far its clock
    is ahead. `services`: the media services that it has; empty: it knows GetCapabilities only.
    `names_host`: the host that it believes to have. `multicast`: it answers on the loopback
    interface, with `datagram` instead of a proper answer where one is given. `calls`: the
    operations it was asked for, `log_ins`: how often by which way, `refusals`: of these in vain.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        log_in: LogIn = "token",
        user: str = "viewer",
        password: str = "p@ss:wörd/9",
        token_first: bool = False,
        clock_off_s: float = 0,
        streams: Sequence[Stream] = (MAIN, SUB),
        services: Sequence[str] = (MEDIA,),
        names_host: str | None = None,
        scopes: Sequence[str] = ("name/Front%20gate", "hardware/DS-2CD2043"),
        behaviour: Behaviour = "proper",
        fault: str = "Sender not Authorized",
        multicast: bool = False,
        datagram: bytes | None = None,
    ) -> None:
        self.host = host
        self.log_in = log_in
        self.user, self.password = user, password
        self.token_first = token_first
        self.clock_off_s = clock_off_s
        self.streams = {stream.token: stream for stream in streams}
        self.services = services
        self.scopes = [f"onvif://www.onvif.org/{scope}" for scope in scopes]
        self.behaviour = behaviour
        self.fault = fault
        self.datagram = datagram
        self.calls: list[str] = []
        self.log_ins: list[str] = []
        self.refusals = 0
        self.closing = threading.Event()
        self._nonces: set[str] = set()
        camera = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                with suppress(OSError):  # whoever asked has gone
                    camera._answer(self)

            def log_message(self, *_: Any) -> None:
                """Nothing to tell."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def server_bind(self) -> None:
                """Without asking a name server who `host` is."""
                TCPServer.server_bind(self)

        self._server = Server((host, port), Handler)
        self.port = int(self._server.server_address[1])
        self.names_host = names_host or host
        self.address = f"http://{host}:{self.port}/onvif/device_service"
        self._multicast = multicast

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        if self._multicast:
            self._udp = _discovery_socket()
            threading.Thread(target=self._answer_probes, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        if self._multicast:
            with suppress(OSError):
                self._udp.shutdown(socket.SHUT_RDWR)
            self._udp.close()

    def utc(self) -> datetime:
        """What its clock shows."""
        return datetime.now(UTC) + timedelta(seconds=self.clock_off_s)

    def probe_match(self, relates_to: str) -> bytes:
        """Its answer to a probe with that message id."""
        types = [QName("http://www.onvif.org/ver10/network/wsdl", "NetworkVideoTransmitter", "dn")]
        xaddr = f"http://{self.names_host}:{self.port}/onvif/device_service"
        scopes = [Scope(scope) for scope in self.scopes]
        service = Service(types, scopes, [xaddr], f"urn:uuid:{self.host}:{self.port}", 1)
        return createSOAPMessage(constructProbeMatch([service], relates_to)).encode()

    def _answer_probes(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out, suppress(OSError):
            out.bind((self.host, 0))
            while not self.closing.is_set():
                data, sender = self._udp.recvfrom(65_535)
                probe = parseSOAPMessage(data, "")
                if probe is not None and probe.getAction() == NS_ACTION_PROBE:
                    out.sendto(self.datagram or self.probe_match(probe.getMessageId()), sender)

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers["Content-Length"]))
        match self.behaviour:
            case "hangs":
                self.closing.wait()
                request.close_connection = True
            case "drips":
                self._drip(request)
            case "endless":
                self._flood(request)
            case "garbage":
                _send(request, 200, GARBAGE)
            case "html":
                _send(request, 200, b"<html><body>Log in</body></html>", "text/html")
            case _:
                self._answer_properly(request, body)

    def _answer_properly(self, request: BaseHTTPRequestHandler, body: bytes) -> None:
        envelope = ET.fromstring(body)
        call = envelope.find(f"{{{ENVELOPE}}}Body/*")
        assert call is not None
        namespace, operation = call.tag[1:].split("}")
        self.calls.append(operation)
        if not self._is_let_in(request, envelope, operation):
            self.refusals += 1
            if self.log_in == "digest":
                challenge = f'Digest realm="cam", qop="auth", nonce="{NONCE}", algorithm=MD5'
                _send(request, 401, b"", extra={"WWW-Authenticate": challenge})
            else:
                _send(request, 400, answers.fault("NotAuthorized", self.fault))
            return
        answer = self._content(namespace, operation, call)
        if answer is None:
            _send(request, 500, answers.fault("ActionNotSupported", "no such operation"))
        else:
            _send(request, 200, answers.envelope(answer))

    def _is_let_in(self, request: BaseHTTPRequestHandler, envelope: Any, operation: str) -> bool:
        if self.log_in == "none":
            return True
        if operation == "GetSystemDateAndTime" and not self.token_first:
            return True
        if self.log_in == "digest":
            return self._digest_fits(request)
        return self._token_fits(envelope)

    def _token_fits(self, envelope: Any) -> bool:
        token = envelope.find(f".//{{{WSSE}}}UsernameToken")
        if token is None:
            return False
        self.log_ins.append("token")
        nonce = token.findtext(f"{{{WSSE}}}Nonce")
        created = token.findtext(f"{{{WSU}}}Created")
        at = datetime.fromisoformat(created)
        if nonce in self._nonces or abs((self.utc() - at).total_seconds()) > TOKEN_AGE_S:
            return False
        self._nonces.add(nonce)
        secret = base64.b64decode(nonce) + created.encode() + self.password.encode()
        digest = base64.b64encode(hashlib.sha1(secret).digest()).decode()
        user = token.findtext(f"{{{WSSE}}}Username")
        return (user, token.findtext(f"{{{WSSE}}}Password")) == (self.user, digest)

    def _digest_fits(self, request: BaseHTTPRequestHandler) -> bool:
        given = request.headers.get("Authorization", "")
        if not given.startswith("Digest "):
            return False
        self.log_ins.append("digest")
        told = dict(re.findall(r'(\w+)="?([^",]*)"?', given[7:]))

        def md5(text: str) -> str:
            return hashlib.md5(text.encode()).hexdigest()

        first = md5(f"{self.user}:cam:{self.password}")
        second = md5(f"POST:{told['uri']}")
        wanted = md5(f"{first}:{NONCE}:{told['nc']}:{told['cnonce']}:auth:{second}")
        return told["response"] == wanted

    def _content(self, service: str, operation: str, call: Any) -> str | None:
        place = f"http://{self.names_host}:{self.port}/onvif/media"
        content = None
        match operation:
            case "GetSystemDateAndTime":
                content = answers.date_and_time(self.utc())
            case "GetServices" if self.services:
                content = answers.services((DEVICE, *self.services), place)
            case "GetCapabilities":
                content = answers.capabilities(place)
            case "GetScopes":
                content = answers.scopes(self.scopes)
            case "GetProfiles":
                content = answers.profiles(self.streams.values(), service)
            case "GetStreamUri":
                stream = self.streams[call.findtext(f"{{{service}}}ProfileToken")]
                url = stream.url.format(host=self.names_host, token=stream.token)
                content = answers.stream_uri(url, service)
        return content

    def _drip(self, request: BaseHTTPRequestHandler) -> None:
        """A byte every tenth of a second, which keeps every time-out for a single read happy."""
        request.send_response(200)
        request.send_header("Content-Length", "100000")
        request.end_headers()
        while not self.closing.wait(0.1):
            request.wfile.write(b" ")
        request.close_connection = True

    def _flood(self, request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        while not self.closing.is_set():
            request.wfile.write(b" " * 65_536)
        request.close_connection = True


def _discovery_socket() -> socket.socket:
    """Takes what is sent to the group on the loopback interface."""
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    udp.bind((DISCOVERY_GROUP, DISCOVERY_PORT))
    group = struct.pack("4s4s", socket.inet_aton(DISCOVERY_GROUP), socket.inet_aton("127.0.0.1"))
    udp.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group)
    return udp


def _send(
    request: BaseHTTPRequestHandler,
    status: int,
    body: bytes,
    kind: str = "application/soap+xml; charset=utf-8",
    extra: Mapping[str, str] | None = None,
) -> None:
    request.send_response(status)
    for key, value in {"Content-Type": kind, **(extra or {})}.items():
        request.send_header(key, value)
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)
