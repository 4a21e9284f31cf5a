"""Syslog receivers: Debian's rsyslogd, and one that does as a test says."""

from __future__ import annotations

import shutil
import socket
import ssl
import struct
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Self

from servers.mqtt import Tls
from servers.ports import free_port

RSYSLOGD = shutil.which("rsyslogd") or shutil.which("rsyslogd", path="/usr/sbin")

START_S = 20.0

GTLS = [Path(folder) / "rsyslog/lmnsd_gtls.so" for folder in ("/usr/lib", "/usr/lib64")]
GTLS += list(Path("/usr/lib").glob("*/rsyslog/lmnsd_gtls.so"))


def why_no_rsyslog() -> str:
    """What this machine lacks for `Rsyslog`; empty where nothing."""
    if RSYSLOGD is None:
        return "rsyslogd is not installed (apt install rsyslog)"
    if not any(path.exists() for path in GTLS):
        return "rsyslog speaks no TLS here (apt install rsyslog-gnutls)"
    return ""


class Rsyslog:
    """rsyslogd on 127.0.0.1, of protocol `tls`, `tcp` or `udp`; can be killed and started again."""

    def __init__(self, folder: Path, protocol: str, tls: Tls | None = None) -> None:
        self.port = free_port()
        self._file = folder / "received"
        self._config = folder / "rsyslog.conf"
        kind = "imudp" if protocol == "udp" else "imtcp"
        driver = ' StreamDriver.Name="gtls" StreamDriver.Mode="1" StreamDriver.AuthMode="anon"'
        files = ""
        if tls is not None:
            files = (
                f' DefaultNetstreamDriverCAFile="{tls.ca}"'
                f' DefaultNetstreamDriverCertFile="{tls.certificate}"'
                f' DefaultNetstreamDriverKeyFile="{tls.key}"'
            )
        parts = ["pri", "app-name", "msgid", "structured-data", "msg"]
        form = "\\t".join(f"%{part}%" for part in parts) + "\\n"
        self._config.write_text(
            f'global(workDirectory="{folder}"{files})\n'
            f'module(load="{kind}"{driver if tls else ""})\n'
            f'input(type="{kind}" address="127.0.0.1" port="{self.port}")\n'
            f'template(name="parts" type="string" string="{form}")\n'
            f'*.* action(type="omfile" file="{self._file}" template="parts")\n'
        )
        self._pid_file = folder / "rsyslog.pid"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Returns once it listens."""
        assert RSYSLOGD is not None
        command = [RSYSLOGD, "-n", "-f", str(self._config), "-i", str(self._pid_file)]
        self._process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        until_s = time.monotonic() + START_S
        name = f":{self.port:04X} "
        tables = [Path("/proc/net/tcp"), Path("/proc/net/udp")]
        while not any(name in table.read_text() for table in tables):
            assert time.monotonic() < until_s, "rsyslogd does not listen"
            assert self._process.poll() is None, "rsyslogd has ended"
            time.sleep(0.02)

    def kill(self) -> None:
        """End it at once."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
            self._pid_file.unlink(missing_ok=True)

    def received(self) -> list[list[str]]:
        """Of each alert: priority, program, message id, structured data, text."""
        lines = self._file.read_text().splitlines() if self._file.exists() else []
        found = [line.split("\t") for line in lines]
        return [parts for parts in found if parts[1] == "jikimi"]

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


Behaviour = Callable[[socket.socket], None]
"""What is done with a connection that was taken, before anything is read of it."""


def nothing(_: socket.socket) -> None:
    """Go on and read."""


def hang_up(connection: socket.socket) -> None:
    """Take the connection and end it."""
    connection.close()


def break_off(connection: socket.socket) -> None:
    """Take the connection and reset it."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


class SyslogServer:
    """Reads octet-counted messages on 127.0.0.1; `behaviours` hold for its first connections."""

    def __init__(
        self, *behaviours: Behaviour, tls: Tls | None = None, clients: bool = False, port: int = 0
    ) -> None:
        """`clients`: only those with a certificate of `tls` are taken, as TLS 1.3 tells late."""
        self.port = port
        self.behaviours = list(behaviours)
        self.messages: list[bytes] = []
        self.connections: list[socket.socket] = []
        self._context: ssl.SSLContext | None = None
        if tls is not None:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(tls.certificate, tls.key)
            if clients:
                self._context.load_verify_locations(tls.ca)
                self._context.verify_mode = ssl.CERT_REQUIRED

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.hang_up()

    def hang_up(self) -> None:
        """End every connection that there is."""
        for connection in self.connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
        self.connections.clear()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError, ValueError):  # ValueError: what came is no message
            if self._context is not None:
                connection = self._context.wrap_socket(connection, server_side=True)
            self.connections.append(connection)
            (self.behaviours.pop(0) if self.behaviours else nothing)(connection)
            with connection.makefile("rb") as stream:
                while digits := b"".join(iter(lambda: stream.read(1).strip(b" "), b"")):
                    self.messages.append(stream.read(int(digits)))
        with suppress(OSError):
            connection.close()
