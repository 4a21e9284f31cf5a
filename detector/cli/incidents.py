"""`jikimi incidents`: what has happened, newest first, from the journal's file."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import datetime
from typing import Any

from config.errors import ControlError
from detector.cli.asking import add_state_dir, ask_daemon, state_dir
from detector.cli.terminal import NAME_COLUMNS, flow, padded
from detector.daemon.observability.columns import columns


def add_commands(commands: Any) -> None:
    """Add `incidents`."""
    incidents = commands.add_parser(
        "incidents",
        help="what has happened, newest first",
        description="What has happened, newest first, also while the daemon is stopped.",
    )
    incidents.add_argument("--json", action="store_true", help="one object a line, times in UTC")
    incidents.add_argument(
        "--limit", type=int, default=50, metavar="N", help="at most so many (default: 50)"
    )
    add_state_dir(incidents)
    incidents.set_defaults(run=_incidents)


def _incidents(chosen: argparse.Namespace) -> int:
    from detector.daemon.journal import read_entries  # noqa: PLC0415 - loads NumPy

    def unreadable(key: str) -> None:
        print(f"incident {key}: damaged in the journal, left out", file=sys.stderr)

    found = read_entries(state_dir(chosen), chosen.limit, unreadable)
    entries = [entry.as_json() for entry in found]
    if chosen.json:
        for entry in entries:
            print(json.dumps(entry, ensure_ascii=False))
        return 0
    if not entries:
        print("no incidents yet")
        return 0
    running = any(entry["closed_at"] is None for entry in entries) and _runs(chosen)
    width = min(NAME_COLUMNS, max(columns(entry["camera"]) for entry in entries))
    for entry in entries:
        print(_line(entry, width, running))
    return 0


def _line(entry: dict[str, Any], camera_width: int, running: bool) -> str:
    """`2026-11-27 12:03:41    12 s  gate  violence 0.87  camera offline`, in local time."""
    opened_at = datetime.fromisoformat(entry["opened_at"]).astimezone()
    length, reason = "now", entry["reason"]
    if entry["closed_at"] is not None:
        length = _length((datetime.fromisoformat(entry["closed_at"]) - opened_at).total_seconds())
    elif not running:
        length, reason = "open", "no daemon answers"
    what = [padded(entry["camera"], camera_width), f"{entry['label']} {entry['peak']:.2f}"]
    what += [reason] if reason else []
    return flow(f"{opened_at:%Y-%m-%d %H:%M:%S}  {length:>6}", what, indent=4)


def _length(seconds: float) -> str:
    """`12 s`, `2 min`, `3 h`: at most six letters below 1000 h."""
    for unit, unit_s in (("s", 1), ("min", 60)):
        if (count := round(seconds / unit_s)) < 100:
            return f"{count} {unit}"
    return f"{round(seconds / 3600)} h"


def _runs(chosen: argparse.Namespace) -> bool:
    """Whether a daemon runs: after a crash, what is open in the journal is not under way."""
    try:
        ask_daemon(chosen, "status")
    except ControlError:
        return False
    return True
