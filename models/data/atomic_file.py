"""Files that are whole or not there: caches are read by runs that go on beside this one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """A file beside `path` to write to, of the same suffix; it becomes `path` where all went well.

    Makes the folder. Named after this process, so that two may write the same file at once.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(f".{os.getpid()}{path.suffix}")
    yield unfinished
    unfinished.replace(path)
