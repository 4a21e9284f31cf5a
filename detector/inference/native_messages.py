"""What native libraries write to standard error themselves, brought into the log.

LiteRT has no setting for it: its notice "Created TensorFlow Lite XNNPACK delegate" comes from
C++, past Python's `sys.stderr`, and would stand as a bare line in a log of JSON.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from structlog import get_logger

STDERR = 2

log = get_logger()


@contextmanager
def native_messages_logged() -> Iterator[None]:
    """Log each line that reaches file descriptor 2 meanwhile, but for LiteRT's INFO.

    For the process as a whole, so only while nothing else runs in it, and log nothing inside.
    """
    if sys.stderr:
        sys.stderr.flush()
    held, kept = os.memfd_create("native-messages"), os.dup(STDERR)
    os.dup2(held, STDERR)
    try:
        yield
    finally:
        os.dup2(kept, STDERR)
        os.close(kept)
        with os.fdopen(held, "rb") as written:
            written.seek(0)
            lines = written.read().decode(errors="replace").splitlines()
        for line in lines:
            if line.startswith("ERROR"):
                log.error("native message", text=line)
            elif line.strip() and not line.startswith("INFO: "):
                log.warning("native message", text=line)
