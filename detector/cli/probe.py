"""`jikimi probe`: what a camera sends and would cost, or exactly what is wrong."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from config.errors import ConfigError
from config.urls import StreamUrl


def add_commands(commands: Any) -> None:
    """Add `probe`."""
    probe = commands.add_parser(
        "probe", help="what a camera sends and would cost, or exactly what is wrong"
    )
    probe.add_argument("url", metavar="URL", help="or - to read it from standard input")
    probe.set_defaults(run=_probe)


def _probe(chosen: argparse.Namespace) -> int:
    from detector.probe import probe  # noqa: PLC0415 - loads libav

    text = sys.stdin.readline().strip() if chosen.url == "-" else chosen.url
    try:
        url = StreamUrl.parse(text)
    except ValueError as error:
        raise ConfigError(f"URL: {error}") from error
    print(probe(url))
    return 0
