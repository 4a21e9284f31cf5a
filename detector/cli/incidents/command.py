"""`jikimi incidents`: what has happened, newest first, and what an operator has found it to be."""

from __future__ import annotations

import argparse
import json
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from config.errors import ControlError
from detector.cli.asking import add_state_dir, ask_daemon, state_dir
from detector.cli.incidents.export import add_export
from detector.cli.incidents.reading import entries
from detector.cli.settings import CONFIG_HELP
from detector.cli.terminal import NAME_COLUMNS, flow, padded
from detector.daemon.observability.columns import columns
from detector.journal.records import Verdict


def add_commands(commands: Any) -> None:
    """Add `incidents`, and what can be done with one below it."""
    incidents = commands.add_parser(
        "incidents",
        help="what has happened, newest first; judge, confirm, dismiss, export",
        description="What has happened, newest first, also while the daemon is stopped.",
    )
    incidents.add_argument("--json", action="store_true", help="one object a line, times in UTC")
    incidents.add_argument(
        "--limit", type=int, default=50, metavar="N", help="at most so many (default: 50)"
    )
    incidents.add_argument(
        "--config", type=Path, metavar="FILE", help=f"names the journal; {CONFIG_HELP}"
    )
    add_state_dir(incidents)
    incidents.set_defaults(run=_incidents)
    actions = incidents.add_subparsers(
        title="actions", metavar="ACTION", help="left out: list them"
    )
    judge = actions.add_parser("judge", help="say what an incident was")
    judge.add_argument("incident", metavar="ID", help="as `jikimi incidents --json` shows it")
    judge.add_argument(
        "verdict", choices=[verdict.value for verdict in Verdict], help="the newest one counts"
    )
    judge.add_argument("--note", default="", metavar="TEXT", help="kept with the verdict")
    add_state_dir(judge, default=argparse.SUPPRESS)
    judge.set_defaults(run=_judge)
    for action, told in (
        ("confirm", "have the sinks told that wait for an operator (confirm: operator)"),
        ("dismiss", "have them told nothing of an incident"),
    ):
        settle = actions.add_parser(action, help=told)
        settle.add_argument("incident", metavar="ID", help="as `jikimi status` shows it")
        settle.add_argument("--note", default="", metavar="TEXT", help="goes to the audit")
        add_state_dir(settle, default=argparse.SUPPRESS)
        settle.set_defaults(run=partial(_settle, action))
    add_export(actions)


def _judge(chosen: argparse.Namespace) -> int:
    answer = ask_daemon(
        chosen, "judge", incident=chosen.incident, verdict=chosen.verdict, note=chosen.note
    )
    print(f"incident {answer['incident']}: {answer['verdict']}")
    _say_where(answer)
    return 0


def _settle(action: str, chosen: argparse.Namespace) -> int:
    answer = ask_daemon(chosen, action, incident=chosen.incident, note=chosen.note)
    is_told = action == "confirm"
    words = f"incident {answer['incident']} {'confirmed' if is_told else 'dismissed'}"
    parts = []
    if sinks := ", ".join(answer["sinks"]):
        parts.append(f"{sinks} {'told now' if is_told else 'told nothing'}")
    if ahead := ", ".join(answer["ahead"]):
        parts.append(f"{ahead} {'will not wait' if is_told else 'will be told nothing'}")
    print(f"{words}: {'; '.join(parts)}")
    _say_where(answer)
    return 0


def _say_where(answer: dict[str, Any]) -> None:
    if reason := answer.get("in_memory_only"):
        print(f"accepted, in memory only: {reason}")


def _incidents(chosen: argparse.Namespace) -> int:
    found = entries(chosen, state_dir(chosen), chosen.limit)
    if chosen.json:
        for entry in found:
            print(json.dumps(entry, ensure_ascii=False))
        return 0
    if not found:
        print("no incidents yet")
        return 0
    running = any(entry["closed_at"] is None for entry in found) and _runs(chosen)
    width = min(NAME_COLUMNS, max(columns(entry["camera"]) for entry in found))
    for entry in found:
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
    what += [entry["verdict"]] if "verdict" in entry else []
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
