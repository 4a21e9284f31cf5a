"""Where a form may lead: to a page of ours and nowhere else."""

from __future__ import annotations

import re

_LOCAL = re.compile(r"/(?![/\\])[!-\[\]-~]*")
"""No second slash, and no backslash, which browsers read as one; no space or control character."""


def local_path(asked: object, otherwise: str = "/") -> str:
    """`asked`, if that is a path on this host, with its query."""
    return asked if isinstance(asked, str) and _LOCAL.fullmatch(asked) else otherwise
