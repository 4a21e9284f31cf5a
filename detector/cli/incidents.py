"""`jikimi incidents`: what has happened, newest first."""

from __future__ import annotations

import argparse
import json
from typing import Any

from detector.cli.asking import add_state_dir, ask_daemon


def add_commands(commands: Any) -> None:
    """Add `incidents`."""
    incidents = commands.add_parser("incidents", help="what has happened, newest first")
    incidents.add_argument("--json", action="store_true", help="one object a line")
    incidents.add_argument(
        "--limit", type=int, default=50, metavar="N", help="at most so many (50)"
    )
    add_state_dir(incidents)
    incidents.set_defaults(run=_incidents)


def _incidents(chosen: argparse.Namespace) -> int:
    entries = ask_daemon(chosen, "incidents", limit=chosen.limit)
    for entry in entries:
        if chosen.json:
            print(json.dumps(entry, ensure_ascii=False))
        else:
            until = entry["closed_at"] or "now"
            reason = f"  ({entry['reason']})" if entry["reason"] else ""
            print(
                f"{entry['opened_at']} – {until}  {entry['camera']}  {entry['label']}  "
                f"peak {entry['peak']:.2f}  {entry['id']}{reason}"
            )
    if not entries and not chosen.json:
        print("no incidents yet")
    return 0
