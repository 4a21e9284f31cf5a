"""`jikimi check`: whether a configuration file is good, before the daemon runs with it."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from alerts.registry import sink_options
from config.errors import UsageError
from config.schema import settings_schema
from detector.cli.settings import read_settings


def add_commands(commands: Any) -> None:
    """Add `check`."""
    check = commands.add_parser("check", help="check a configuration file, or print its schema")
    check.add_argument("file", nargs="?", type=Path, metavar="FILE")
    check.add_argument("--schema", action="store_true", help="print the JSON schema")
    check.set_defaults(run=_check)


def _check(chosen: argparse.Namespace) -> int:
    if chosen.schema:
        print(json.dumps(settings_schema(sink_options()), indent=2, ensure_ascii=False))
        return 0
    if chosen.file is None:
        raise UsageError("name the file to check, such as `jikimi check /etc/jikimi/jikimi.yaml`")
    settings = read_settings(chosen.file)
    print(f"{chosen.file}: good: {len(settings.cameras)} camera(s), {len(settings.sinks)} sink(s)")
    for camera in settings.cameras:
        print(f"  camera {camera.name}  {camera.url}")
    for sink in settings.sinks:
        print(f"  sink {sink.name} ({sink.type})")
    return 0
