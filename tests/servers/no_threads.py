"""`jikimi` that cannot start a thread for as long as a file exists, as at a limit of the machine.

Run as `python no_threads.py FILE run …`; everything else is the daemon's own.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import Any

from detector.cli import command


def refuse_while(file: Path) -> None:
    """Fail as CPython does where the system has no room for a thread."""
    start = threading._start_new_thread  # type: ignore[attr-defined]

    def refuse(*arguments: Any) -> Any:
        if file.exists():
            raise RuntimeError("can't start new thread")
        return start(*arguments)

    threading._start_new_thread = refuse  # type: ignore[attr-defined]


if __name__ == "__main__":
    refuse_while(Path(sys.argv[1]))
    del sys.argv[1]
    command()
