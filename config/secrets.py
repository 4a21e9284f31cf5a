"""Keep passwords out of everything that is written down.

Code that reads a secret registers it here; loggers, error messages and status pages pass
their text through `scrub`. It matches the secret as typed, percent-encoded, and escaped as
JSON and Python write strings.
"""

from __future__ import annotations

import json
from urllib.parse import quote

MASK = "***"

MIN_LENGTH = 4
"""Shorter secrets are not scrubbed blindly: a password `1` would star every number out and
hide nothing. What prints a camera's URL prints `StreamUrl.redacted`, which masks any length."""

_known: tuple[str, ...] = ()
"""Longest first, so that a secret that holds another one goes whole. Replaced, never changed:
threads that log read it without a lock."""


def register_secret(secret: str) -> None:
    """From now on `scrub` hides `secret`, unless it is shorter than `MIN_LENGTH`."""
    global _known  # noqa: PLW0603 - one process has one set of secrets
    if len(secret) < MIN_LENGTH:
        return
    forms = {
        secret,
        quote(secret, safe=""),
        quote(secret),
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        repr(secret)[1:-1],
    }
    if new := forms.difference(_known):
        _known = tuple(sorted((*_known, *new), key=len, reverse=True))  # a merge: in order already


def scrub(text: str) -> str:
    """`text` with every registered secret replaced by `***`."""
    for secret in _known:
        text = text.replace(secret, MASK)
    return text
