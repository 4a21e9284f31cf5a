"""The disk that alarms must not wait for: how long it takes, and keeping it busy."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PROBED_BYTES = 30_000
"""What an alert writes."""

EVERY_S = 0.1

RECORDER = """
import os, sys, time
block = bytes(2**20)
while True:
    with open(sys.argv[1], "wb") as file:
        for _ in range(1500):
            file.write(block)
        os.fsync(file.fileno())
    os.unlink(sys.argv[1])
    time.sleep(2)
"""
"""Writes 1.5 GB, waits until the disk has it, and rests for two seconds."""


@contextmanager
def busy(folder: Path) -> Iterator[None]:
    """Keep the disk that holds `folder` writing."""
    file = folder / "recording"
    writer = subprocess.Popen(["nice", sys.executable, "-c", RECORDER, str(file)])
    try:
        yield
    finally:
        writer.kill()
        writer.wait()
        file.unlink(missing_ok=True)


@contextmanager
def watched(folder: Path) -> Iterator[list[float]]:
    """Gathers, meanwhile, the milliseconds that an fsync takes in `folder`, ten a second."""
    found: list[float] = []
    done = threading.Event()

    def watch() -> None:
        with tempfile.TemporaryFile(dir=folder) as file:
            while not done.wait(EVERY_S):
                file.write(bytes(PROBED_BYTES))
                file.flush()
                started_s = time.perf_counter()
                os.fsync(file.fileno())
                found.append(1000 * (time.perf_counter() - started_s))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield found
    finally:
        done.set()
        thread.join()


def elsewhere() -> Path | None:
    """Where files are in memory: for what has another disk, or none, where Jikimi is at work."""
    memory = Path("/dev/shm")
    return memory if memory.is_dir() else None
