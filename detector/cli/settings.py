"""The settings of a command: file, environment, command line, with the sinks installed here."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # every command loads this module, and few read settings
    from config.settings import Settings

SYSTEM_CONFIG = Path("/etc/jikimi/jikimi.yaml")

CONFIG_HELP = (
    "YAML; left out: the first there is of ./jikimi.yaml, $XDG_CONFIG_HOME/jikimi/jikimi.yaml "
    f"(~/.config/…) and {SYSTEM_CONFIG}"
)

NO_CAMERAS = 'none are given; add one a line, such as "gate: rtsp://user:password@host/stream1"'
"""What is wrong with a file's `cameras`, and what to do."""


def read_settings(config: Path | None, cameras: Sequence[str] = ()) -> Settings:
    """The settings of file, environment and command line, with the sinks installed here."""
    from alerts.registry import sink_options  # noqa: PLC0415
    from config.load import load_settings  # noqa: PLC0415

    return load_settings(config, os.environ, cameras=cameras, sink_options=sink_options())


def config_file(stated: Path | None) -> Path | None:
    """The file that `--config` states, else the first there is; None where there is none.

    One that is there and cannot be read is taken, too: whoever reads it says what is wrong,
    where watching without it would go unnoticed.
    """
    if stated is not None:
        return stated
    base = os.environ.get("XDG_CONFIG_HOME") or Path(os.environ.get("HOME", "/"), ".config")
    for path in (Path("jikimi.yaml"), Path(base) / "jikimi/jikimi.yaml", SYSTEM_CONFIG):
        if _is_there(path):
            return path
    return None


def _is_there(path: Path) -> bool:
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:  # its folder may not be entered, or the disk does not answer
        return True
    return True
