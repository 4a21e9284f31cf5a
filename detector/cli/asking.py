"""How a command asks the running daemon."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any


def add_state_dir(command: argparse.ArgumentParser) -> None:
    """Add `--state-dir`, which says which daemon is asked."""
    command.add_argument(
        "--state-dir", type=Path, metavar="DIR", help="of the daemon to ask (JIKIMI_STATE_DIR)"
    )


def ask_daemon(chosen: argparse.Namespace, command: str, **details: Any) -> Any:
    """The daemon's answer to `command`; raises ControlError where none answers."""
    # Imported here: `jikimi --help` need not wait for them.
    from config.settings import default_state_dir  # noqa: PLC0415
    from detector.daemon.control import ask  # noqa: PLC0415

    stated = chosen.state_dir or os.environ.get("JIKIMI_STATE_DIR")
    state_dir = Path(stated) if stated else default_state_dir()
    return ask(state_dir / "control.sock", command, **details)
