"""`jikimi` whose disk takes nothing for as long as a file exists.

Run as `python hung_disk.py FILE run …`; everything else is the daemon's own.
"""

from __future__ import annotations

import os
import sqlite3
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from alerts.storage import write_behind
from alerts.storage.write_behind import Change
from detector.cli import command

POLL_S = 0.1


def hang_while(file: Path) -> None:
    """Make database files and `fsync` wait until `file` is gone."""
    apply, fsync, never = write_behind._apply, os.fsync, threading.Event()

    def wait() -> None:
        while file.exists():
            never.wait(POLL_S)

    def slow_apply(changes: Sequence[Change], database: sqlite3.Connection) -> None:
        wait()
        apply(changes, database)

    def slow_fsync(descriptor: int) -> None:
        wait()
        fsync(descriptor)

    write_behind._apply = slow_apply
    os.fsync = slow_fsync


if __name__ == "__main__":
    hang_while(Path(sys.argv[1]))
    del sys.argv[1]
    command()
