"""`jikimi` whose disk takes and gives nothing for as long as a file exists.

Run as `python hung_disk.py FILE run …`; everything else is the daemon's own.
"""

from __future__ import annotations

import os
import sqlite3
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from alerts.storage import state_file, write_behind
from alerts.storage.write_behind import Change
from detector.cli import command
from detector.daemon import state_dir
from detector.daemon.calibration_store import CalibrationStore
from detector.daemon.operators.control import ControlServer

POLL_S = 0.1


def hang_while(file: Path) -> None:
    """Make whatever opens, reads or writes the state directory wait until `file` is gone."""
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

    def first_wait(do: Callable[..., Any]) -> Callable[..., Any]:
        def slow(*arguments: Any) -> Any:
            wait()
            return do(*arguments)

        return slow

    write_behind._apply = slow_apply
    os.fsync = slow_fsync
    state_dir._opened = first_wait(state_dir._opened)
    state_file.StateFile.__init__ = first_wait(state_file.StateFile.__init__)
    CalibrationStore._read_all = first_wait(CalibrationStore._read_all)
    ControlServer._bound = first_wait(ControlServer._bound)


if __name__ == "__main__":
    hang_while(Path(sys.argv[1]))
    del sys.argv[1]
    command()
