"""`jikimi` whose process outlives its interpreter by a while, as on a box with much to do.

Run as `python lingering.py run …`; everything else is the daemon's own. What a left-over thread
does between Python's end and the process's own is seen every time, not once in twenty.
"""

from __future__ import annotations

import atexit
import ctypes
import gc

from detector.cli import command

LINGER_US = 500_000
"""libav looks at the clock each 100 ms."""

if __name__ == "__main__":
    atexit.register(gc.freeze)  # or Python ends so slowly that libav looks at the clock before
    libc = ctypes.CDLL(None)
    libc.__cxa_atexit(libc.usleep, ctypes.c_void_p(LINGER_US), None)
    command()
