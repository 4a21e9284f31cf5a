"""`jikimi` whose threads can be killed: each dies whose name stands in a folder, as a file.

Run as `python killing.py FOLDER run …`; everything else is the daemon's own. The file goes once
its thread has been told; a thread that waits for something dies when that comes.
"""

from __future__ import annotations

import ctypes
import sys
import threading
from pathlib import Path

from detector.cli import command
from detector.daemon import calibration_store
from detector.evidence import recorder

POLL_S = 0.1


class KilledError(BaseException):
    """Passes by every `except Exception`."""


def kill_by(folder: Path) -> None:
    """Watch `folder` in a thread."""

    def watch() -> None:
        never = threading.Event()
        while True:
            for file in folder.iterdir():
                for thread in threading.enumerate():
                    if thread.name.startswith(file.name):
                        ctypes.pythonapi.PyThreadState_SetAsyncExc(
                            ctypes.c_ulong(thread.ident or 0), ctypes.py_object(KilledError)
                        )
                        file.unlink(missing_ok=True)
            never.wait(POLL_S)

    threading.Thread(target=watch, name="killer", daemon=True).start()


if __name__ == "__main__":
    # Else they may wait for minutes before they die.
    calibration_store.SAVE_EVERY_S = recorder.TIDY_S = 0.5
    kill_by(Path(sys.argv[1]))
    del sys.argv[1]
    command()
