"""A command that makes a sound: run with its children for a set time, and with no secret.

It needs no disk: what it writes to standard error is kept in memory, and only its beginning.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import threading
import time
from contextlib import suppress

from alerts.message import Alert
from alerts.sinks.program import POLL_S, end_group, environment, exit_code, reason_of
from alerts.sinks.relays.off_timer import OffTimer
from config.errors import DeliveryError
from config.secrets import scrub

FAILS_WITHIN_S = 1.0
"""A command that fails so soon (no such file, no sound card) counts as not delivered."""

ERRORS_BYTES = 65536
"""So much of its standard error is kept; a player that writes more is not held up."""

TOLD_BYTES = 300
"""The end of that is told where the command fails."""


class Sound:
    """A command that runs for at most `on_s`; one at a time, in a process group of its own."""

    def __init__(self, command: list[str], on_s: float) -> None:
        self._command = command
        self._on_s = on_s
        self._mutex = threading.RLock()
        self._timer = OffTimer(self._mutex, self._end, f"siren command {command[0]}")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Have the thread that ends the command; raises DeliveryError."""
        self._timer.start()

    def play(self, alert: Alert) -> None:
        """Start the command, or let the running one go on for longer; raises DeliveryError."""
        with self._mutex:
            self._timer.arm(self._on_s)
            if self._process is not None and exit_code(self._process) is not None:
                self._end()  # with what it left behind
            if self._process is None:
                self._run(alert)

    def stop(self) -> None:
        """End the command and its children: SIGTERM, then SIGKILL."""
        with self._mutex:
            self._timer.end()
            self._end()

    def _run(self, alert: Alert) -> None:
        errors = _memory()
        try:
            self._process = subprocess.Popen(  # noqa: S603 - the operator's own command
                self._command,
                env=environment(os.environ, alert),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL if errors is None else errors,
                process_group=0,
            )
            code = _exit_code(self._process, min(FAILS_WITHIN_S, self._on_s))
            if code:
                self._end()
                raise DeliveryError(
                    f"siren command {self._command[0]} failed with code {code}: {_tail(errors)}"
                )
        except (OSError, ValueError, MemoryError) as error:
            reason = scrub(reason_of(error))
            raise DeliveryError(f"siren command {self._command[0]}: {reason}") from error
        finally:
            if errors is not None:
                os.close(errors)

    def _end(self) -> None:
        process = self._process
        self._process = None
        self._timer.disarm()
        if process is not None:
            end_group(process)


def _exit_code(process: subprocess.Popen[bytes], within_s: float) -> int | None:
    """Its exit code; None where it still runs after `within_s`."""
    until_s = time.monotonic() + within_s
    while (code := exit_code(process)) is None:
        if time.monotonic() >= until_s:
            return None
        time.sleep(POLL_S)
    return code


def _memory() -> int | None:
    """A file in memory of a fixed size; None where there is none to be had."""
    try:
        memory = os.memfd_create("stderr", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    except OSError:
        return None
    with suppress(OSError):
        os.ftruncate(memory, ERRORS_BYTES)
        fcntl.fcntl(memory, fcntl.F_ADD_SEALS, fcntl.F_SEAL_GROW)
    return memory


def _tail(errors: int | None) -> str:
    """The last line of what was written to `errors`, whose position the command has moved."""
    written = b""
    if errors is not None:
        end = os.lseek(errors, 0, os.SEEK_CUR)
        written = os.pread(errors, TOLD_BYTES, max(0, end - TOLD_BYTES))
    lines = written.decode(errors="replace").strip("\0 \r\n\t").splitlines()
    return scrub(lines[-1]) if lines else "it said nothing"
