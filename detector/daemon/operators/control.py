"""A local socket through which `jikimi status`, `drill`, `silence`, … ask the daemon.

One JSON object a line each way: `{"command": …, …}` → `{"result": …}` or `{"error": …}`.
Whoever may open the socket file (mode 0600) may ask.
"""

from __future__ import annotations

import json
import os
import socket
import socketserver
import stat
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from alerts.liveness import LiveThread
from alerts.storage.faults import StorageFaults
from alerts.storage.files import START_S, move_aside, within
from config.errors import ControlError, JikimiError
from config.secrets import scrub

TIMEOUT_S = 10.0
"""Longer than any command takes; a stuck daemon must not hang the operator's shell."""

MAX_CLIENTS = 32
"""At a time; each is answered in milliseconds."""

MAX_REQUEST_BYTES = 1 << 16

DRAINED_BYTES = 1 << 24
"""Of a request that is too long so much is read, so that who sends it hears why it is refused."""
POLL_S = 0.2
LOOK_S = 5.0
"""How often to look whether the socket is still there."""

RETRY_S = 10.0
STOP_S = 1.0

MAX_PATH_BYTES = 107
"""What a Unix socket address holds on Linux (unix(7))."""

Commands = Mapping[str, Callable[[dict[str, Any]], Any]]


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True

    def __init__(
        self,
        path: Path,
        handler: type[socketserver.BaseRequestHandler],
        beat: Callable[[], None],
    ) -> None:
        self._free = threading.Semaphore(MAX_CLIENTS)
        super().__init__(str(path), handler)
        self._beat = beat
        path.chmod(0o600)
        self._path = path
        self._made = path.stat()
        self._looked_s = time.monotonic()
        self.stopping = threading.Event()

    def service_actions(self) -> None:
        """End `serve_forever` where that is asked for, or the socket is no longer at its path."""
        self._beat()
        if self.stopping.is_set():
            raise _StoppedError
        if time.monotonic() - self._looked_s >= LOOK_S:
            self._looked_s = time.monotonic()
            if not self.in_place():
                raise _StoppedError

    def in_place(self) -> bool:
        """Whether the socket is still the one at its path."""
        try:
            return os.path.samestat(self._made, self._path.stat())
        except OSError:
            return False

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Whether there is room for one more; tells the one for whom there is none."""
        if self._free.acquire(blocking=False):
            return True
        with suppress(OSError):
            request.setblocking(False)
            request.send(_line({"error": f"{MAX_CLIENTS} others are asking already; ask again"}))
        return False

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread of its own."""
        try:
            super().process_request(request, client_address)
        except RuntimeError:  # no thread to be had
            self._free.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer, then make room for another."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log it: socketserver would write a traceback past the log and its scrubbing."""
        error = sys.exception()
        reason = scrub(f"{type(error).__name__}: {error}")
        _log().warning("control connection failed", reason=reason)


class _StoppedError(Exception):
    """Serving has ended."""


class ControlServer:
    """Answers on `path`; each command is a function from request to JSON-able result.

    Where the socket cannot be made, or is removed, it is made again by and by: a daemon without
    it watches all the same.
    """

    def __init__(self, path: Path, commands: Commands, faults: StorageFaults | None = None) -> None:
        """Bind at once; raises ControlError where another daemon answers there already."""

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                line = _request(self.request)
                with suppress(ConnectionError, TimeoutError):  # who asked has gone
                    self.request.settimeout(TIMEOUT_S)
                    self.request.sendall(_reply(line, commands))

        if len(bytes(path)) > MAX_PATH_BYTES:
            raise ControlError(f"{path}: too long for a socket; choose a shorter state_dir")
        self._path = path
        self._handler = Handler
        self._faults = faults or StorageFaults()
        self.thread = LiveThread("control", self._run)
        self._server: _Server | None = None
        self._stopping = threading.Event()
        try:
            self._server = within(START_S, self._bound)
        except OSError as error:
            self._fails(error)

    def start(self) -> None:
        """Start answering."""
        self.thread.start()

    def stop(self) -> None:
        """Stop answering and remove the socket; a disk that hangs is not waited for."""
        self._stopping.set()
        if self._server:
            self._server.stopping.set()
        self.thread.join(STOP_S)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._server = self._server or self._bound()
            except (OSError, ControlError) as error:
                self._fails(error)
                self.thread.waiting()
                self._stopping.wait(RETRY_S)
                self.thread.beat()
                continue
            self._faults.works("control", self._path)
            try:
                self._serve(self._server)
            finally:
                self._server = None

    def _serve(self, server: _Server) -> None:
        if self._stopping.is_set():
            server.stopping.set()
        with server, suppress(_StoppedError):
            server.serve_forever(POLL_S)
        if self._stopping.is_set() and server.in_place():
            self._path.unlink(missing_ok=True)

    def _bound(self) -> _Server:
        self._clear_the_way()
        return _Server(self._path, self._handler, self.thread.beat)

    def _clear_the_way(self) -> None:
        if not (self._path.is_symlink() or self._path.exists()):
            return
        if not stat.S_ISSOCK(self._path.lstat().st_mode):
            aside = move_aside(self._path)
            self._faults.set_aside("control", self._path, aside, "no socket")
        elif _answers(self._path):
            raise ControlError(
                f"{self._path}: another jikimi runs on this state directory; stop it, or give "
                "this one its own with state_dir (JIKIMI_STATE_DIR)"
            )
        else:
            self._path.unlink(missing_ok=True)  # a killed daemon's

    def _fails(self, error: Exception) -> None:
        self._faults.fails("control", self._path, getattr(error, "strerror", None) or str(error))


def ask(path: Path, command: str, **details: Any) -> Any:
    """The running daemon's answer to `command`; raises ControlError with what to do."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(TIMEOUT_S)
            connection.connect(str(path))
            connection.sendall(json.dumps({"command": command, **details}).encode() + b"\n")
            with connection.makefile("rb") as answer:
                reply = json.loads(answer.readline() or b"{}")
    except (OSError, ValueError) as error:
        raise ControlError(
            f"no running jikimi answers on {path} ({error}); is the service up, and is "
            "JIKIMI_STATE_DIR the same as the service's?"
        ) from error
    if "error" in reply or "result" not in reply:
        raise ControlError(reply.get("error", f"the daemon broke off its answer to {command}"))
    return reply["result"]


def _log() -> Any:
    from structlog import get_logger  # noqa: PLC0415 - `jikimi status` need not wait for it

    return get_logger()


def _answers(path: Path) -> bool:
    """Whether somebody does; raises PermissionError where only others may ask."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(TIMEOUT_S)
            connection.connect(str(path))
    except (FileNotFoundError, ConnectionRefusedError):
        return False
    except PermissionError:
        raise
    except OSError:
        return True  # busy: certainly not ours to remove
    return True


def _request(connection: socket.socket) -> bytes | None:
    """The line that was asked; None where it is too long, or does not come in time."""
    until_s = time.monotonic() + TIMEOUT_S
    waiting = b""
    received = 0
    try:
        while received <= DRAINED_BYTES:
            connection.settimeout(max(0.001, until_s - time.monotonic()))
            part = connection.recv(1 << 16)
            received += len(part)
            if received <= MAX_REQUEST_BYTES:
                waiting += part
            if not part or b"\n" in part:
                break
    except OSError:
        return None
    return waiting.partition(b"\n")[0] if received <= MAX_REQUEST_BYTES else None


def _reply(line: bytes | None, commands: Commands) -> bytes:
    known = f"commands are {', '.join(sorted(commands))}"
    if line is None:
        return _line({"error": f"no line of at most {MAX_REQUEST_BYTES} bytes came; {known}"})
    try:
        request = json.loads(line)
        command = commands[request["command"]]
    except (ValueError, KeyError, TypeError, RecursionError):
        return _line({"error": known})
    try:
        return _line({"result": command(request)})
    except JikimiError as error:
        return _line({"error": scrub(str(error))})
    except Exception as error:  # noqa: BLE001 - logged
        _log().exception("control command failed", command=request["command"])
        return _line({"error": scrub(f"{type(error).__name__}: {error}")})


def _line(reply: dict[str, Any]) -> bytes:
    return json.dumps(reply, ensure_ascii=False).encode(errors="backslashreplace") + b"\n"
