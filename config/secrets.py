"""Keep passwords out of everything that is written down.

Whoever reads a secret registers it here; loggers, error messages and status pages pass
their text through `scrub`. It matches the secret as typed and percent-encoded.
"""

from __future__ import annotations

from urllib.parse import quote

MASK = "***"

_known: set[str] = set()


def register_secret(secret: str) -> None:
    """From now on `scrub` hides `secret`, as typed and percent-encoded."""
    if secret:
        _known.update({secret, quote(secret, safe=""), quote(secret)})


def scrub(text: str) -> str:
    """`text` with every registered secret replaced by `***`."""
    for secret in sorted(_known, key=len, reverse=True):
        text = text.replace(secret, MASK)
    return text
