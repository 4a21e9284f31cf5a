"""`jikimi` that takes half a second for each picture, which is where a kill between two writes is.

Run as `python slow_picture.py run …`; everything else is the daemon's own.
"""

from __future__ import annotations

import threading
from typing import Any

from detector.cli import command
from detector.daemon import alerting

PICTURE_S = 0.5


def slow_down() -> None:
    """Make each picture take `PICTURE_S` longer."""
    snapshot, never = alerting.snapshot, threading.Event()

    def slow(*arguments: Any) -> bytes:
        never.wait(PICTURE_S)
        return snapshot(*arguments)

    alerting.snapshot = slow


if __name__ == "__main__":
    slow_down()
    command()
