"""How commands write for people: local times, and lines no wider than the terminal."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from datetime import datetime

from detector.daemon.observability.columns import columns

GAP = "  "
"""Stands between the parts of a line."""

NAME_COLUMNS = 16
"""Cameras' names stand in a column up to so wide; a longer one moves what follows it."""


def local_end(utc: str, now: datetime | None = None) -> str:
    """When something ends, `14:30` local time, with its date where that is not today's.

    `utc`: ISO 8601 with its offset. `now`: an aware time; left out: the clock's.
    """
    end = datetime.fromisoformat(utc).astimezone()
    today = (now or datetime.now().astimezone()).astimezone().date()
    return f"{end:%H:%M}" if end.date() == today else f"{end:%Y-%m-%d %H:%M}"


def padded(text: str, width: int) -> str:
    """`text` with spaces up to `width` columns; longer text stays as it is."""
    return text + " " * (width - columns(text))


def flow(start: str, parts: Iterable[str], indent: int) -> str:
    """`start` and `parts` with a gap between them, in lines that fit the terminal.

    Without a terminal that is 80 columns. Lines after the first begin with `indent` spaces. A
    part too long for a line is broken at its spaces; a word, such as a URL, is never broken.
    """
    width = shutil.get_terminal_size().columns
    lines = [start]

    def add(text: str, before: str) -> None:
        if columns((lines[-1] + before + text).rstrip()) <= width:
            lines[-1] += before + text
        else:
            lines.append(" " * indent + text)

    for part in parts:
        whole = indent + columns(part.rstrip()) <= width
        for place, word in enumerate([part] if whole else part.split()):
            add(word, " " if place else GAP)
    return "\n".join(line.rstrip() for line in lines)
