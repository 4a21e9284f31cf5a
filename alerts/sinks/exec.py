"""Alerts to a program of the operator, as JSON on standard input; exit code 0 acknowledges.

The program is run anew for each alert, and what it leaves in its process group is ended with it.
Its input is a file in memory, so that one that does not read it holds up nothing.
"""

from __future__ import annotations

import fcntl
import os
import select
import subprocess
import time
from typing import Annotated, ClassVar

from pydantic import BaseModel, Field

from alerts.message import Alert, AlertPhase
from alerts.schema import alert_json
from alerts.sink import (
    BoundTo,
    DeferredError,
    Problem,
    RefusedError,
    TimedOutError,
    UnclearError,
)
from alerts.sinks.program import (
    POLL_S,
    end_group,
    environment,
    exit_code,
    program_problems,
    reason_of,
)
from config.errors import DeliveryError
from config.secrets import scrub
from config.settings import Section

REFUSED = 65
"""EX_DATAERR of sysexits.h: this alert, for good."""

LATER = 75
"""EX_TEMPFAIL of sysexits.h: this alert, now."""

KEPT_BYTES = 4096
"""So much of the beginning of its standard error is kept."""

TOLD = 300
"""So many characters of the first line of that are told."""

READ_BYTES = 65536
"""What a pipe holds."""


class ExecOptions(Section):
    """Which program."""

    command: Annotated[list[str], Field(min_length=1)] = Field(
        description="program and arguments, run without a shell; the alert on standard input, "
        "JIKIMI_CAMERA, JIKIMI_SITE, JIKIMI_LABEL, JIKIMI_INCIDENT and JIKIMI_EXERCISE (0 or 1) "
        "in its environment",
    )
    timeout_s: float = Field(
        default=10.0, gt=0, le=120, description="ended then, with its children"
    )
    image: bool = Field(default=True, description="with the picture")
    box: BoundTo = None

    def problems(self) -> list[Problem]:
        """That there is no such program."""
        return program_problems(self.command)


class ExecSink:
    """Runs the program for each alert."""

    Options: ClassVar[type[BaseModel]] = ExecOptions
    default_expiry_s: ClassVar[float | None] = None
    phases: ClassVar[frozenset[str]] = frozenset(AlertPhase)

    def __init__(self, _name: str, options: ExecOptions) -> None:
        self._options = options
        self._program = options.command[0]

    def start(self) -> None:
        """Nothing runs between alerts."""

    def deliver(self, alert: Alert) -> None:
        """Run it; returns where it ends with 0 in time, and raises what its end means."""
        process = self._run(alert)
        try:
            code, said = _watched(process, self._options.timeout_s)
        finally:
            end_group(process)
            assert process.stderr is not None
            process.stderr.close()
        if code is None:
            text = f"{self._program} did not end within {self._options.timeout_s:g} s"
            raise TimedOutError(f"{text}: {_first_line(said)}")
        if code:
            ended = f"ended with {code}" if code > 0 else f"was ended by signal {-code}"
            kind = {REFUSED: RefusedError, LATER: DeferredError}.get(code, UnclearError)
            raise kind(f"{self._program} {ended}: {_first_line(said)}")

    def close(self) -> None:
        """Nothing runs between alerts."""

    def _run(self, alert: Alert) -> subprocess.Popen[bytes]:
        try:
            given = _in_memory(alert_json(alert, image=self._options.image))
            try:
                return subprocess.Popen(  # noqa: S603 - the operator's own command
                    self._options.command,
                    env=environment(os.environ, alert),
                    stdin=given,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                    bufsize=0,
                    process_group=0,
                )
            finally:
                os.close(given)
        except (OSError, ValueError, MemoryError) as error:
            raise DeliveryError(f"{self._program}: {scrub(reason_of(error))}") from error


def _in_memory(content: bytes) -> int:
    """A file that holds `content`, to be read from its beginning, and that nobody can change."""
    given = os.memfd_create("alert", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        with open(given, "wb", closefd=False) as file:
            file.write(content)
        os.lseek(given, 0, os.SEEK_SET)
        seals = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK
        fcntl.fcntl(given, fcntl.F_ADD_SEALS, seals)
    except BaseException:
        os.close(given)
        raise
    return given


def _watched(process: subprocess.Popen[bytes], timeout_s: float) -> tuple[int | None, bytes]:
    """Its exit code (None: it still runs), and the beginning of its standard error."""
    assert process.stderr is not None
    errors = process.stderr.fileno()
    os.set_blocking(errors, False)
    poll = select.poll()
    poll.register(errors, select.POLLIN)
    until_s = time.monotonic() + timeout_s
    said = b""
    is_open = True
    while (code := exit_code(process)) is None and time.monotonic() < until_s:
        if not is_open:
            time.sleep(POLL_S)
        elif poll.poll(POLL_S * 1000):
            read = os.read(errors, READ_BYTES)  # all of it, or who writes would be held up
            is_open = bool(read)
            said = (said + read)[:KEPT_BYTES]
    if is_open and poll.poll(0):
        said = (said + os.read(errors, READ_BYTES))[:KEPT_BYTES]
    return code, said


def _first_line(said: bytes) -> str:
    lines = said.decode(errors="replace").strip().splitlines()
    letters = (letter if letter.isprintable() else " " for letter in lines[0]) if lines else ()
    return scrub("".join(letters).strip())[:TOLD] or "it said nothing"
