"""Read what an operator names: a small file, never a device or pipe that would not end."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

YAML_BYTES = 256 * 1024
"""The configuration of 600 cameras; a file of that size is checked within a second."""

SECRET_BYTES = 64 * 1024


class UnfitFileError(ValueError):
    """What is there is no file that can be read; the text says why and what to do."""


def read_file(path: Path, limit: int) -> bytes:
    """The content of at most `limit` bytes; raises UnfitFileError or OSError."""
    mode = path.stat().st_mode  # before it is opened, which some devices answer by acting
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(mode):
        raise UnfitFileError("is a device, pipe or socket; name a file")
    with path.open("rb") as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise UnfitFileError(f"is larger than {limit // 1024} kB; name the right file")
    return content


def expanded(text: str) -> Path:
    """The path that `text` stands for, `~` replaced; raises UnfitFileError."""
    if not text.strip():
        raise UnfitFileError("is empty; write a path")
    try:
        return Path(text).expanduser()
    except RuntimeError:
        user = text.split("/", maxsplit=1)[0]
        raise UnfitFileError(
            f"begins with {user}, and there is no such home here; write the whole path"
        ) from None
