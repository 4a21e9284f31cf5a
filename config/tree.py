"""Settings before they are checked: plain text in a tree in which every value knows its place.

YAML, environment and command line each become such a tree; they are laid over one another
and checked as one, and a mistake still names the line or variable that it came from.
Scalars stay the text that was typed (None where nothing was): what type they are to have is
the settings' business, so that a password `0123` or a camera called `on` is not reinterpreted.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

Key = tuple[str | int, ...]

_LONGEST_KEY = 63
_UNFIT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
"""No line breaks and tabs: a text may have several lines."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where something was stated: a file and line, a variable, or the command line.

    `folder` is what relative paths stated there start from; None: the working directory.
    """

    source: str
    line: int | None = None
    folder: Path | None = None

    def __str__(self) -> str:
        return self.source if self.line is None else f"{self.source}:{self.line}"


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing wrong; `str()` is the one line that the operator reads."""

    place: Place
    key: str
    text: str

    def __str__(self) -> str:
        line = ": ".join(part for part in (str(self.place), self.key, self.text) if part)
        # A key or file name may hold anything, and this is to stay one line.
        return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in line)


@dataclass(frozen=True, slots=True)
class Node:
    """A value with its place and the key that leads to it."""

    value: str | dict[str, Node] | list[Node] | None
    place: Place
    key: Key = ()

    def mistake(self, text: str) -> Mistake:
        return Mistake(self.place, key_text(self.key), text)

    def children(self) -> dict[str, Node]:
        """The entries of a section; none for anything else."""
        return self.value if isinstance(self.value, dict) else {}

    def find(self, key: Key) -> Node:
        """The node at `key` below this one, or the last one on the way there."""
        node = self
        for part in key:
            inner = node.value
            if isinstance(inner, dict) and part in inner:
                node = inner[str(part)]
            elif isinstance(inner, list) and isinstance(part, int) and part < len(inner):
                node = inner[part]
            else:
                break
        return node

    def plain(self) -> object:
        """The value alone, for pydantic. What was left empty counts as not given."""
        if isinstance(self.value, dict):
            return {
                name: child.plain() for name, child in self.value.items() if child.value is not None
            }
        if isinstance(self.value, list):
            return [child.plain() for child in self.value]
        return self.value


def key_text(key: Key) -> str:
    """`cameras.gate.detection.watch[0]`; a key that may hold a password is left out."""
    text = ""
    for part in key:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            shown = "***" if "@" in part or "://" in part else part
            if len(shown) > _LONGEST_KEY:
                shown = shown[:_LONGEST_KEY] + "…"
            text += f".{shown}" if text else shown
    return text


def unfit_character(text: str) -> bool:
    """Whether `text` holds what no setting can: NUL, another control, half a character."""
    return _UNFIT.search(text) is not None


def merge(below: Node | None, above: Node | None) -> Node | None:
    """`above` over `below`: sections are merged key by key, anything else is replaced.

    What is empty above leaves what is below.
    """
    if below is None:
        return above
    if above is None or above.value is None:
        return below
    if not (isinstance(below.value, dict) and isinstance(above.value, dict)):
        return above
    merged = dict(below.value)
    for name, child in above.value.items():
        merged[name] = merge(merged.get(name), child) or child
    return replace(below, value=merged)
