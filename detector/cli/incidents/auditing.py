"""Who was handed which evidence, and why: in the audit before anything can be taken away."""

from __future__ import annotations

import argparse
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from uuid import UUID

from config.errors import ConfigError, ControlError, JikimiError
from detector.cli.asking import ask_daemon, state_dir, user

AT_ONCE = 1000
"""Incidents in one request to the daemon, which takes 64 KiB."""


def audit_export(chosen: argparse.Namespace, incidents: Sequence[UUID], reason: str) -> None:
    """Have the audit say that the evidence of `incidents` is handed out.

    The daemon does so or, where none runs, its store, which it hands to the journal at its next
    start. Raises JikimiError where that is not on disk: then nothing is to be handed out.
    """
    for first in range(0, len(incidents), AT_ONCE):
        some = incidents[first : first + AT_ONCE]
        named = [str(incident) for incident in some]
        try:
            answer = ask_daemon(chosen, "audit-export", incidents=named, reason=reason)
        except ControlError as error:
            _audit_without_daemon(state_dir(chosen), some, reason, error)
            continue
        if why := answer["in_memory_only"]:
            raise JikimiError(f"nothing is exported, for the audit is not on disk: {why}")


def _audit_without_daemon(
    folder: Path, incidents: Sequence[UUID], reason: str, error: ControlError
) -> None:
    from alerts.storage.database import open_database, transaction  # noqa: PLC0415
    from alerts.storage.files import FileLock  # noqa: PLC0415
    from alerts.storage.pending import remember  # noqa: PLC0415
    from detector.daemon.journal import OUTBOX  # noqa: PLC0415 - loads NumPy
    from detector.journal.bodies import as_body, key_of, kind_of  # noqa: PLC0415
    from detector.journal.recorder import audit_entry  # noqa: PLC0415

    path = folder / OUTBOX
    entries = [audit_entry(user(), "export", str(one), reason) for one in incidents]
    rows = [(kind_of(one), key_of(one), as_body(one)) for one in entries]
    try:
        lock = FileLock(path.with_name(path.name + ".lock"))
    except ConfigError:  # a daemon holds it, and has not done what it was asked
        raise error from None
    except OSError as failure:
        raise _refusal(path, failure.strerror or str(failure)) from failure
    try:
        with closing(open_database(path)) as database:
            database.execute("PRAGMA synchronous = FULL")  # on disk before anything is handed out
            transaction(database, lambda found: [remember(found, *row) for row in rows])
    except (OSError, sqlite3.Error) as failure:
        raise _refusal(path, str(failure)) from failure
    finally:
        lock.release()


def _refusal(path: Path, reason: str) -> JikimiError:
    return JikimiError(
        f"{path}: the audit cannot be written ({reason}), so nothing is exported; export as the "
        "user that the service runs as"
    )
