"""A program of the operator: what it is told of the daemon, how it ends, and how it is ended.

It runs in a process group of its own (`process_group=0`), without a shell, and without what the
daemon's environment holds.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from shutil import which

import structlog

from alerts.message import Alert
from alerts.sink import Problem

KILL_AFTER_S = 0.5
"""Between asking a program to end and killing it: well within any deadline to stop."""

POLL_S = 0.01

PASSED_ON = frozenset(
    {"PATH", "HOME", "USER", "LOGNAME", "TZ", "LANG", "LANGUAGE", "XDG_RUNTIME_DIR", "PULSE_SERVER"}
)
"""Of the daemon's environment, which may hold passwords; the last two lead to the sound server."""


def program_problems(command: list[str]) -> list[Problem]:
    """That there is no such program, for the option `command`."""
    if which(command[0]):
        return []
    text = (
        f"the program {command[0]} is not found, or may not be run by this user; "
        "install it, or write its whole path"
    )
    return [Problem(("command",), text)]


def environment(own: Mapping[str, str], alert: Alert) -> dict[str, str]:
    """What of the daemon's `own` environment a program gets, and what happens."""
    passed_on = {
        name: text for name, text in own.items() if name in PASSED_ON or name.startswith("LC_")
    }
    return {
        "PATH": os.defpath,
        **passed_on,
        "JIKIMI_CAMERA": alert.camera,
        "JIKIMI_SITE": alert.site,
        "JIKIMI_LABEL": alert.label,
        "JIKIMI_INCIDENT": str(alert.incident_id),
        "JIKIMI_EXERCISE": str(int(alert.exercise)),
    }


def exit_code(process: subprocess.Popen[bytes]) -> int | None:
    """Its exit code, a signal's number negative; None while it runs.

    It is not reaped, so that its number stays its group's.
    """
    found = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    if found is None:
        return None
    return found.si_status if found.si_code == os.CLD_EXITED else -found.si_status


def end_group(process: subprocess.Popen[bytes]) -> None:
    """End the program and its children; returns after about a second whatever they do."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        until_s = time.monotonic() + KILL_AFTER_S
        with suppress(PermissionError):  # a program of another user, such as sudo
            try:
                os.killpg(process.pid, number)
                while time.monotonic() < until_s:
                    process.poll()
                    os.killpg(process.pid, 0)
                    time.sleep(POLL_S)
            except ProcessLookupError:
                process.poll()
                return
    structlog.get_logger().error("a program cannot be ended", process=process.pid)


def reason_of(error: Exception) -> str:
    """Why a program could not be started, in a word or two."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
