"""Which daemon a command asks, and how."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from config.settings import default_state_dir


def add_state_dir(command: argparse.ArgumentParser) -> None:
    """Add `--state-dir`, which says which daemon is meant."""
    command.add_argument(
        "--state-dir",
        type=Path,
        metavar="DIR",
        help="state directory of the daemon (default: JIKIMI_STATE_DIR, else the user's own)",
    )


def state_dir(chosen: argparse.Namespace) -> Path:
    """Where the daemon that is meant keeps its files: `--state-dir`, environment, or default."""
    stated = chosen.state_dir or os.environ.get("JIKIMI_STATE_DIR")
    return Path(stated) if stated else default_state_dir()


def ask_daemon(chosen: argparse.Namespace, command: str, **details: Any) -> Any:
    """The daemon's answer to `command`; raises ControlError where none answers."""
    from detector.daemon.control import ask  # noqa: PLC0415 - only who asks waits for it

    return ask(state_dir(chosen) / "control.sock", command, **details)
