"""`jikimi` whose engine blocks for as long as a file exists, or is slow, where that says how slow.

Run as `python hanging.py FILE run …`; everything else is the daemon's own.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from detector.cli import command
from detector.inference.engine import Floats, LiteRTEngine

POLL_S = 0.1


def hang_while(file: Path) -> None:
    """Make an inference wait until `file` is gone, or as many seconds a view as stand in it."""
    embed, never = LiteRTEngine.embed, threading.Event()

    def slow(engine: LiteRTEngine, views: Floats) -> Floats:
        while file.exists():
            if seconds := file.read_text():
                never.wait(float(seconds) * len(views))
                break
            never.wait(POLL_S)
        return embed(engine, views)

    LiteRTEngine.embed = slow  # type: ignore[method-assign]


if __name__ == "__main__":
    hang_while(Path(sys.argv[1]))
    del sys.argv[1]
    command()
