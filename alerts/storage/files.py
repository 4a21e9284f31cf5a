"""Files of the state directory whatever is found there: locks, what is in the way, hung disks."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from config.errors import ConfigError

START_S = 2.0
"""A start waits so long for a disk that does not answer, at each of a few places."""

COMPANIONS = ("-wal", "-shm", "-journal")
"""Files that SQLite keeps beside a database, by what is behind its name."""

UNFINISHED = ".unfinished"
"""Behind the name of a file that is being written."""

T = TypeVar("T")


def within(timeout_s: float, call: Callable[[], T]) -> T:
    """What `call` returns or raises; TimeoutError (an OSError) where it takes longer.

    It then goes on in a thread that is left behind: nothing else ends a wait for a disk. Where the
    machine has no room for a thread, it is not called, and OSError says so.
    """
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(call())
        except BaseException as error:  # noqa: BLE001 - raised below
            errors.append(error)

    thread = threading.Thread(target=run, name="disk", daemon=True)
    try:
        thread.start()
    except RuntimeError as error:
        raise OSError(errno.EAGAIN, "no thread can be started") from error
    thread.join(timeout_s)
    if errors:
        raise errors[0]
    if not results:
        raise TimeoutError(errno.ETIMEDOUT, "the disk does not answer")
    return results[0]


def unfinished(path: Path) -> Path:
    """What the file at `path` is called while it is written: what a crash leaves does not count."""
    return path.with_name(path.name + UNFINISHED)


def write_whole(path: Path, data: bytes, mode: int = 0o666) -> None:
    """Write `data` to `path`, whole or not at all; `mode` as of `os.open`. Raises OSError."""
    temporary = unfinished(path)
    temporary.unlink(missing_ok=True)
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def in_the_way(path: Path) -> str | None:
    """What stands at `path` where a file belongs; None where that is a file, or nothing is."""
    try:
        mode = path.lstat().st_mode
        if stat.S_ISLNK(mode):
            mode = path.stat().st_mode
    except FileNotFoundError:
        return "a link to nowhere" if path.is_symlink() else None
    except OSError as error:
        if error.errno == errno.ELOOP:
            return "a link to itself"
        raise
    if stat.S_ISREG(mode):
        return None
    names = {stat.S_IFDIR: "a directory", stat.S_IFIFO: "a FIFO", stat.S_IFSOCK: "a socket"}
    return names.get(stat.S_IFMT(mode), "a device")


def move_aside(path: Path) -> Path:
    """Rename what stands at `path`, with the time in its name; returns the new path.

    Nothing is deleted. Raises OSError where the directory cannot be written.
    """
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
    aside = path.with_name(f"{path.name}.damaged-{stamp}")
    path.rename(aside)
    return aside


def move_companions(database: Path, to: Path) -> None:
    """Rename what SQLite keeps beside `database`, which was renamed to `to`."""
    for suffix in COMPANIONS:
        part = database.with_name(database.name + suffix)
        if part.exists():
            part.rename(to.with_name(to.name + suffix))


def identity(path: Path) -> tuple[int, int] | None:
    """Device and inode of what is at `path`; None where nothing is, or a link to itself."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno == errno.ELOOP:
            return None
        raise
    return status.st_dev, status.st_ino


class FileLock:
    """Holds `path` for this process; the kernel lets go of it however the process ends."""

    def __init__(self, path: Path) -> None:
        """Raise ConfigError where another process holds it, OSError where it cannot be made."""
        self._path = path
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._descriptor)
            raise ConfigError(
                f"{path.parent}: another jikimi daemon uses this state directory; "
                "stop it, or give this one its own state_dir"
            ) from None
        except OSError:
            os.close(self._descriptor)
            raise

    def in_place(self) -> bool:
        """Whether the file that is held is still the one at its path."""
        held = os.fstat(self._descriptor)
        return identity(self._path) == (held.st_dev, held.st_ino)

    def release(self) -> None:
        """Let another process have it."""
        os.close(self._descriptor)
