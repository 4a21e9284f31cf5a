"""`jikimi incidents`: what has happened, newest first, and what an operator has found it to be."""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import sys
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

from config.errors import ConfigError, ControlError
from config.secrets import scrub
from detector.cli.asking import add_state_dir, ask_daemon, state_dir
from detector.cli.settings import CONFIG_HELP, config_file, read_settings
from detector.cli.terminal import NAME_COLUMNS, flow, padded
from detector.daemon.observability.columns import columns
from detector.journal.records import JOURNAL, IncidentRecord, Verdict


def add_commands(commands: Any) -> None:
    """Add `incidents`, and `judge` below it."""
    incidents = commands.add_parser(
        "incidents",
        help="what has happened, newest first; judge what it was",
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
    add_state_dir(judge)
    judge.set_defaults(run=_judge)


def _judge(chosen: argparse.Namespace) -> int:
    answer = ask_daemon(
        chosen, "judge", incident=chosen.incident, verdict=chosen.verdict, note=chosen.note
    )
    print(f"incident {answer['incident']}: {answer['verdict']}")
    if reason := answer.get("in_memory_only"):
        print(f"accepted, in memory only: {reason}")
    return 0


def _incidents(chosen: argparse.Namespace) -> int:
    folder = state_dir(chosen)
    where = _journal(chosen, folder)
    entries = (_journalled(folder, where, chosen.limit) if where else None) or _local(
        folder, chosen.limit
    )
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


def _local(folder: Path, limit: int) -> list[dict[str, Any]]:
    """What the daemon's own file holds."""
    from detector.daemon.journal import read_entries  # noqa: PLC0415 - loads NumPy

    return [entry.as_json() for entry in read_entries(folder, limit, _say_damaged)]


def _journal(chosen: argparse.Namespace, folder: Path) -> Path | str | None:
    """The journal of the daemon that is meant; None where it has none yet."""
    file = None if chosen.state_dir and not chosen.config else config_file(chosen.config)
    # Reading all of the settings takes half a second, for which few have a reason.
    if "JIKIMI_JOURNAL__URL" in os.environ or (file and _names_journal(file)):
        try:
            url = read_settings(file).journal.url
        except ConfigError as error:
            print(f"journal not read, for {scrub(str(error))}", file=sys.stderr)
            return None
        if url:
            return url.get_secret_value()
    path = folder / JOURNAL
    return path if path.is_file() else None


def _names_journal(file: Path) -> bool:
    try:
        return "journal" in file.read_text(errors="replace")
    except OSError:
        return False


def _journalled(folder: Path, where: Path | str, limit: int) -> list[dict[str, Any]] | None:
    """What the journal holds, and the daemon's file beyond it; None where that cannot be read."""
    from alerts.storage.database import read_database  # noqa: PLC0415
    from detector.daemon.journal import OUTBOX  # noqa: PLC0415 - same
    from detector.journal.reading import JournalReader  # noqa: PLC0415 - loads SQLAlchemy

    try:
        with closing(read_database(folder / OUTBOX)) as file:
            reader = JournalReader(where, lambda *asked: file.execute(*asked).fetchall())
            found = reader.incidents(limit=limit)
            damaged = reader.damaged
            reader.close()
    except (OSError, sqlite3.Error):
        return None
    if reader.trouble:
        print(f"journal: {reader.trouble}; shown is what this box holds", file=sys.stderr)
        return None
    for key in damaged:
        _say_damaged(key)
    return [_as_json(one) for one in found]


def _say_damaged(key: str) -> None:
    print(f"incident {key}: damaged in the journal, left out", file=sys.stderr)


def _as_json(one: IncidentRecord) -> dict[str, Any]:
    """As `detector.daemon.journal.Entry.as_json`, with the verdict where there is one."""
    closed_at, judgement = one.closed_at, one.judgement
    return {
        "id": str(one.id),
        "camera": one.camera,
        "label": one.label,
        "opened_at": one.opened_at.isoformat(timespec="milliseconds"),
        "closed_at": closed_at and closed_at.isoformat(timespec="milliseconds"),
        "peak": round(one.peak, 3),
        "reason": one.reason,
        **({"verdict": judgement.verdict, "note": judgement.note} if judgement else {}),
    }


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
