"""The settings of a command: file, environment, command line, with the sinks installed here."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from alerts.registry import sink_options
from config.load import load_settings
from config.settings import Settings


def read_settings(config: Path | None, cameras: Sequence[str] = ()) -> Settings:
    """The settings of file, environment and command line, with the sinks installed here."""
    return load_settings(config, os.environ, cameras=cameras, sink_options=sink_options())
