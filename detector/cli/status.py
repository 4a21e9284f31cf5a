"""What is asked of the running daemon: `jikimi status`, `incidents`, `drill` and others."""

from __future__ import annotations

import argparse
import json
import os
import re
from pathlib import Path
from typing import Any

from config.settings import default_state_dir
from detector.cli.run import summary
from detector.daemon.control import ask

DURATION = re.compile(r"(\d+(?:\.\d+)?)(s|m|h)?")
UNIT_S = {None: 1, "s": 1, "m": 60, "h": 3600}


def add_commands(commands: Any) -> None:
    """Add the five."""
    status = commands.add_parser("status", help="what the running daemon does")
    status.add_argument("--json", action="store_true")
    status.set_defaults(run=_status)

    incidents = commands.add_parser("incidents", help="what has happened, newest first")
    incidents.add_argument("--json", action="store_true", help="one object a line")
    incidents.add_argument("--limit", type=int, default=50, metavar="N")
    incidents.set_defaults(run=_incidents)

    drill = commands.add_parser("drill", help="a marked exercise through every sink")
    drill.add_argument("--camera", metavar="NAME")
    drill.set_defaults(run=_drill)

    silence = commands.add_parser("silence", help="send no alarms for a while")
    silence.add_argument("--camera", metavar="NAME", help="only this one")
    silence.add_argument(
        "--for", dest="for_s", type=seconds, required=True, metavar="10m", help="10m, 90s, 2h"
    )
    silence.set_defaults(run=_silence)

    recalibrate = commands.add_parser(
        "recalibrate", help="forget what a camera has learnt: it was turned or moved"
    )
    recalibrate.add_argument("camera", metavar="CAMERA")
    recalibrate.set_defaults(run=_recalibrate)

    for command in (status, incidents, drill, silence, recalibrate):
        command.add_argument(
            "--state-dir",
            type=Path,
            metavar="DIR",
            help="of the daemon to ask (JIKIMI_STATE_DIR)",
        )


def seconds(text: str) -> float:
    """`10m` → 600.0; raises ArgumentTypeError for anything else."""
    found = DURATION.fullmatch(text.strip())
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r} is no duration; write 90s, 10m or 2h")
    return float(found[1]) * UNIT_S[found[2]]


def _ask(chosen: argparse.Namespace, command: str, **details: Any) -> Any:
    stated = chosen.state_dir or os.environ.get("JIKIMI_STATE_DIR")
    state_dir = Path(stated) if stated else default_state_dir()
    return ask(state_dir / "control.sock", command, **details)


def _status(chosen: argparse.Namespace) -> int:
    status = _ask(chosen, "status")
    if chosen.json:
        print(json.dumps(status, ensure_ascii=False, indent=2))
        return 0
    print(summary(status))
    for reason in status["reasons"]:
        print(f"  {status['status']}: {reason}")
    return 0


def _incidents(chosen: argparse.Namespace) -> int:
    entries = _ask(chosen, "incidents", limit=chosen.limit)
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


def _drill(chosen: argparse.Namespace) -> int:
    sent = _ask(chosen, "drill", camera=chosen.camera)
    print(
        f"exercise {sent['incident']} on camera {sent['camera']} is on its way to "
        f"{', '.join(sent['sinks'])}; `jikimi status` tells which sinks have a problem"
    )
    return 0


def _silence(chosen: argparse.Namespace) -> int:
    answer = _ask(chosen, "silence", camera=chosen.camera, for_s=chosen.for_s)
    print(f"{answer['camera'] or 'every camera'} is silenced until {answer['until']}")
    return 0


def _recalibrate(chosen: argparse.Namespace) -> int:
    answer = _ask(chosen, "recalibrate", camera=chosen.camera)
    print(f"{answer['camera']} starts again from the weights' own threshold and learns anew")
    return 0
