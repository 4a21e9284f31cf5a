"""`jikimi check`, `jikimi probe`, `jikimi relays-off`: before and after the daemon runs."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from alerts.registry import sink_options
from config.errors import ConfigError, DeliveryError, UsageError
from config.load import load_sinks
from config.schema import settings_schema
from config.urls import StreamUrl
from detector.cli.run import read_settings


def add_commands(commands: Any) -> None:
    """Add `check`, `probe` and `relays-off`."""
    check = commands.add_parser("check", help="check a configuration file, or print its schema")
    check.add_argument("file", nargs="?", type=Path, metavar="FILE")
    check.add_argument("--schema", action="store_true", help="print the JSON schema")
    check.set_defaults(run=_check)

    probe = commands.add_parser(
        "probe", help="what a camera sends and would cost, or exactly what is wrong"
    )
    probe.add_argument("url", metavar="URL", help="or - to read it from standard input")
    probe.set_defaults(run=_probe)

    relays = commands.add_parser("relays-off", help="put every relay off, as after a crash")
    relays.add_argument("--config", type=Path, metavar="FILE")
    relays.set_defaults(run=_relays_off)


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


def _probe(chosen: argparse.Namespace) -> int:
    from detector.probe import probe  # noqa: PLC0415 - loads libav

    text = sys.stdin.readline().strip() if chosen.url == "-" else chosen.url
    try:
        url = StreamUrl.parse(text)
    except ValueError as error:
        raise ConfigError(f"URL: {error}") from error
    print(probe(url))
    return 0


def _relays_off(chosen: argparse.Namespace) -> int:
    from alerts.sinks.relay import relays_off  # noqa: PLC0415 - loads gpiozero

    with_pins = {
        name: options for name, options in sink_options().items() if "pin" in options.model_fields
    }
    still_on = relays_off(load_sinks(chosen.config, os.environ, with_pins))
    if still_on:
        raise DeliveryError("\n".join(still_on))
    return 0
