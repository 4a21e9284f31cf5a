"""`jikimi refused`: what receivers have refused for good, and how to send it again."""

from __future__ import annotations

import argparse
import json
from datetime import datetime
from typing import Any

from detector.cli.asking import add_state_dir, ask_daemon
from detector.cli.terminal import flow


def add_commands(commands: Any) -> None:
    """Add `refused`."""
    refused = commands.add_parser(
        "refused",
        help="alerts that a receiver refused for good",
        description="Alerts that a receiver refused for good, newest first: kept until they are "
        "sent again, the last 1000 of them.",
    )
    refused.add_argument("--json", action="store_true", help="one object a line, times in UTC")
    refused.add_argument(
        "--send-again",
        nargs="*",
        metavar="ID",
        help="send these alerts again (no ID: all), once the cause is mended",
    )
    add_state_dir(refused)
    refused.set_defaults(run=_refused)


def _refused(chosen: argparse.Namespace) -> int:
    if chosen.send_again is not None:
        count = ask_daemon(chosen, "send-again", alerts=chosen.send_again or None)["count"]
        print(f"{count} sent again" if count else "nothing to send again")
        return 0
    found = ask_daemon(chosen, "refused")["refused"]
    for entry in found:
        print(json.dumps(entry, ensure_ascii=False) if chosen.json else _line(entry))
    if not found and not chosen.json:
        print("nothing was refused")
    return 0


def _line(entry: dict[str, Any]) -> str:
    """`2026-11-27 12:03:41  police  gate  opened  ID  reason`, in local time."""
    at = datetime.fromisoformat(entry["at"]).astimezone()
    what = [entry[key] for key in ("sink", "camera", "phase", "alert", "reason")]
    return flow(f"{at:%Y-%m-%d %H:%M:%S}", what, indent=4)
