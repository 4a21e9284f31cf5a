"""A local socket through which `jikimi status`, `drill`, `silence`, … ask the daemon.

One JSON object a line each way: `{"command": …, …}` → `{"result": …}` or `{"error": …}`.
Whoever may open the socket file (mode 0600) may ask.
"""

from __future__ import annotations

import json
import socket
import socketserver
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from alerts.liveness import LiveThread
from config.errors import ControlError, JikimiError
from config.secrets import scrub

TIMEOUT_S = 10.0
"""Longer than any command takes; a stuck daemon must not hang the operator's shell."""

POLL_S = 0.2
STOP_S = 1.0

MAX_PATH_BYTES = 107
"""What a Unix socket address holds on Linux (unix(7))."""

Commands = Mapping[str, Callable[[dict[str, Any]], Any]]


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    timeout = POLL_S

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log it: socketserver would write a traceback past the log and its scrubbing."""
        _log().warning("control connection failed", exc_info=sys.exception())


class ControlServer:
    """Answers on `path`; each command is a function from request to JSON-able result."""

    def __init__(self, path: Path, commands: Commands) -> None:
        """Bind at once; raises ControlError where another daemon answers there already."""

        class Handler(socketserver.StreamRequestHandler):
            timeout = TIMEOUT_S

            def handle(self) -> None:
                self.wfile.write(_reply(self.rfile.readline(1 << 16), commands))

        if len(bytes(path)) > MAX_PATH_BYTES:
            raise ControlError(f"{path}: too long for a socket; choose a shorter state_dir")
        if _answers(path):
            raise ControlError(
                f"{path}: another jikimi runs on this state directory; stop it, or give this "
                "one its own with state_dir (JIKIMI_STATE_DIR)"
            )
        self._path = path
        try:
            path.unlink(missing_ok=True)
            self._server = _Server(str(path), Handler)
            path.chmod(0o600)
        except OSError as error:
            raise ControlError(
                f"{path}: cannot be made ({error.strerror}); make the folder writable, or "
                "choose another with state_dir (JIKIMI_STATE_DIR)"
            ) from error
        self._stopping = threading.Event()
        self.thread = LiveThread("control", self._serve)

    def start(self) -> None:
        """Start answering."""
        self.thread.start()

    def stop(self) -> None:
        """Stop answering and remove the socket."""
        self._stopping.set()
        self.thread.join(STOP_S)
        self._server.server_close()
        self._path.unlink(missing_ok=True)

    def _serve(self) -> None:
        while not self._stopping.is_set():
            self.thread.beat()
            self._server.handle_request()


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
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(TIMEOUT_S)
            connection.connect(str(path))
    except (FileNotFoundError, ConnectionRefusedError):
        return False
    except OSError:
        return True  # busy, or somebody else's: certainly not ours to remove
    return True


def _reply(line: bytes, commands: Commands) -> bytes:
    try:
        request = json.loads(line)
        command = commands[request["command"]]
    except (ValueError, KeyError, TypeError):
        reply: dict[str, Any] = {"error": f"commands are {', '.join(sorted(commands))}"}
    else:
        try:
            reply = {"result": command(request)}
        except JikimiError as error:
            reply = {"error": scrub(str(error))}
        except Exception as error:  # noqa: BLE001 - logged
            _log().exception("control command failed", command=request["command"])
            reply = {"error": scrub(f"{type(error).__name__}: {error}")}
    return json.dumps(reply, ensure_ascii=False).encode() + b"\n"
