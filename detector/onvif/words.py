"""What a camera says of itself, made fit to be shown. Pure."""

from __future__ import annotations

LONGEST = 64


def plain(text: object) -> str:
    """`text` on one line, without control characters, at most 64 characters; None is empty.

    A name from the network must neither steer a terminal nor begin a line of its own.
    """
    if text is None:
        return ""
    words = "".join(char if char.isprintable() else " " for char in str(text)).split()
    return " ".join(words)[:LONGEST]
