"""How much room is left on a disk, asked so that a disk that hangs holds up nobody."""

from __future__ import annotations

import math
import shutil
import threading
from contextlib import suppress
from pathlib import Path

WAIT_S = 0.5
"""A disk that takes longer does not answer, as far as a scrape is concerned."""


class FreeSpace:
    """Bytes that this user may still fill on the disk of `folder`; NaN where it does not answer.

    Each call asks in a thread of its own, and no second one before the first has come back.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._bytes = math.nan
        self._asking: threading.Thread | None = None

    def __call__(self) -> float:
        """What there is now."""
        if self._asking is None or not self._asking.is_alive():
            self._bytes = math.nan
            asking = threading.Thread(target=self._ask, name="free-space", daemon=True)
            try:
                asking.start()
            except RuntimeError:  # no thread to be had
                return math.nan
            self._asking = asking
        self._asking.join(WAIT_S)
        return self._bytes

    def _ask(self) -> None:
        with suppress(OSError):
            self._bytes = float(shutil.disk_usage(self._folder).free)
