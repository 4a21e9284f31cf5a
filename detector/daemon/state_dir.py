"""One daemon a state directory: who comes first holds it until his process ends."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from alerts.storage.files import START_S, in_the_way, move_aside, within
from config.errors import ConfigError

LOCK_FILE = "daemon.lock"


@contextmanager
def claimed(state_dir: Path) -> Iterator[None]:
    """Hold `state_dir`; raises ConfigError, with the process that has it, where another does.

    A directory in which nothing can be written, or whose disk does not answer, does not stop it:
    the outbox then goes on in memory, and says so. Meanwhile every file and folder that this
    process makes is for its user and, to read, its group: they hold pictures of people.
    """
    before = os.umask(0o077)
    os.umask(before | 0o027)
    try:
        with _locked(state_dir):
            yield
    finally:
        os.umask(before)


@contextmanager
def _locked(state_dir: Path) -> Iterator[None]:
    try:
        lock = within(START_S, partial(_opened, state_dir))
    except OSError:
        yield
        return
    try:
        _lock(lock, state_dir)
        yield
    finally:
        os.close(lock)


def _opened(state_dir: Path) -> int:
    state_dir.mkdir(parents=True, exist_ok=True, mode=0o750)
    path = state_dir / LOCK_FILE
    if in_the_way(path):
        move_aside(path)
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    except PermissionError:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)  # another user's can be held, too


def _lock(lock: int, state_dir: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(lock, 20, 0).decode(errors="replace")
        process = f" (process {holder})" if holder else ""
        raise ConfigError(
            f"{state_dir}: another jikimi daemon{process} uses this state directory; "
            "stop it, or give this one a directory of its own with JIKIMI_STATE_DIR"
        ) from None
    with suppress(OSError):  # a full disk: whoever comes next is refused without the number
        os.ftruncate(lock, 0)
        os.pwrite(lock, str(os.getpid()).encode(), 0)
