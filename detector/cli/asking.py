"""Which daemon a command asks, and how."""

from __future__ import annotations

import argparse
import getpass
import os
from pathlib import Path
from typing import Any

from config.settings import default_state_dir
from detector.cli.settings import config_file


def add_state_dir(command: argparse.ArgumentParser, default: str | None = None) -> None:
    """Add `--state-dir`, which says which daemon is meant.

    `default`: `argparse.SUPPRESS` for a command below one that has it, whose word then counts.
    """
    command.add_argument(
        "--state-dir",
        type=Path,
        default=default,
        metavar="DIR",
        help="state directory of the daemon (default: JIKIMI_STATE_DIR, else what the "
        "configuration file says, else the user's own)",
    )


def state_dir(chosen: argparse.Namespace) -> Path:
    """Where the daemon that is meant keeps its files.

    `--state-dir`, the environment, the configuration file that `jikimi run` would take, or the
    default: the first that says so.
    """
    if stated := chosen.state_dir or os.environ.get("JIKIMI_STATE_DIR"):
        return Path(stated)
    if file := config_file(None):
        from config.load import stated_state_dir  # noqa: PLC0415 - half a second with pydantic

        if found := stated_state_dir(file):
            return found
    return default_state_dir()


def ask_daemon(chosen: argparse.Namespace, command: str, **details: Any) -> Any:
    """The daemon's answer to `command`; raises ControlError where none answers."""
    from detector.daemon.operators.control import ask  # noqa: PLC0415 - only who asks waits for it

    return ask(state_dir(chosen) / "control.sock", command, by=user(), **details)


def user() -> str:
    """Whom the daemon's audit names."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return f"user {os.getuid()}"
