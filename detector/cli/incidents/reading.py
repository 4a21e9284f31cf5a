"""What has happened, as the commands show it, whether a daemon runs or not."""

from __future__ import annotations

import argparse
import os
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

from config.errors import ConfigError
from config.secrets import scrub
from detector.cli.settings import config_file, read_settings
from detector.journal.records import JOURNAL, IncidentRecord


def entries(chosen: argparse.Namespace, folder: Path, limit: int) -> list[dict[str, Any]]:
    """What the journal holds, newest first; where it cannot be read, what this box holds."""
    where = _journal(chosen, folder)
    return (_journalled(folder, where, limit) if where else None) or _local(folder, limit)


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
