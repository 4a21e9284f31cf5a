"""`jikimi probe`: what a camera sends and would cost, or exactly what is wrong."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from config.errors import ConfigError, JikimiError, UsageError
from config.urls import StreamUrl


def add_commands(commands: Any) -> None:
    """Add `probe`."""
    probe = commands.add_parser(
        "probe", help="what a camera sends and would cost, or exactly what is wrong"
    )
    probe.add_argument("url", metavar="URL", help="or - to read it from standard input")
    probe.add_argument(
        "--picture",
        type=Path,
        metavar="FILE.jpg",
        help="write what it sees, with a box round what moves, as alarms have it",
    )
    probe.set_defaults(run=_probe)


def _probe(chosen: argparse.Namespace) -> int:
    from detector.probe import WATCH_AT_MOST_S, WATCH_S, probe  # noqa: PLC0415 - loads libav

    text = sys.stdin.readline().strip() if chosen.url == "-" else chosen.url
    try:
        url = StreamUrl.parse(text)
    except ValueError as error:
        raise ConfigError(f"URL: {error}") from error
    if chosen.picture:
        _check(chosen.picture)
    if sys.stderr.isatty():  # standard output stays the report, and a script's log stays short
        seconds = f"{WATCH_S:g} s, or {WATCH_AT_MOST_S:g} s where key frames are rare"
        print(f"Looking at {url} for {seconds} …", file=sys.stderr)
    report = probe(url)
    print(report)
    if chosen.picture:
        _write(chosen.picture, report.picture)
        about = (
            "the box is round what moves"
            if report.moved
            else "nothing moved meanwhile, so there is no box; try again while somebody walks by"
        )
        print(f"picture    {chosen.picture}: {about}")
    return 0


def _check(path: Path) -> None:
    """Before watching, so that nobody waits for a file that cannot be written."""
    if path.suffix.lower() not in {".jpg", ".jpeg"}:
        raise UsageError(f"--picture {path}: writes a JPEG; name a file that ends in .jpg")
    if not path.parent.is_dir():
        raise UsageError(f"--picture {path}: there is no folder {path.parent}; create it first")


def _write(path: Path, picture: bytes) -> None:
    try:
        path.write_bytes(picture)
    except OSError as error:
        raise JikimiError(f"{path}: cannot be written ({error.strerror})") from error
